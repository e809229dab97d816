package downlink

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// runBusy is run on a machine so busy that the worker comes to itself only
// after gaps of 5 to 2*mean: packets and reports have piled up meanwhile.
func (c *call) runBusy(d, mean time.Duration, random *rand.Rand) {
	for end := c.now.Add(d); c.now.Before(end); {
		c.now = c.now.Add(5*time.Millisecond + time.Duration(random.Int64N(int64(2*mean))))
		c.publish()
		c.receive()
		if due(c.now, c.d.Next()) {
			c.d.Tick(c.now)
		}
		c.poll()
		c.events = c.d.Events(c.events)
		for _, ev := range c.events {
			if ev.Kind == KeyframeWanted && ev.Source == c.sources[ev.Slot] && int(ev.Spatial) < len(c.cameras[ev.Slot]) {
				c.cameras[ev.Slot][ev.Spatial].wantKey = true
			}
		}
		c.events = c.events[:0]
	}
}

// A machine that has no time for its timers is not a network without room: on
// a path that carries everything nothing may be dropped, and a probe must find
// that out although nobody sends it in time.
func TestBusyMachineIsNoThinPath(t *testing.T) {
	for _, mean := range []time.Duration{10, 30, 60} {
		var late int
		for seed := range uint64(10) {
			random := rand.New(rand.NewPCG(seed, 1))
			c := newCall(t, config(2), 100*units.Mbps)
			c.wire.delay = time.Millisecond
			c.speak(0, 7)
			for slot := 1; slot <= 2; slot++ {
				c.show(slot, uint32(7+slot))
				c.d.SetView(c.now, slot, View{MaxSpatial: 0})
			}
			c.runBusy(5*time.Second, mean*time.Millisecond, random)
			whole := 0
			for i := 1; i <= 2; i++ {
				if n := c.d.slots[i].stats.QueueDrops; n != 0 {
					t.Errorf("gaps of %d ms, seed %d, slot %d: %d packets dropped", mean, seed, i, n)
				}
				if c.d.slots[i].grant.Temporal == 2 {
					whole++
				}
			}
			if whole < 2 {
				late++
			}
		}
		if late > 2 {
			t.Errorf("gaps of %d ms: %d of 10 calls have not found within 5 s that everything fits", mean, late)
		}
	}
}

// Looks that come too soon after one another to be worth a byte do not take the
// time away: where there is nothing but padding, it is sent in the end.
func TestPaddingIsEarnedInAnySteps(t *testing.T) {
	for _, step := range []time.Duration{50 * time.Microsecond, 333 * time.Microsecond, 7 * time.Millisecond} {
		d := &Downlink{}
		d.decision.Padding = 24 * units.Kbps
		start := time.Unix(1000, 0)
		d.padding.at = start
		for at := time.Duration(0); at <= 400*time.Millisecond; at += step {
			d.earnPadding(start.Add(at))
		}
		if got := d.padding.credit; got < 1150 || got > 1200 { // 24 kbit/s for 0.4 s
			t.Errorf("in steps of %v: %v earned, want 1200 B", step, got)
		}
	}
}
