package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// edge is one change of state.
type edge struct{ from, to bwe.State }

// stateRuns are calls that take the controller through its states.
func stateRuns(t *testing.T) map[string]func() *path {
	const s = time.Second
	ordinary := func(l link, src source) *path {
		if l.delay == 0 {
			l.delay = 50 * time.Millisecond
		}
		l.queue = 300 * time.Millisecond
		p := newPath(t, &l, src, nil)
		p.bwe.SetLadder(epoch, wantsAll)
		return p
	}
	return map[string]func() *path{
		"saturated, falls, returns, goes silent": func() *path {
			p := ordinary(link{rate: func(at time.Duration) units.Rate {
				switch {
				case at < 20*s:
					return units.Mbps
				case at < 30*s:
					return 300 * units.Kbps
				case at < 40*s:
					return units.Mbps
				case at < 43*s:
					return 0
				}
				return units.Mbps
			}}, saturating)
			p.run(50 * s)
			return p
		},
		"layers": func() *path {
			p := ordinary(link{rate: steady(1e6)}, layers(150e3, 500e3, 800e3))
			p.run(30 * s)
			return p
		},
		"idle, then not": func() *path {
			p := ordinary(link{rate: steady(2e6)}, func(at time.Duration, target units.Rate) units.Rate {
				if at/(5*s)%2 == 0 {
					return min(target, 100*units.Kbps)
				}
				return target
			})
			p.run(40 * s)
			return p
		},
		"another path": func() *path {
			p := ordinary(link{rate: steady(1e6)}, saturating)
			p.run(10 * s)
			p.bwe.OnRouteChange(p.clock(p.now))
			p.run(20 * s)
			return p
		},
	}
}

// TestStateChanges sees every change of state that the package comment draws,
// and none that makes no sense.
func TestStateChanges(t *testing.T) {
	seen := map[edge]string{}
	for name, run := range stateRuns(t) {
		p := run()
		for i := 1; i < len(p.visited); i++ {
			seen[edge{p.visited[i-1], p.visited[i]}] = name
		}
	}
	for _, e := range []edge{
		{bwe.Startup, bwe.Probing},    // the first train was reported, the ladder wants more
		{bwe.Probing, bwe.Track},      // the probe was judged
		{bwe.Track, bwe.Drain},        // the queue is above the goal
		{bwe.Drain, bwe.Track},        // and no more
		{bwe.Track, bwe.AppLimited},   // less is sent than allowed
		{bwe.AppLimited, bwe.Track},   // it is used again
		{bwe.AppLimited, bwe.Probing}, // the ladder wants more than is proven
		{bwe.Probing, bwe.AppLimited},
		{bwe.Track, bwe.Startup}, // another path
	} {
		if _, ok := seen[e]; !ok {
			t.Errorf("no run went from %v to %v", e.from, e.to)
		}
	}
	silent := false
	for e, name := range seen {
		silent = silent || e.to == bwe.Blackout
		switch {
		case e.to == bwe.Coarse || e.from == bwe.Coarse:
			t.Errorf("%s: coarse with packet reports", name)
		case e.to == bwe.Startup && name != "another path":
			t.Errorf("%s: from %v back to the startup", name, e.from)
		}
	}
	if !silent {
		t.Error("three seconds of silence were no blackout")
	}
}
