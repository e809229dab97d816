package bwe

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Were the estimate all that the path carries, a probe leaves no more than
// Config.ProbeQueue behind, but for the bytes without which it measures nothing,
// and never five full packets on a thin path.
func TestProbesAreSizedByTheirQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := units.Rate(rapid.Int64Range(5e3, 50e6).Draw(t, "capacity"))
		rate := capacity.Scale(rapid.Float64Range(1.01, 3).Draw(t, "times"))
		queue := time.Duration(rapid.Int64Range(1, 1000).Draw(t, "queue")) * time.Millisecond
		size := probeSize(rate, capacity, queue)
		if left := size.At(capacity) - size.At(rate); left > queue+time.Millisecond && size > probeLeast {
			t.Errorf("%d bytes at %v leave %v on %v, at most %v are allowed", size, rate, left, capacity, queue)
		}
		if capacity < 300*units.Kbps && size >= 5*1200 {
			t.Errorf("%d bytes on %v are five full packets", size, capacity)
		}
	})
}

// Probes that go on finding nothing are further and further apart, until they
// cost a fortieth of the path or are ten seconds apart.
func TestProbesThatFindNothingBackOff(t *testing.T) {
	for _, capacity := range []units.Rate{20 * units.Kbps, 50 * units.Kbps, 300 * units.Kbps, 2 * units.Mbps} {
		var p probing
		now, before := int64(0), time.Duration(0)
		for n := range 12 {
			p.start(now, capacity.Scale(1.3), probeSize(capacity.Scale(1.3), capacity, 40*time.Millisecond))
			p.stop()
			p.failedNow(now, probeFirstWait, capacity)
			wait := time.Duration(p.next - now)
			if wait < before || wait < probeFirstWait || wait > probeLongestWait {
				t.Errorf("%v: after %d failures a probe waits for %v, after one less %v", capacity, n+1, wait, before)
			}
			if cost := float64(p.spent.At(capacity)) / float64(wait); n >= 4 && cost > 1.01*probeCost && wait < probeLongestWait {
				t.Errorf("%v: %d failures and probes still cost %.1f %%", capacity, n+1, 100*cost)
			}
			before, now = wait, p.next
		}
	}
}
