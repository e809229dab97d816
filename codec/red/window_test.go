package red

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

const (
	toc20 = 1 << 3 // 20 ms
	toc60 = 3 << 3 // 60 ms
	step  = 960
)

// sent is a stream of RED packets, each with the two before it.
func sent(first uint32, count, distance int) (payloads [][]byte, audio [][]byte) {
	for i := range count {
		audio = append(audio, []byte{toc20, byte(i), byte(i >> 8), 3})
		var blocks []Block
		for d := distance; d > 0; d-- {
			if i >= d {
				blocks = append(blocks, Block{111, uint16(d * step), audio[i-d]})
			}
		}
		payloads = append(payloads, Append(nil, 111, audio[i], blocks...))
	}
	return payloads, audio
}

// Whatever is lost, repeated and disordered: what arrives in itself or as a copy
// comes out, once, and as it was sent.
func TestRecover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SampledFrom([]uint32{0, 12345, 1<<32 - 5*step, 1<<31 - 3*step}).Draw(t, "first")
		distance := rapid.IntRange(0, 3).Draw(t, "distance")
		payloads, audio := sent(first, 40, distance)
		var w Window
		got := make([]int, len(audio))
		want := make([]bool, len(audio))
		var frames []Frame
		order := []int{}
		for i := range payloads {
			for range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, "copies") {
				order = append(order, i)
			}
		}
		for i := range order { // out of order by up to 4 packets
			j := min(len(order)-1, i+rapid.IntRange(0, 4).Draw(t, "ahead"))
			order[i], order[j] = order[j], order[i]
		}
		for _, i := range order {
			for d := 0; d <= min(distance, i); d++ {
				want[i-d] = true
			}
			var err error
			if frames, err = w.Recover(frames[:0], first+uint32(i*step), payloads[i]); err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				n := int(f.Timestamp-first) / step
				got[n]++
				if f.PayloadType != 111 || !bytes.Equal(f.Data, audio[n]) || f.Redundant != (n != i) {
					t.Fatalf("packet %d brought %+v", i, f)
				}
			}
		}
		for i := range got {
			if got[i] > 1 || (got[i] == 1) != want[i] {
				t.Errorf("packet %d came out %d times, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestFresh(t *testing.T) {
	var w Window
	check := func(name string, timestamp uint32, payload []byte, want bool) {
		t.Helper()
		if got := w.Fresh(timestamp, payload); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	check("first", 10*step, []byte{toc60}, true)
	check("its beginning", 10*step, []byte{toc20}, false)
	check("its middle", 11*step, []byte{toc20}, false)
	check("its end", 12*step, []byte{toc20}, false)
	check("after it", 13*step, []byte{toc20}, true)
	check("just before it", 9*step, []byte{toc20}, true)
	check("overlapping it from before", 8*step, []byte{toc60}, false)
	check("no Opus", 14*step, nil, true)
	check("no Opus again", 14*step, nil, false)
	check("a sample late", 15*step+1, []byte{toc20}, true)
	check("a sample early", 15*step-1, []byte{toc20}, false)
	check("a second later", 65*step, []byte{toc20}, true)
	check("older than the window", step, []byte{toc20}, false)
	check("another stream", 1<<30, []byte{toc20}, true)
	check("and on", 1<<30+step, []byte{toc20}, true)
	check("and not again", 1<<30, []byte{toc20}, false)
}

// A block that lasts into the primary, or that is no older, keeps nothing away.
func TestRecoverFromLies(t *testing.T) {
	for _, b := range []Block{{111, step, []byte{toc60, 1}}, {111, 0, []byte{toc20, 1}}, {111, 1, []byte{toc20, 1}}} {
		var w Window
		frames, err := w.Recover(nil, 5000, Append(nil, 111, []byte{toc20, 9}, b))
		if err != nil || len(frames) != 1 || frames[0].Redundant {
			t.Errorf("%+v: %+v, %v", b, frames, err)
		}
	}
	var w Window
	if frames, err := w.Recover(nil, 5000, []byte{111}); err != nil || len(frames) != 0 {
		t.Errorf("an empty primary: %+v, %v", frames, err)
	}
}

func TestNoAllocations(t *testing.T) {
	payloads, _ := sent(0, 100, 2)
	var w Window
	frames, i := make([]Frame, 0, MaxRedundant+1), 0
	buffer, block := make([]byte, 0, 1000), Block{111, step, []byte{1, 2, 3}}
	if n := testing.AllocsPerRun(99, func() {
		frames, _ = w.Recover(frames[:0], uint32(i*step), payloads[i%100])
		Append(buffer, 111, payloads[0], block, block)
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	buffer, block := make([]byte, 0, 1000), Block{111, step, make([]byte, 30)}
	primary := make([]byte, 30)
	b.ReportAllocs()
	for b.Loop() {
		Append(buffer, 111, primary, block, block)
	}
}

func BenchmarkRecover(b *testing.B) {
	payloads, _ := sent(0, 100, 2)
	var w Window
	frames, i := make([]Frame, 0, MaxRedundant+1), 0
	b.ReportAllocs()
	for b.Loop() {
		frames, _ = w.Recover(frames[:0], uint32(i*step), payloads[i%100])
		i++
	}
}
