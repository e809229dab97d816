package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// wantsAll is a ladder that can always use more.
var wantsAll = bwe.Ladder{Base: 30 * units.Kbps, Next: 20 * units.Mbps, Full: 20 * units.Mbps}

func steps(each time.Duration, rates ...units.Rate) func(time.Duration) units.Rate {
	return func(at time.Duration) units.Rate { return rates[int(at/each)%len(rates)] }
}

// Bounds are what was measured here and some for change; the targets of the
// whole product are judged in the lab. Utilisation is per cent of the
// capacity after the first 20 s, queue the wait in the bottleneck.
func TestSaturated(t *testing.T) {
	for _, c := range []struct {
		name  string
		link  link
		least float64       // utilisation
		queue time.Duration // 95th percentile, at most
		drops float64       // per cent that did not fit, at most
	}{
		{name: "1 Mbit/s", link: link{rate: steady(units.Mbps)}, least: 98, queue: 40 * time.Millisecond},
		{name: "300 kbit/s", link: link{rate: steady(300 * units.Kbps)}, least: 98, queue: 60 * time.Millisecond},
		{name: "80 kbit/s", link: link{rate: steady(80 * units.Kbps)}, least: 97, queue: 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := c.link
			l.delay, l.queue = max(l.delay, 50*time.Millisecond), max(l.queue, 300*time.Millisecond)
			p := newPath(t, &l, saturating, nil)
			p.bwe.SetLadder(epoch, wantsAll)
			p.run(20 * time.Second)
			p.measureFrom()
			p.run(60 * time.Second)
			if u := p.utilisation(); u < c.least {
				t.Errorf("utilisation %.1f %%, want at least %.1f", u, c.least)
			}
			if q := p.queue(95); q > c.queue {
				t.Errorf("queue %v at the 95th percentile, want at most %v", q, c.queue)
			}
			if d := p.dropped(); d > c.drops {
				t.Errorf("%.2f %% of packets did not fit, want at most %.2f", d, c.drops)
			}
		})
	}
}
