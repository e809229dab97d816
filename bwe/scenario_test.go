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

// between answers a rate but for one gap.
func between(from, to time.Duration, during, before, after units.Rate) func(time.Duration) units.Rate {
	return func(at time.Duration) units.Rate {
		switch {
		case at < from:
			return before
		case at < to:
			return during
		}
		return after
	}
}

// A source that sends all it may. Bounds are what was measured with this
// link and some for change; the lab judges the targets of the whole product.
// Utilisation is per cent of the capacity after the first 20 s (a link that
// loses 20 % can reach 80), the queue is the wait in the bottleneck.
func TestSaturated(t *testing.T) {
	const (
		s  = time.Second
		ms = time.Millisecond
	)
	for _, c := range []struct {
		name  string
		link  link
		least float64       // utilisation
		queue time.Duration // 95th percentile, at most
		drops float64       // per cent that did not fit, at most
	}{
		{"1 Mbit/s", link{rate: steady(1e6)}, 98, 35 * ms, 0},
		{"300 kbit/s", link{rate: steady(3e5)}, 98, 50 * ms, 0},
		{"150 kbit/s", link{rate: steady(1.5e5)}, 98, 80 * ms, 0},
		{"80 kbit/s", link{rate: steady(8e4)}, 98, 110 * ms, 0},
		{"20 Mbit/s at once", link{rate: steady(2e7), delay: ms}, 98, 30 * ms, 0},
		{"gprs", link{rate: steady(5e4), delay: 300 * ms, queue: 2 * s}, 96, 300 * ms, 0},
		{"edge", link{rate: steps(30*s, 2.4e5, 1.2e5), delay: 150 * ms, queue: s, slot: 20 * ms}, 94, 150 * ms, 0},
		{"3g", link{rate: steps(30*s, 7e5, 3e5), delay: 75 * ms, queue: 1500 * ms, slot: 10 * ms}, 94, 100 * ms, 0},
		{"1 M, 200 k, 1 M", link{rate: between(40*s, 60*s, 2e5, 1e6, 1e6)}, 93, 80 * ms, 1},
		{"5 % loss", link{rate: steady(1e6), loss: 0.05}, 88, 50 * ms, 0.2},
		{"20 % loss", link{rate: steady(1e6), loss: 0.2}, 72, 50 * ms, 0.2},
		{"40 % loss", link{rate: steady(1e6), loss: 0.4}, 50, 50 * ms, 0.2},
		{"loss in bursts", link{rate: steady(1e6), loss: 0.045, burst: 0.875}, 65, 60 * ms, 0.5},
		{"outage of 2 s", link{rate: between(40*s, 42*s, 0, 1e6, 1e6)}, 96, 50 * ms, 1.5},
		{"handover", link{rate: between(40*s, 43*s, 0, 1e6, 5e5), queue: 2 * s}, 96, 80 * ms, 1.5},
		{"policer", link{rate: steady(5e5), bucket: 16000}, 90, 0, 2},
		{"jitter", link{rate: steady(1e6), jitter: 15 * ms}, 90, 80 * ms, 0},
		{"radio slots", link{rate: steady(1e6), slot: 40 * ms}, 95, 90 * ms, 0},
		{"longer path", link{rate: steady(1e6), detour: func(at time.Duration) time.Duration {
			if at < 40*s {
				return 0
			}
			return 80 * ms
		}}, 90, 50 * ms, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := c.link
			if l.delay == 0 {
				l.delay = 50 * ms
			}
			if l.queue == 0 {
				l.queue = 300 * ms
			}
			p := newPath(t, &l, saturating, nil)
			p.bwe.SetLadder(epoch, wantsAll)
			p.run(20 * s)
			p.measureFrom()
			p.run(100 * s)
			st := p.bwe.Stats()
			t.Logf("utilisation %.1f %%, queue %v / %v, %.2f %% did not fit, link loss %.1f %%, cuts %d, probes %d, states %v",
				p.utilisation(), p.queue(50), p.queue(95), p.dropped(), 100*st.LinkLoss, st.Cuts, st.Probes, p.states)
			if u := p.utilisation(); u < c.least {
				t.Errorf("utilisation %.1f %%, want at least %.1f", u, c.least)
			}
			if q := p.queue(95); q > c.queue {
				t.Errorf("queue %v at the 95th percentile, want at most %v", q, c.queue)
			}
			if d := p.dropped(); d > c.drops {
				t.Errorf("%.2f %% of packets did not fit, want at most %.2f", d, c.drops)
			}
			// But for the path whose base delay grew there is a queue of our own only,
			// however slowly it drains: none is another flow's.
			if n := p.states[bwe.Compete]; n > 0 && c.link.detour == nil {
				t.Errorf("for %d ms the queue was taken for another flow's", n)
			}
		})
	}
}

