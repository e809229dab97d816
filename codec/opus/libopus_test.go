//go:build cgo && opus

package opus

import (
	"bytes"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

func newPair(t testing.TB, c EncoderConfig) (*Encoder, *Decoder) {
	t.Helper()
	e, err := NewEncoder(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder(c.SampleRate)
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

// encodeAll answers the packets of pcm, copied.
func encodeAll(t testing.TB, e *Encoder, pcm []int16, size int) (packets [][]byte) {
	t.Helper()
	buffer := make([]byte, 0, MaxPacket)
	for ; len(pcm) >= size; pcm = pcm[size:] {
		p, err := e.Encode(pcm[:size], buffer)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, bytes.Clone(p))
	}
	return packets
}

// What is encoded at each packet time lasts as long, weighs what was asked for,
// and sounds as loud when it is decoded.
func TestRoundTrip(t *testing.T) {
	for _, packetTime := range []time.Duration{20, 40, 60, 120} {
		packetTime *= time.Millisecond
		e, d := newPair(t, DefaultEncoderConfig())
		size := Samples(16000, packetTime)
		pcm := opustest.Speech(16000, 5*16000/size*size, 140)
		packets := encodeAll(t, e, pcm, size)
		total := 0
		var out []int16
		for _, p := range packets {
			if got := opuspkt.Duration(p); got != packetTime {
				t.Fatalf("%v: a packet of %v", packetTime, got)
			}
			total += len(p)
			var err error
			if out, err = d.Decode(p, out); err != nil {
				t.Fatal(err)
			}
		}
		if rate := float64(total*8) / (float64(len(pcm)) / 16000); rate < 8000 || rate > 15000 {
			t.Errorf("%v: %.0f bit/s, asked for 12000", packetTime, rate)
		}
		if len(out) != len(pcm) {
			t.Errorf("%v: %d samples of %d", packetTime, len(out), len(pcm))
		}
		if before, after := opustest.Level(pcm), opustest.Level(out); after < before-3 || after > before+3 {
			t.Errorf("%v: %.1f dB became %.1f", packetTime, before, after)
		}
	}
}

// A lost packet is made up for from the copy in the next one, and better than
// by guessing.
func TestRepairBeatsConcealment(t *testing.T) {
	c := EncoderConfig{SampleRate: 16000, Rate: 32 * units.Kbps, Complexity: 5, Loss: 20}
	e, _ := newPair(t, c)
	pcm := opustest.Speech(16000, 4*16000, 140)
	packets := encodeAll(t, e, pcm, 320)
	whole := decodeLossy(t, packets, 0, false)
	guess := distance(whole, decodeLossy(t, packets, 7, false))
	repair := distance(whole, decodeLossy(t, packets, 7, true))
	if repair > guess*0.6 {
		t.Errorf("the mean error is %.0f repaired, %.0f guessed", repair, guess)
	}
}

// decodeLossy decodes without every nth packet (0 = with all).
func decodeLossy(t testing.TB, packets [][]byte, nth int, repair bool) (out []int16) {
	t.Helper()
	_, d := newPair(t, DefaultEncoderConfig())
	lost := false
	for i, p := range packets {
		var err error
		if nth > 0 && i%nth == nth-1 && i+1 < len(packets) {
			lost = true
			continue
		}
		if lost && repair {
			out, err = d.Repair(p, 320, out)
		} else if lost {
			out, err = d.Conceal(320, out)
		}
		if err != nil {
			t.Fatal(err)
		}
		lost = false
		if out, err = d.Decode(p, out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// distance is the mean absolute difference.
func distance(a, b []int16) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += max(d, -d)
	}
	return sum / float64(len(a))
}

// Sound is asked for into a slice that holds something already: the binding
// goes by capacities, and what is there must not be touched.
func TestDecodeAppends(t *testing.T) {
	e, d := newPair(t, DefaultEncoderConfig())
	packets := encodeAll(t, e, opustest.Speech(16000, 320, 140), 320)
	pcm := make([]int16, 10, 2000)
	for i := range pcm {
		pcm[i] = 4711
	}
	out, err := d.Decode(packets[0], pcm)
	if err != nil || len(out) != 330 {
		t.Fatalf("%d samples, %v", len(out), err)
	}
	for _, s := range out[:10] {
		if s != 4711 {
			t.Fatal("what was there was overwritten")
		}
	}
	if out, err = d.Conceal(320, out); err != nil || len(out) != 650 {
		t.Fatalf("%d samples, %v", len(out), err)
	}
}

func TestRefusesRubbish(t *testing.T) {
	_, d := newPair(t, DefaultEncoderConfig())
	for _, p := range [][]byte{nil, {}, {3}, {0xff, 0xff}} {
		if out, err := d.Decode(p, nil); err == nil {
			t.Errorf("%x: %d samples", p, len(out))
		}
		if _, err := d.Repair(p, 320, nil); err == nil {
			t.Errorf("repair %x: no error", p)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	e, d := newPair(t, DefaultEncoderConfig())
	pcm := opustest.Speech(16000, 960, 140)
	packet, out := make([]byte, 0, MaxPacket), make([]int16, 0, 1000)
	if n := testing.AllocsPerRun(100, func() {
		p, err := e.Encode(pcm, packet)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decode(p, out); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	e, d := newPair(f, DefaultEncoderConfig())
	for _, p := range encodeAll(f, e, opustest.Speech(16000, 1600, 140), 320) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		out, err := d.Decode(packet, nil)
		if err == nil && len(out) != Samples(16000, opuspkt.Duration(packet)) {
			t.Errorf("%d samples of a packet of %v", len(out), opuspkt.Duration(packet))
		}
		if _, err := d.Repair(packet, 320, nil); (err == nil) != (opuspkt.Duration(packet) > 0) {
			t.Errorf("repair: %v", err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, rate := range []units.Rate{6 * units.Kbps, 12 * units.Kbps, 24 * units.Kbps} {
		b.Run(rate.String(), func(b *testing.B) {
			c := DefaultEncoderConfig()
			c.Rate = rate
			e, _ := newPair(b, c)
			pcm, packet := opustest.Speech(16000, 320, 140), make([]byte, 0, MaxPacket)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Encode(pcm, packet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
