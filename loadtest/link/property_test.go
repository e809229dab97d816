package link

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// anyConfig draws a link that Validate takes.
func anyConfig(t *rapid.T) Config {
	chance := func(name string) float64 {
		return rapid.SampledFrom([]float64{0, 0, 0, 0.01, 0.2, 1}).Draw(t, name)
	}
	dur := func(name string, most time.Duration) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, name))
	}
	c := Config{
		Queue:    Queue{Delay: dur("queue", 3*s), Size: units.Size(rapid.Int64Range(1, 1e6).Draw(t, "bytes"))},
		Delay:    dur("delay", s),
		Overhead: units.Size(rapid.Int64Range(0, 60).Draw(t, "overhead")),
		Seed:     rapid.Uint64().Draw(t, "seed"),
		Loss:     Loss{Random: chance("loss"), Bursts: GilbertElliott{Enter: chance("enter"), Leave: 0.2, Bad: chance("bad")}},
	}
	c.Queue.Discipline = Discipline(rapid.IntRange(0, 1).Draw(t, "discipline"))
	c.Queue.ECN = rapid.Bool().Draw(t, "ecn")
	rate := func() units.Rate { return units.Rate(rapid.Int64Range(1, 20e6).Draw(t, "rate")) }
	switch rapid.IntRange(0, 3).Draw(t, "capacity") {
	case 1:
		c.Capacity = Constant(rate())
	case 2:
		c.Capacity, _ = Steps(3*s, Step{0, rate()}, Step{s, 0}, Step{2 * s, rate()})
	case 3:
		c.Capacity = Capacity{chances: []uint32{0, 3, 3, 40, 100}, period: 100 * ms}
	}
	if rapid.Bool().Draw(t, "outage") {
		c.Outages = []Outage{{At: dur("at", 2*s), For: 1 + dur("for", 2*s), Drop: rapid.Bool().Draw(t, "drop")}}
	}
	if rapid.Bool().Draw(t, "move") {
		c.Moves = []time.Duration{dur("moved", 3*s)}
	}
	if rapid.Bool().Draw(t, "policer") {
		c.Policer = Policer{Rate: rate(), Burst: 3000}
	}
	if rapid.Bool().Draw(t, "slots") {
		c.Slot = 1 + dur("slot", 50*ms)
	}
	if rapid.Bool().Draw(t, "wander") {
		c.Jitter.Deviation = dur("jitter", 100*ms)
	}
	return c
}

// Every packet is accounted for once: it arrives, or it is dropped for a
// reason. Without reordering, packets arrive in the order in which they were
// sent, and never before the propagation allows.
func TestConservationAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		c.Duplicate = rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "duplicate")
		if rapid.Bool().Draw(t, "reorder") {
			c.Reordering = Reordering{Share: 0.2, By: 50 * ms}
		}
		p, err := NewPipe[int](epoch, c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		n := rapid.IntRange(1, 120).Draw(t, "packets")
		var pushed, arrived, copied, dropped uint64
		now, last, latest := epoch, -1, epoch
		pop := func(until time.Time) {
			for next := p.Next(); !next.IsZero() && !next.After(until); next = p.Next() {
				d, ok := p.Pop(next)
				if !ok || next.Before(latest) {
					t.Fatalf("Next says %v, Pop answers %v, after %v", next, ok, latest)
				}
				latest = next
				if d.Copy {
					copied++
					continue
				}
				arrived++
				if c.Reordering.Share == 0 && d.Value <= last {
					t.Fatalf("packet %d came after %d", d.Value, last)
				}
				last = d.Value
			}
		}
		for i := range n {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(60*ms)).Draw(t, "gap")))
			pop(now)
			f := p.Push(now, Packet{Size: units.Size(rapid.Int64Range(1, 1500).Draw(t, "size")), ECT: i%2 == 0}, i)
			pushed++
			least := now.Add(max(0, c.Delay-3*c.Jitter.Deviation))
			switch {
			case f.Drop != None:
				dropped++
				if !f.Arrive.IsZero() || !f.Copy.IsZero() || f.Marked {
					t.Fatalf("dropped, and yet %+v", f)
				}
			case f.Arrive.Before(least):
				t.Fatalf("arrives %v before it can", least.Sub(f.Arrive))
			case f.Marked && i%2 != 0:
				t.Fatal("marked a packet that is not ECN-capable")
			case f.Waited < 0:
				t.Fatalf("waited %v", f.Waited)
			}
		}
		pop(now.Add(100 * 365 * 24 * time.Hour))
		st := p.Link().Stats()
		var reasons uint64
		for _, d := range st.Dropped {
			reasons += d.Packets
		}
		if pushed != arrived+dropped || p.Len() != 0 ||
			st.Offered.Packets != pushed || st.Arriving.Packets != arrived || reasons != dropped || st.Copied.Packets != copied || st.Dropped[None].Packets != 0 {
			t.Fatalf("pushed %d, arrived %d, copied %d, dropped %d; stats %+v", pushed, arrived, copied, dropped, st)
		}
	})
}

// No more leaves the bottleneck than it carries: over any span of departures
// the bytes fit into the capacity, but for one packet at the edge.
func TestNeverMoreThanTheCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := units.Rate(rapid.Int64Range(8000, 5e6).Draw(t, "rate"))
		l, err := New(epoch, Config{Capacity: Constant(rate), Queue: Queue{Delay: s}})
		if err != nil {
			t.Fatal(err)
		}
		var first, last time.Time
		var bytes units.Size
		now := epoch
		for range rapid.IntRange(2, 100).Draw(t, "packets") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(30*ms)).Draw(t, "gap")))
			size := units.Size(rapid.Int64Range(40, 1500).Draw(t, "size"))
			f := l.Offer(now, Packet{Size: size})
			if f.Drop != None {
				continue
			}
			if f.Waited > s {
				t.Fatalf("waited %v in a queue of 1s", f.Waited)
			}
			if first.IsZero() {
				first = f.Arrive
			} else {
				bytes += size
			}
			last = f.Arrive
		}
		if span := last.Sub(first); bytes > rate.In(span)+2 {
			t.Fatalf("%v in %v at %v", bytes, span, rate)
		}
	})
}

// The same plan and seed give the same fates.
func TestRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		a, err := New(epoch, c)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := New(epoch, c)
		for i := range 50 {
			now := epoch.Add(time.Duration(i) * 13 * ms)
			if x, y := a.Offer(now, Packet{Size: 900}), b.Offer(now, Packet{Size: 900}); x != y {
				t.Fatalf("packet %d: %+v and %+v", i, x, y)
			}
		}
	})
}
