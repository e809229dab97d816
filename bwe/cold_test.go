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

// Where nothing can be padded the first train measures nothing. Then no more is
// offered than 2.3 times what arrived, and the source's next step is tried once: not
// Initial, which buried paths of 50 and 80 kbit/s under two seconds of queue.
func TestColdStartWithoutPadding(t *testing.T) {
	const (
		s  = time.Second
		ms = time.Millisecond
	)
	video := layers(30e3, 100e3, 300e3)
	for _, c := range []struct {
		rate   units.Rate
		delay  time.Duration
		voice  bool
		source source
		queue  time.Duration // at most, in the first ten seconds
		within time.Duration // until that is offered
		least  units.Rate
	}{
		{50 * units.Kbps, 300 * ms, false, saturating, 500 * ms, 5 * s, 40e3},
		{80 * units.Kbps, 100 * ms, false, saturating, 250 * ms, 6 * s, 64e3},
		{150 * units.Kbps, 100 * ms, false, saturating, 200 * ms, 10 * s, 120e3},
		{units.Mbps, 50 * ms, false, saturating, 100 * ms, 10 * s, 800e3},
		{80 * units.Kbps, 100 * ms, true, saturating, 250 * ms, 2 * s, 64e3},
		// Layers of which the first is beyond what voice proves.
		{50 * units.Kbps, 300 * ms, true, video, 600 * ms, 2 * s, 40e3},
		{80 * units.Kbps, 100 * ms, true, video, 150 * ms, 8 * s, voiceRate + 30e3},
		{units.Mbps, 50 * ms, true, video, 50 * ms, 8 * s, voiceRate + 100e3},
	} {
		p := newPath(t, &link{rate: steady(c.rate), delay: c.delay, queue: 2 * s}, c.source, nil)
		p.noPads, p.noVoice = true, !c.voice
		p.bwe.SetLadder(epoch, bwe.Ladder{Base: 16 * units.Kbps, Next: 20 * units.Mbps, Full: 20 * units.Mbps})
		p.run(10 * s)
		if q := p.queue(100); q > c.queue {
			t.Errorf("%v: a queue of %v in the first seconds, want at most %v", c.rate, q, c.queue)
		}
		if d := p.reached(0, c.least); d > c.within {
			t.Errorf("%v: %v is offered after %v, want within %v", c.rate, c.least, d, c.within)
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

// What is known is told once the path is: at the beginning, or when it changes;
// not under way.
func TestSetKnown(t *testing.T) {
	p := newPath(t, &link{rate: steady(2e6), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	if p.bwe.SetKnown(epoch, 0) || p.bwe.Decision().Target > wantsAll.Base {
		t.Errorf("a rate of 0 is known, target %v", p.bwe.Decision().Target)
	}
	if !p.bwe.SetKnown(epoch, 1500*units.Kbps) {
		t.Error("refused before anything was sent")
	}
	if d := p.bwe.Decision(); d.Target != 1500*units.Kbps || d.Reason != "known from before" {
		t.Errorf("target %v, %q", d.Target, d.Reason)
	}
	p.run(3 * time.Second)
	if u := p.got.Over(3 * time.Second); u < 1300*units.Kbps {
		t.Errorf("%v came in the first 3 s", u)
	}
	if q := p.queue(99); q > 100*time.Millisecond {
		t.Errorf("a queue of %v", q)
	}
	before := p.bwe.Decision().Target
	if p.bwe.SetKnown(p.told(), 100*units.Kbps) || p.bwe.Decision().Target != before {
		t.Errorf("the target went from %v to %v under way", before, p.bwe.Decision().Target)
	}
	p.bwe.OnRouteChange(p.told())
	if d := p.bwe.Decision(); d.Target > wantsAll.Base {
		t.Errorf("another path begins with %v", d.Target)
	}
	if !p.bwe.SetKnown(p.told(), units.Gbps) || p.bwe.Decision().Target != bwe.DefaultConfig().Max {
		t.Errorf("on another path what is known is refused, or not bounded: %v", p.bwe.Decision().Target)
	}
}
