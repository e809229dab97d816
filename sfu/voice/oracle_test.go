//go:build opus

// What libopus makes of the sound before and after. It needs cgo and libopus:
//
//	go test -tags opus,nolibopusfile ./sfu/voice
package voice

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hraban/opus"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/red"
)

// spoken is two seconds of something like speech in packets of 20 ms.
func spoken(t *testing.T, rate int, fec bool) (packets [][]byte) {
	t.Helper()
	encoder, err := opus.NewEncoder(48000, 1, opus.AppVoIP)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{encoder.SetBitrate(rate), encoder.SetInBandFEC(fec), encoder.SetPacketLossPerc(10)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	chance, buffer, phase := rand.New(rand.NewPCG(1, 2)), make([]byte, 1500), 0.0
	pcm := make([]int16, frame20)
	for n := range 100 {
		for i := range pcm {
			at := float64(n*frame20+i) / 48000
			phase += 2 * math.Pi * (140 + 40*math.Sin(2*math.Pi*at)) / 48000
			value := math.Max(0, math.Sin(2*math.Pi*3*at)) * (math.Sin(phase) + math.Sin(3*phase)/3 + math.Sin(7*phase)/7)
			pcm[i] = int16(8000*value + 200*chance.NormFloat64())
		}
		size, err := encoder.Encode(pcm, buffer)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, slices.Clone(buffer[:size]))
	}
	return packets
}

func decoded(t *testing.T, packets [][]byte) (all []int16) {
	t.Helper()
	decoder, err := opus.NewDecoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]int16, 6*frame20)
	for _, p := range packets {
		n, err := decoder.Decode(p, buffer[:len(buffer):len(buffer)])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buffer[:n]...)
	}
	return all
}

// The sound that leaves decodes to the same samples as what came in: through
// every mode and its changes, with RED that comes in and packets before it lost,
// with RED that goes out and packets after it lost.
func TestDecodesToTheSameSamples(t *testing.T) {
	modes := []Mode{{}, {60 * ms, 1}, {120 * ms, 0}, {40 * ms, 2}, {0, 1}, {60 * ms, 0}, {120 * ms, 1}}
	for _, rate := range []int{6000, 12000, 24000, 48000} {
		packets := spoken(t, rate, rate >= 24000)
		s := testingSlot(t)
		for n, payload := range packets {
			if n%7 == 3 && n+1 < len(packets) { // lost on its way to us: the next repeats it
				continue
			}
			if n%11 == 0 {
				s.s.SetMode(modes[n/11%len(modes)])
			}
			p := s.packet(int64(n), 0, 0)
			p.Payload = append(p.Buffer()[:0], payload...)
			if n > 0 {
				p.Kind = codec.RED
				p.Payload = red.Append(p.Buffer()[:0], opusType, payload,
					red.Block{PayloadType: opusType, Offset: frame20, Data: packets[n-1]})
			}
			s.push(p)
			s.wait(20 * time.Millisecond)
		}
		s.s.Flush(&s.shop)
		s.drain()
		// Lost behind us: whatever the packet after it repeats.
		repeats := func(i int) bool {
			if i+1 >= len(s.out) || s.out[i+1].kind != codec.RED {
				return false
			}
			p, err := red.Parse(s.out[i+1].payload)
			if err != nil || len(p.Redundant()) == 0 {
				return false
			}
			newest := p.Redundant()[len(p.Redundant())-1]
			return s.out[i+1].timestamp-uint32(newest.Offset) == s.out[i].timestamp
		}
		lost := 0
		var w red.Window
		var found []red.Frame
		var got [][]byte
		for i, o := range s.out {
			if i%3 == 1 && repeats(i) {
				lost++
				continue
			}
			if o.kind == codec.Opus {
				if w.Fresh(o.timestamp, o.payload) {
					got = append(got, o.payload)
				}
				continue
			}
			var err error
			if found, err = w.Recover(found[:0], o.timestamp, o.payload); err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				got = append(got, slices.Clone(f.Data))
			}
		}
		if lost < 3 {
			t.Errorf("only %d packets could be lost", lost)
		}
		before, after := decoded(t, packets), decoded(t, got)
		if !slices.Equal(before, after) {
			t.Errorf("%d bit/s: %d samples became %d others", rate, len(before), len(after))
		}
	}
}
