package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// TestFarPathsAreCalm: where a response is long the rate that showed a queue is not
// passed again at once. Without the plateau the queue is 62 ms at the 95th percentile
// on GPRS and 55 on 200 kbit/s, and the target is up to 7.5 % above the path. A path
// that becomes wider is used whole all the same.
func TestFarPathsAreCalm(t *testing.T) {
	for _, c := range []struct {
		rate    units.Rate
		noVoice bool
		queue   time.Duration
		over    float64
		within  time.Duration // 90 % of twice the rate
	}{
		{50 * units.Kbps, true, 45 * time.Millisecond, 1.03, 11 * time.Second},
		{200 * units.Kbps, false, 45 * time.Millisecond, 1.03, 5 * time.Second},
	} {
		wider := 60 * time.Second
		l := &link{delay: 300 * time.Millisecond, queue: 2 * time.Second, rate: func(at time.Duration) units.Rate {
			if at < wider {
				return c.rate
			}
			return 2 * c.rate
		}}
		p := newPath(t, l, saturating, nil)
		p.noVoice = c.noVoice
		p.bwe.SetLadder(epoch, wantsAll)
		p.run(20 * time.Second)
		p.measureFrom()
		p.run(wider)
		if q := p.queue(95); q > c.queue {
			t.Errorf("%v: a queue of %v at the 95th percentile", c.rate, q)
		}
		if u := p.utilisation(); u < 97 {
			t.Errorf("%v: %.1f %% used", c.rate, u)
		}
		for i, r := range p.targets[2000:] {
			if r > c.rate.Scale(c.over) {
				t.Errorf("%v: at %v the target is %v", c.rate, 20*time.Second+time.Duration(i)*10*time.Millisecond, r)
				break
			}
		}
		p.run(wider + 30*time.Second)
		d := p.reached(wider, c.rate.Scale(1.8))
		t.Logf("%v: queue %v, twice as wide used after %v", c.rate, p.queue(95), d)
		if d > c.within {
			t.Errorf("%v: twice as wide, 90 %% of it is used after %v", c.rate, d)
		}
	}
}

// TestSlotsDoNotHideAStandingQueue: in slots of 40 ms what a queue does is not seen,
// but that it is too long is. Without that rule it is 65 ms at the 95th percentile.
func TestSlotsDoNotHideAStandingQueue(t *testing.T) {
	l := &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond, slot: 40 * time.Millisecond}
	p := newPath(t, l, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(20 * time.Second)
	p.measureFrom()
	p.run(80 * time.Second)
	t.Logf("queue %v / %v, %.1f %% used", p.queue(50), p.queue(95), p.utilisation())
	if q := p.queue(95); q > 58*time.Millisecond {
		t.Errorf("a queue of %v at the 95th percentile", q)
	}
	if u := p.utilisation(); u < 98 {
		t.Errorf("%.1f %% used", u)
	}
}
