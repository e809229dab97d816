//go:build cgo && opus

package mix

import (
	"fmt"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

func TestTickDoesNotAllocate(t *testing.T) {
	m, sources := busy(t, 3, 4)
	at := time.Duration(0)
	step := func() {
		for _, s := range sources {
			m.Push(start.Add(at), s.id, jitter.Packet{Sequence: uint16(at / quantum), Timestamp: opuspkt.Samples(at), Payload: s.packet})
		}
		m.Tick(start.Add(at), func(*Output, Packet) {})
		at += quantum
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(200, step); n > 0 {
		t.Errorf("%v allocations in 20 ms", n)
	}
}

// said is a source that repeats one packet: decoding costs the same.
type said struct {
	id     uint32
	packet []byte
}

func busy(t testing.TB, inputs, outputs int) (*Mixer, []said) {
	t.Helper()
	m := newMixer(t)
	var sources []said
	for i := range inputs {
		s := newSource(t, uint32(i+1), opustest.Speech(SampleRate, 50*samples, 100+40*float64(i)))
		var packet []byte
		for at := range 10 {
			p, err := s.encoder.Encode(s.pcm[at*samples:(at+1)*samples], make([]byte, 0, opus.MaxPacket))
			if err != nil {
				t.Fatal(err)
			}
			packet = p
		}
		sources = append(sources, said{s.id, packet})
		if err := m.AddInput(s.id); err != nil {
			t.Fatal(err)
		}
	}
	for i := range outputs {
		c := OutputConfig{Rate: 8 * units.Kbps}
		if i > 0 && inputs > 1 {
			c.Without = uint32((i-1)%inputs + 1)
		} else if inputs == 1 {
			c.Only = 1
		}
		addOutput(t, m, c)
	}
	return m, sources
}

// coders does what a mixer of that size cannot do without: it decodes each input
// and encodes each output, 20 ms of them, and nothing else.
func coders(b *testing.B, sources []said, outputs int) (step func()) {
	b.Helper()
	var decoders []*opus.Decoder
	var encoders []*opus.Encoder
	for range sources {
		d, err := opus.NewDecoder(SampleRate)
		if err != nil {
			b.Fatal(err)
		}
		decoders = append(decoders, d)
	}
	for range outputs {
		c := opus.DefaultEncoderConfig()
		c.SampleRate, c.Rate = SampleRate, 8*units.Kbps
		e, err := opus.NewEncoder(c)
		if err != nil {
			b.Fatal(err)
		}
		encoders = append(encoders, e)
	}
	pcm, packet := make([]int16, 0, 6*samples), make([]byte, 0, opus.MaxPacket)
	var long [3 * samples]int16
	third := 0
	return func() {
		part := long[third*samples:][:samples]
		clear(part)
		for i, d := range decoders {
			out, err := d.Decode(sources[i].packet, pcm)
			if err != nil {
				b.Fatal(err)
			}
			for at, v := range out[:samples] {
				part[at] += v / int16(len(decoders))
			}
		}
		if third = (third + 1) % 3; third != 0 {
			return // packets of 60 ms are encoded every third time
		}
		for _, e := range encoders {
			if _, err := e.Encode(long[:], packet); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// What 20 ms of a transrated stream (1 in 1 out) and of a mixed room cost, beside
// the codec alone in the same run. 1 % of a core is 200 us.
func BenchmarkTick(b *testing.B) {
	for _, size := range [][2]int{{1, 1}, {3, 1}, {3, 4}, {4, 8}} {
		b.Run(fmt.Sprintf("%d in %d out", size[0], size[1]), func(b *testing.B) {
			m, sources := busy(b, size[0], size[1])
			bare := coders(b, sources, size[1])
			at, codec := time.Duration(0), time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range sources {
					m.Push(start.Add(at), s.id, jitter.Packet{Sequence: uint16(at / quantum), Timestamp: opuspkt.Samples(at), Payload: s.packet})
				}
				m.Tick(start.Add(at), func(*Output, Packet) {})
				at += quantum
				if at%(3*quantum) == 0 { // three of each in turn: a clock is looked at rarely
					b.StopTimer()
					began := time.Now()
					for range 3 {
						bare()
					}
					codec += time.Since(began)
					b.StartTimer()
				}
			}
			spent := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(spent/float64(quantum.Nanoseconds())*100, "%core")
			if codec > 0 {
				b.ReportMetric(spent*float64(b.N/3*3)/float64(codec.Nanoseconds()), "x-codec")
			}
		})
	}
}
