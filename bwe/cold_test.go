package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A thin path is measured before anything is offered that would bury it, and
// used soon.
func TestColdStart(t *testing.T) {
	for _, c := range []struct {
		rate   units.Rate
		delay  time.Duration
		queue  time.Duration // at most, in the first ten seconds
		within time.Duration // until 80 % is offered
	}{
		{50 * units.Kbps, 300 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second},
		{120 * units.Kbps, 150 * time.Millisecond, 250 * time.Millisecond, 2 * time.Second},
		{units.Mbps, 50 * time.Millisecond, 150 * time.Millisecond, 2 * time.Second},
	} {
		p := newPath(t, &link{rate: steady(c.rate), delay: c.delay, queue: 2 * time.Second}, saturating, nil)
		p.noVoice = true
		p.bwe.SetLadder(epoch, bwe.Ladder{Base: 16 * units.Kbps, Next: 20 * units.Mbps, Full: 20 * units.Mbps})
		p.measureFrom()
		p.run(10 * time.Second)
		if q := p.queue(100); q > c.queue {
			t.Errorf("%v: a queue of %v in the first seconds, want at most %v", c.rate, q, c.queue)
		}
		if d := p.reached(0, c.rate.Scale(0.8)); d > c.within {
			t.Errorf("%v: 80 %% is offered after %v, want within %v", c.rate, d, c.within)
		}
	}
}

// What the same network carried before is offered at once; a cold call would not.
func TestKnownStart(t *testing.T) {
	p := newPath(t, &link{rate: steady(2e6), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}, saturating, func(c *bwe.Config) {
		c.Known = 1800 * units.Kbps
	})
	p.bwe.SetLadder(epoch, wantsAll)
	if d := p.bwe.Decision(); d.Target != 1800*units.Kbps {
		t.Errorf("the first target is %v", d.Target)
	}
	p.run(5 * time.Second)
	if q := p.queue(99); q > 100*time.Millisecond {
		t.Errorf("a queue of %v", q)
	}
	// It may have been wrong.
	p = newPath(t, &link{rate: steady(1e5), delay: 50 * time.Millisecond, queue: 2 * time.Second}, saturating, func(c *bwe.Config) {
		c.Known = 1800 * units.Kbps
	})
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(20 * time.Second)
	p.measureFrom()
	p.run(30 * time.Second)
	if q := p.queue(95); q > 200*time.Millisecond {
		t.Errorf("a queue of %v on a path that carries a twentieth of what was known", q)
	}
}