// The target follows a capacity that returns.
func TestReturnsQuickly(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   func(time.Duration) units.Rate
		after  time.Duration
		reach  units.Rate
		within time.Duration
	}{
		{"from 200 kbit/s to 1 Mbit/s", between(20*time.Second, 40*time.Second, 2e5, 1e6, 1e6), 40 * time.Second, 9e5, 6 * time.Second},
		{"from 600 kbit/s to 2.5 Mbit/s", between(20*time.Second, 40*time.Second, 6e5, 2.5e6, 2.5e6), 40 * time.Second, 22e5, 6 * time.Second},
		{"after an outage of 2 s", between(20*time.Second, 22*time.Second, 0, 1e6, 1e6), 22 * time.Second, 9e5, 2 * time.Second},
	} {
		p := newPath(t, &link{rate: c.rate, delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}, saturating, nil)
		p.bwe.SetLadder(epoch, wantsAll)
		p.run(c.after + 10*time.Second)
		if d := p.reached(c.after, c.reach); d > c.within {
			t.Errorf("%s: %v after %v, want within %v", c.name, c.reach, d, c.within)
		}
	}
}

// climb runs a call of fixed layers, as a forwarding server has it, and
// answers when the highest that fits was first sent.
func climb(t *testing.T, l link, top units.Rate, rates ...units.Rate) (*path, time.Duration) {
	t.Helper()
	return climbWith(t, 5, l, top, rates...)
}

// climbWith is climb with probes in so many packets.
func climbWith(t *testing.T, cluster units.Size, l link, top units.Rate, rates ...units.Rate) (*path, time.Duration) {
	t.Helper()
	l.queue = 300 * time.Millisecond
	fits := layers(rates...)
	p := newPath(t, &l, fits, nil)
	p.cluster = cluster
	first := time.Hour
	p.every = func(p *path, d bwe.Decision) {
		v := fits(p.now, d.Target-voiceRate)
		ladder := bwe.Ladder{Base: voiceRate, Full: rates[len(rates)-1] + voiceRate}
		for _, r := range rates {
			if r > v {
				ladder.Next = r + voiceRate
				break
			}
		}
		if v >= top {
			first = min(first, p.now)
		}
		p.bwe.SetLadder(p.clock(p.now), ladder)
	}
	p.run(30 * time.Second)
	return p, first
}

func TestLayersClimbByProbes(t *testing.T) {
	rates := []units.Rate{150e3, 500e3, 1700e3, 3400e3}
	for _, c := range []struct {
		name   string
		link   link
		top    units.Rate
		within time.Duration
	}{
		{"loopback", link{rate: steady(1e9), delay: 100 * time.Microsecond}, 3400e3, 2 * time.Second},
		{"20 Mbit/s", link{rate: steady(2e7), delay: 50 * time.Millisecond}, 3400e3, 3 * time.Second},
		{"2.5 Mbit/s", link{rate: steady(2.5e6), delay: 50 * time.Millisecond}, 1700e3, 3 * time.Second},
		{"4 Mbit/s with 20 % loss", link{rate: steady(4e6), delay: 50 * time.Millisecond, loss: 0.2}, 1700e3, 6 * time.Second},
	} {
		p, first := climb(t, c.link, c.top, rates...)
		if first > c.within {
			t.Errorf("%s: %v was first sent after %v, want within %v", c.name, c.top, first, c.within)
		}
		if q := p.queue(99); q > 100*time.Millisecond {
			t.Errorf("%s: queue %v at the 99th percentile", c.name, q)
		}
	}
	// A sender that has nothing but full packets to probe with climbs too.
	p, first := climbWith(t, 1, link{rate: steady(2e7), delay: 20 * time.Millisecond}, 3400e3, rates...)
	if first > 4*time.Second {
		t.Errorf("with full packets %v was first sent after %v", p.bwe.Decision().Target, first)
	}
	// A receiver that is held up for a tenth of every second is not a queue.
	p, first = climb(t, link{rate: steady(2e7), delay: 5 * time.Millisecond, stall: 100 * time.Millisecond}, 3400e3, rates...)
	if first > 3*time.Second {
		t.Errorf("with a receiver that stalls it takes %v", first)
	}
	for i, r := range p.targets {
		if at := time.Duration(i) * 10 * time.Millisecond; at > first && r < 3400e3+voiceRate {
			t.Errorf("at %v the receiver's stall took the target to %v", at, r)
			break
		}
	}
	// What fits is all that is sent, and finding out costs little.
	p, _ = climb(t, link{rate: steady(1e6), delay: 50 * time.Millisecond}, 500e3, rates...)
	if share := float64(p.padding) / float64(p.link.deliver); share > 0.05 {
		t.Errorf("padding is %.1f %% of what arrived", 100*share)
	}
	if q := p.queue(99); q > 60*time.Millisecond {
		t.Errorf("probes of a full link cause a queue of %v", q)
	}
}

