package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A silence is a blackout: the floor is sent, what was known is kept and used
// again at once when reports come back.
func TestBlackout(t *testing.T) {
	l := &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}
	p := newPath(t, l, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(10 * time.Second)
	before := p.bwe.Decision().Target
	l.rate = steady(0)
	began := p.now
	var fell time.Duration
	p.every = func(p *path, d bwe.Decision) {
		if fell == 0 && d.State == bwe.Blackout {
			fell = p.now - began
			if d.Target != wantsAll.Base || d.Reason != "no feedback" {
				t.Errorf("in a blackout %v for %q, want the ladder's base", d.Target, d.Reason)
			}
		}
	}
	// The link model would wait for its rate for ever: drop all instead.
	l.rate, l.loss = steady(units.Mbps), 1
	p.run(12 * time.Second)
	if fell < 400*time.Millisecond || fell > 800*time.Millisecond {
		t.Errorf("blackout called after %v, want about 500 ms and a round trip", fell)
	}
	l.loss = 0
	p.run(12*time.Second + 500*time.Millisecond)
	if d := p.bwe.Decision(); d.Target < before.Scale(0.8) {
		t.Errorf("half a second after the path came back the target is %v, it was %v", d.Target, before)
	}
	if s := p.bwe.Stats(); s.Blackouts != 1 {
		t.Errorf("%d blackouts counted", s.Blackouts)
	}
}

// Without voice nothing but video can find out that a path is back: lost
// packets must not hold it for good, nor the floor be more than a trickle.
func TestBlackoutWithoutVoice(t *testing.T) {
	for _, outage := range []time.Duration{2 * time.Second, 30 * time.Second} {
		l := &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}
		p := newPath(t, l, saturating, nil)
		p.noVoice = true
		p.bwe.SetLadder(epoch, wantsAll)
		p.run(10 * time.Second)
		before := p.bwe.Decision().Target
		l.loss = 1
		p.run(11 * time.Second)
		sent := p.sequence
		p.run(10*time.Second + outage)
		// 30 kbit/s are some 3 packets of 1200 bytes a second; this source
		// cuts thin video into smaller ones.
		if n := time.Duration(p.sequence - sent); n < 0 || n > 20*outage/time.Second {
			t.Errorf("%v: %d packets in the blackout", outage, n)
		}
		l.loss = 0
		p.run(10*time.Second + outage + 1500*time.Millisecond)
		if d := p.bwe.Decision(); d.State == bwe.Blackout || d.Target < before.Scale(0.8) {
			t.Errorf("%v: after the path came back %v at %v, it was %v", outage, d.State, d.Target, before)
		}
	}
}

// A blackout asks for padding where nobody sends, and is due again as long as
// something may lapse.
func TestBlackoutAsksAgain(t *testing.T) {
	c := newController(t)
	c.SetLadder(at(0), bwe.Ladder{Base: 20 * units.Kbps})
	c.OnSent(at(0), bwe.SentPacket{Sequence: 0, Size: 1200})
	now := c.Next()
	d := c.OnTick(now)
	sequence := int64(1)
	for i := range 20 {
		if d.State != bwe.Blackout || d.Padding != 20*units.Kbps || c.Full() {
			t.Fatalf("%d: %+v, full %v", i, d, c.Full())
		}
		for ; !c.Full(); sequence++ {
			c.OnSent(now, bwe.SentPacket{Sequence: sequence, Size: 300})
		}
		next := c.Next()
		if next.IsZero() || !next.After(now) || next.Sub(now) > 2*time.Second {
			t.Fatalf("%d: full, and the next tick is at %v", i, next)
		}
		now = next
		d = c.OnTick(now)
	}
}

func TestSilenceFromTheStart(t *testing.T) {
	c := newController(t)
	c.SetLadder(at(0), bwe.Ladder{Base: 20 * units.Kbps})
	c.OnSent(at(0), bwe.SentPacket{Sequence: 0, Size: 1200})
	due := c.Next()
	if d := due.Sub(epoch); d < time.Second || d > 3*time.Second {
		t.Fatalf("silence is judged after %v", d)
	}
	if d := c.OnTick(due.Add(-time.Millisecond)); d.State != bwe.Startup {
		t.Fatalf("state %v before it is due", d.State)
	}
	if d := c.OnTick(due); d.State != bwe.Blackout || d.Target != 20*units.Kbps {
		t.Fatalf("state %v at %v", d.State, d.Target)
	}
}

// Silence is judged by the path's round trip: after 1.5 of it and 300 ms, and not half a
// second, where reports are that long on the way.
func TestFarSilence(t *testing.T) {
	l := &link{rate: steady(units.Mbps), delay: 600 * time.Millisecond, queue: 300 * time.Millisecond}
	p := newPath(t, l, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(20 * time.Second)
	if s := p.bwe.Stats(); s.Blackouts != 0 {
		t.Fatalf("%d silences on a path that is only far", s.Blackouts)
	}
	// The reports under way still come for 600 ms, and tell of all but the last 600.
	l.loss = 1
	began := p.now + l.delay + p.back
	var fell time.Duration
	p.every = func(p *path, d bwe.Decision) {
		if fell == 0 && d.State == bwe.Blackout {
			fell = p.now - began
		}
	}
	p.run(26 * time.Second)
	if fell < 1900*time.Millisecond || fell > 2500*time.Millisecond {
		t.Errorf("silence called %v after the last report, want about 2.1 s", fell)
	}
}
