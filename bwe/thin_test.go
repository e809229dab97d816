package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A path that was fast when the least delay of large packets was learnt seems to
// hold up each of them once it is slow. What is sent in bursts far apart, as thin
// video is, says nothing of the capacity then. (Taken for a busy bottleneck, they
// brought the estimate to 31 kbit/s.)
func TestBurstsOnAPathThatSlowedDown(t *testing.T) {
	const slow = 5 * time.Second
	for _, share := range []float64{0.2, 0.35, 0.5, 0.65, 0.8, 1} {
		for _, every := range []int64{2, 3, 4, 6, 8, 12, 20} {
			l := &link{rate: func(at time.Duration) units.Rate {
				if at < slow {
					return units.Mbps
				}
				return 150 * units.Kbps
			}, delay: 25 * time.Millisecond, queue: 300 * time.Millisecond}
			p := newPath(t, l, func(at time.Duration, target units.Rate) units.Rate {
				if at < slow {
					return min(target, 500*units.Kbps)
				}
				if int64(at/frameEvery)%every != 0 {
					return 0
				}
				return target.Scale(share * float64(every))
			}, nil)
			p.noVoice = true
			p.bwe.SetLadder(epoch, bwe.Ladder{Next: 600 * units.Kbps, Full: units.Mbps})
			least := units.Gbps
			p.every = func(p *path, d bwe.Decision) {
				if p.now >= slow+time.Second {
					least = min(least, p.bwe.Stats().Capacity)
				}
			}
			p.run(slow + 15*time.Second)
			if least < 50*units.Kbps {
				t.Errorf("%.0f %% of the target in bursts every %v: the estimate of 150 kbit/s fell to %v, at least 50 kbit/s are wanted",
					100*share, time.Duration(every)*frameEvery, least)
			}
		}
	}
}