// A call that sends little does not earn a large estimate, and when it sends
// more the path is not flooded.
func TestAppLimitedDoesNotGrow(t *testing.T) {
	resume := 60 * time.Second
	l := &link{rate: steady(1.5e6), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}
	p := newPath(t, l, func(at time.Duration, target units.Rate) units.Rate {
		if at < resume {
			return min(target, 150*units.Kbps)
		}
		return target
	}, nil)
	p.bwe.SetLadder(epoch, bwe.Ladder{Base: voiceRate, Next: 190 * units.Kbps, Full: 190 * units.Kbps})
	p.run(resume)
	if d := p.bwe.Decision(); d.Target > 300*units.Kbps || d.State != bwe.AppLimited {
		t.Errorf("idle at 194 kbit/s the target is %v in state %v, want no more than it began with, app-limited", d.Target, d.State)
	}
	p.bwe.SetLadder(p.clock(p.now), wantsAll)
	p.measureFrom()
	p.run(resume + 10*time.Second)
	if q := p.queue(99); q > 120*time.Millisecond {
		t.Errorf("queue %v on resuming", q)
	}
	if d := p.reached(resume, 1200*units.Kbps); d > 2*time.Second {
		t.Errorf("80 %% after %v, want within 2s", d)
	}
}

// An estimate that was once proven is not raised by anything but use.
func TestUnusedEstimateIsHeld(t *testing.T) {
	l := &link{rate: steady(5e6), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}
	p := newPath(t, l, func(at time.Duration, target units.Rate) units.Rate {
		if at < 20*time.Second {
			return min(target, units.Mbps)
		}
		return 100 * units.Kbps
	}, nil)
	p.run(20 * time.Second)
	before := p.bwe.Decision().Target
	if before < 900*units.Kbps || before > 1600*units.Kbps {
		t.Fatalf("after 20 s at 1 Mbit/s the target is %v", before)
	}
	p.run(60 * time.Second)
	if after := p.bwe.Decision().Target; after > before || after < before.Scale(0.9) {
		t.Errorf("unused, the target went from %v to %v", before, after)
	}
}

// A probe that is still being sent ends when the queue rises, and does not wait
// for what is left of it (360 ms here, were it left to its time).
func TestProbeEndsWithTheQueue(t *testing.T) {
	const wide, narrow = 3 * units.Mbps, 250 * units.Kbps
	rate, asked := wide, time.Duration(0)
	l := &link{rate: func(time.Duration) units.Rate { return rate }, delay: 5 * time.Millisecond, queue: time.Second}
	p := newPath(t, l, func(at time.Duration, target units.Rate) units.Rate {
		if at < 10*time.Second {
			return target
		}
		return 400 * units.Kbps // far less than a probe asks for
	}, nil)
	p.noPads = true
	p.bwe.SetLadder(epoch, wantsAll)
	var took []time.Duration
	p.every = func(p *path, d bwe.Decision) {
		switch {
		case p.now > 11*time.Second && asked == 0 && d.Probe.ID != 0:
			asked, rate = p.now, narrow
		case asked != 0 && d.Probe.ID == 0:
			took, asked, rate = append(took, p.now-asked), 0, wide
		}
	}
	p.run(60 * time.Second)
	t.Logf("probes ended after %v", took)
	if len(took) < 2 {
		t.Fatalf("only %d probes were under way when the path narrowed", len(took))
	}
	for _, d := range took {
		if d > 300*time.Millisecond {
			t.Errorf("a probe was sent for %v while the path's queue grew", d)
		}
	}
}
