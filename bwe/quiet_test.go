package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Where there is no voice, and the smallest picture is more than the estimate allows,
// nothing is sent, and so nothing reported: the path is asked all the same, and
// found out about once it carries more.
func TestNothingFitsAndNothingIsSent(t *testing.T) {
	const smallest = 60 * units.Kbps
	for _, c := range []struct {
		name string
		thin units.Rate // from 5 to 10 s
		move bool       // the route changes at 5 s
		late time.Duration
	}{
		{"thin for a while", 20 * units.Kbps, false, 0},
		{"an outage", 0, false, 0},
		{"another route, with a queue", 20 * units.Kbps, true, 0},
		{"another route, farther", 3 * units.Mbps, true, 120 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &link{delay: 15 * time.Millisecond, queue: 300 * time.Millisecond, rate: func(at time.Duration) units.Rate {
				if at >= 5*time.Second && at < 10*time.Second {
					return c.thin
				}
				return 3 * units.Mbps
			}}
			p := newPath(t, l, layers(smallest, 3*smallest), nil)
			p.noVoice, p.asks = true, true
			p.bwe.SetLadder(epoch, bwe.Ladder{Next: smallest * 5 / 4, Full: smallest * 4})
			p.run(5 * time.Second)
			if c.move {
				p.bwe.OnRouteChange(p.told())
			}
			l.delay += c.late
			p.run(20 * time.Second)
			if d := p.bwe.Decision(); d.Target < 3*smallest {
				t.Errorf("after 10 s of 3 Mbit/s: %v (%s), %v", d.State, d.Reason, d.Target)
			}
			if after := p.reached(10*time.Second, smallest); after > 8*time.Second {
				t.Errorf("the smallest picture fits after %v, want 8 s", after)
			}
			// Asking costs next to nothing, and nothing where all that is wanted is sent.
			before := p.padding
			p.run(60 * time.Second)
			if sent := p.padding - before; sent > 4000 {
				t.Errorf("%v of padding in 40 s in which all is sent", sent)
			}
		})
	}
}

// What a path costs on which nothing fits: a look every ten seconds in the end.
func TestAskingCostsLittle(t *testing.T) {
	l := &link{delay: 15 * time.Millisecond, queue: 300 * time.Millisecond, rate: steady(20 * units.Kbps)}
	p := newPath(t, l, layers(60*units.Kbps), nil)
	p.noVoice, p.asks = true, true
	p.bwe.SetLadder(epoch, bwe.Ladder{Next: 75 * units.Kbps, Full: 75 * units.Kbps})
	p.run(60 * time.Second)
	before := p.padding
	p.run(160 * time.Second)
	sent := (p.padding - before).Over(100 * time.Second)
	if sent > 2*units.Kbps || sent == 0 {
		t.Errorf("%v are sent for nothing but to ask, want some and at most 2 kbit/s", sent)
	}
	t.Logf("%v are sent to ask", sent)
}
