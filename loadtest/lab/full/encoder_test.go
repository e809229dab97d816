package full

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// TestEncoderFills: what the perfect encoder makes is the rate, as the packing
// counts it, in packets that are valid VP8 and not too large.
func TestEncoderFills(t *testing.T) {
	for name, p := range map[string]packing{
		"ours":  {leastFrames: 10, largest: 1200, overhead: packetHeaders, even: true},
		"pions": {leastFrames: mostFrames, largest: 1200 + rtpHeaders, overhead: rtpHeaders},
	} {
		for _, rate := range []units.Rate{50_000, 300_000, 1_234_567, 5_000_000} {
			e := newEncoder(p, 1, time.Second)
			begin := e.next()
			if begin < time.Second || begin > time.Second+33*time.Millisecond {
				t.Errorf("%s: the first frame is due at %v", name, begin)
			}
			var sum units.Size
			frames, keys, ends := 0, 0, 0
			for at := begin; at < 11*time.Second; at = e.next() {
				if err := e.frame(at, rate, frames == 0, func(f client.Frame) error {
					sum += units.Size(len(f.Payload)) + p.overhead
					info, ok := codec.Inspect(codec.VP8, f.Payload, nil, f.Marker)
					if !ok || len(f.Payload) > int(p.largest-p.overhead) {
						t.Fatalf("%s at %v: a packet of %d bytes, valid: %v", name, rate, len(f.Payload), ok)
					}
					if info.Keyframe {
						keys++
					}
					if info.FrameEnd {
						ends++
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				frames++
			}
			got := float64(sum.Over(e.next() - begin))
			if math.Abs(got/float64(rate)-1) > 0.002 {
				t.Errorf("%s: made %.0f bit/s of %d", name, got, int64(rate))
			}
			if keys != 1 || ends != frames || frames < 99 || frames > 301 {
				t.Errorf("%s at %v: %d key frames, %d ends of %d frames", name, rate, keys, ends, frames)
			}
		}
	}
}

// TestModelFollows: the encoder model makes about its rate, less where content
// is easy, and nothing while it is told to send nothing.
func TestModelFollows(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	p := packing{leastFrames: 10, largest: 1200, overhead: packetHeaders, even: true}
	m := newModel(p, 3, begin, 0)
	var sum units.Size
	run := func(from, to time.Duration, rate units.Rate) units.Rate {
		sum = 0
		at := max(m.next(), from)
		for ; at < to; at = m.next() {
			if err := m.frame(at, rate, false, func(f client.Frame) error {
				sum += units.Size(len(f.Payload)) + p.overhead
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return sum.Over(to - from)
	}
	run(0, 5*time.Second, 600*units.Kbps)
	if got := run(5*time.Second, 65*time.Second, 600*units.Kbps); got < 300*units.Kbps || got > 660*units.Kbps {
		t.Errorf("%v of 600 kbit/s", got)
	}
	m.skip(65 * time.Second)
	if got := run(65*time.Second, 75*time.Second, 0); got > 10*units.Kbps {
		t.Errorf("%v of nothing", got)
	}
	if got := run(75*time.Second, 95*time.Second, 300*units.Kbps); got < 100*units.Kbps {
		t.Errorf("%v of 300 kbit/s after a pause", got)
	}
}

// hops is a network of one way, without hosts: packets come to further hops in
// the order of their times.
type hops struct {
	way     *way
	pending []hopping
	took    map[int]time.Duration // by number of the packet, -1: it was lost
}

type hopping struct {
	number   int
	sent, at time.Time
	hop      memnet.Hop
}

// enter sends a packet.
func (h *hops) enter(number int, at time.Time, size int) {
	arrive, hop, ok := h.way.Enter(at, size)
	h.note(hopping{number, at, arrive, hop}, ok)
}

func (h *hops) note(p hopping, ok bool) {
	switch {
	case !ok:
		h.took[p.number] = -1
	case p.hop == nil:
		h.took[p.number] = p.at.Sub(p.sent)
	default:
		h.pending = append(h.pending, p)
	}
}

// run lets all packets arrive.
func (h *hops) run() {
	for len(h.pending) > 0 {
		slices.SortStableFunc(h.pending, func(a, b hopping) int { return a.at.Compare(b.at) })
		p := h.pending[0]
		h.pending = h.pending[1:]
		var ok bool
		p.at, p.hop, ok = p.hop(p.at)
		h.note(p, ok)
	}
}

// TestCrossing: before and after a plan packets take the propagation delay, and
// within it what the links say, two of them one after the other.
func TestCrossing(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	slow := link.Config{Capacity: link.Constant(80_000), Delay: 10 * time.Millisecond, Queue: link.Queue{Size: 2500}}
	c := newCrossing([]link.Config{slow, {Delay: 5 * time.Millisecond}})
	w := wayOver(c, time.Millisecond)
	h := &hops{way: w, took: map[int]time.Duration{}}
	const fixed = 16*time.Millisecond + odd
	if h.enter(-1, start.Add(-time.Second), 1000); h.took[-1] != fixed {
		t.Errorf("before: %v, want %v", h.took[-1], fixed)
	}
	if err := c.start(start); err != nil {
		t.Fatal(err)
	}
	c.next(true)
	for i := range 4 {
		h.enter(i, start, 1000)
	}
	h.run()
	for i, want := range []time.Duration{fixed + 100*time.Millisecond, fixed + 200*time.Millisecond, fixed + 300*time.Millisecond, -1} {
		if h.took[i] != want {
			t.Errorf("packet %d of a burst: %v, want %v", i, h.took[i], want)
		}
	}
	c.stop(start.Add(time.Second))
	if h.enter(9, start.Add(time.Second), 1000); h.took[9] != fixed {
		t.Errorf("after: %v, want %v", h.took[9], fixed)
	}
	if len(w.packets) != 4 || w.packets[3].Drop != link.Overflowed || w.packets[2].Waited != 200*time.Millisecond || !w.packets[0].Stream {
		t.Errorf("recorded %+v", w.packets)
	}
	if len(c.depth) != 101 || c.depth[10] != 200*time.Millisecond || c.depth[40] != 0 {
		t.Errorf("depth of %d samples: %v", len(c.depth), c.depth[:min(len(c.depth), 45)])
	}
}

// TestWaysShareAFurtherLink: packets of a way over two links and of one over the
// second alone take it in the order in which they come to it, and not in that in
// which they were sent.
func TestWaysShareAFurtherLink(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	c := newCrossing([]link.Config{{Delay: 50 * time.Millisecond}, {Capacity: link.Constant(80_000), Queue: link.Queue{Size: 5000}}})
	if err := c.start(start); err != nil {
		t.Fatal(err)
	}
	long := &hops{way: wayOver(c, 0), took: map[int]time.Duration{}}
	short := &hops{way: wayOver(c, 0), took: map[int]time.Duration{}}
	short.way.first = 1
	long.enter(0, start, 1000)
	short.enter(0, start.Add(20*time.Millisecond), 1000) // until 120 ms
	long.run()                                           // comes at 50 ms, waits for 70
	if got, want := short.took[0], 100*time.Millisecond+odd; got != want {
		t.Errorf("the short way took %v, want %v", got, want)
	}
	if got, want := long.took[0], 220*time.Millisecond+odd; got != want || long.way.packets[0].Waited != 70*time.Millisecond {
		t.Errorf("the long way took %v, want %v; waited %v", got, want, long.way.packets[0].Waited)
	}
}
