package link

import (
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func TestPolicerPassesItsRate(t *testing.T) {
	l := mustNew(t, Config{
		Capacity: Constant(10 * units.Mbps), Queue: Queue{Delay: 300 * ms},
		Policer: Policer{Rate: 500 * units.Kbps, Burst: 16 * units.KB},
	})
	var first time.Duration
	blast(l, units.Mbps, 1000, 60*s, func(now time.Time, f Fate) {
		if f.Drop == Policed && first == 0 {
			first = now.Sub(epoch)
		}
		if f.Waited > 0 {
			t.Fatalf("a policer delayed by %v", f.Waited)
		}
	})
	// 16 kB at a surplus of 500 kbit/s last 256 ms.
	if first < 230*ms || first > 270*ms {
		t.Errorf("first drop after %v, want about 250ms", first)
	}
	if got := l.Stats().Arriving.Bytes.Over(60 * s); got < 495*units.Kbps || got > 505*units.Kbps {
		t.Errorf("passed %v, want 500 kbit/s", got)
	}
	if got := l.Carries(epoch, epoch.Add(8*s)); got != 500_000 {
		t.Errorf("says it carries %v in 8 s, want 500 kB", got)
	}
}

func TestCoDelHoldsItsTarget(t *testing.T) {
	run := func(q Queue) (p50 time.Duration, st Stats) {
		l := mustNew(t, Config{Capacity: Constant(10 * units.Mbps), Queue: q})
		var waits []time.Duration
		blast(l, 10200*units.Kbps, 1000, 30*s, func(now time.Time, f Fate) {
			if now.Sub(epoch) > 10*s {
				waits = append(waits, f.Waited)
			}
		})
		slices.Sort(waits)
		return waits[len(waits)/2], l.Stats()
	}
	tail, _ := run(Queue{Delay: s})
	short, st := run(Queue{Delay: s, Discipline: CoDel})
	if short > 150*ms || tail < 200*ms {
		t.Errorf("median wait %v with CoDel, %v without", short, tail)
	}
	if st.Dropped[Early].Packets == 0 || st.Dropped[Overflowed].Packets != 0 {
		t.Errorf("dropped %+v, want early drops only", st.Dropped)
	}
	if _, st := run(Queue{Delay: s, Discipline: CoDel, ECN: true}); st.Marked.Packets == 0 || st.Dropped[Early].Packets != 0 {
		t.Errorf("with ECN: %+v, want marks in place of drops", st)
	}
	if _, st := run(Queue{Delay: s, Mark: 20 * ms}); st.Marked.Packets == 0 {
		t.Errorf("a marking threshold marked nothing: %+v", st)
	}
	// One packet at a time on a slow link is not a standing queue.
	l := mustNew(t, Config{Capacity: Constant(50 * units.Kbps), Queue: Queue{Delay: s, Discipline: CoDel}})
	blast(l, 49*units.Kbps, 1200, 60*s, func(_ time.Time, f Fate) {
		if f.Drop != None {
			t.Fatalf("dropped %v on a link that is not full", f.Drop)
		}
	})
}
