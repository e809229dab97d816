package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// stateRun is a call that takes the controller along edges of its table.
type stateRun struct {
	name string
	run  func() *path
}

// stateRuns are calls that together take every edge.
func stateRuns(t *testing.T) (runs []stateRun) {
	const s = time.Second
	call := func(l link, src source) *path {
		if l.delay == 0 {
			l.delay = 50 * time.Millisecond
		}
		l.queue = 300 * time.Millisecond
		p := newPath(t, &l, src, nil)
		p.bwe.SetLadder(epoch, wantsAll)
		return p
	}
	add := func(name string, until time.Duration, p func() *path) {
		runs = append(runs, stateRun{name, func() *path {
			p := p()
			p.run(until)
			return p
		}})
	}
	falling := func() *path {
		return call(link{rate: steps(20*s, units.Mbps, 300*units.Kbps)}, saturating)
	}
	idling := func() *path {
		return call(link{rate: steady(2e6)}, func(at time.Duration, target units.Rate) units.Rate {
			if at/(5*s)%2 == 0 {
				return min(target, 100*units.Kbps)
			}
			return target
		})
	}
	// longer has a queue that is not ours from the tenth to the fortieth second.
	longer := func(by time.Duration, l link, src source) *path {
		l.detour = func(at time.Duration) time.Duration {
			if at < 10*s || at > 40*s {
				return 0
			}
			return by
		}
		return call(l, src)
	}
	add("the path falls and rises", 50*s, falling)
	add("no more than a part is sent, at times", 40*s, idling)
	add("a few layers", 30*s, func() *path {
		return call(link{rate: steady(1e6)}, layers(150e3, 500e3, 800e3))
	})
	add("fast and far", 20*s, func() *path { return call(link{rate: steady(2e7)}, saturating) })
	add("the path becomes longer", 60*s, func() *path { return longer(200*time.Millisecond, link{rate: steady(1e6)}, saturating) })
	add("the path becomes longer, then thinner for a while", 60*s, func() *path {
		return longer(200*time.Millisecond, link{rate: func(at time.Duration) units.Rate {
			if at > 35*s && at < 40*s {
				return 400 * units.Kbps
			}
			return units.Mbps
		}}, saturating)
	})
	add("the path becomes longer under layers", 60*s, func() *path {
		return longer(200*time.Millisecond, link{rate: steps(15*s, 1e6, 4e5)}, layers(150e3, 500e3, 800e3))
	})
	add("nothing more is wanted, then it is", 20*s, func() *path {
		p := call(link{rate: steady(2e7)}, layers(100e3, 200e3))
		p.bwe.SetLadder(epoch, bwe.Ladder{Base: 30 * units.Kbps, Next: 200 * units.Kbps, Full: 200 * units.Kbps})
		p.every = func(p *path, _ bwe.Decision) {
			if p.now == 5*s {
				p.bwe.SetLadder(p.told(), wantsAll)
			}
		}
		return p
	})
	add("all that is wanted is sent, then more is wanted", 20*s, func() *path {
		p := call(link{rate: steady(2e7)}, saturating)
		p.bwe.SetLadder(epoch, bwe.Ladder{Base: 30 * units.Kbps, Next: 200 * units.Kbps, Full: 200 * units.Kbps})
		return once(p, bwe.Track, func(p *path) { p.bwe.SetLadder(p.told(), wantsAll) })
	})
	add("the path becomes longer, with jitter", 60*s, func() *path {
		return longer(60*time.Millisecond, link{rate: steady(1e6), jitter: 15 * time.Millisecond}, layers(150e3, 300e3))
	})
	add("no padding", 20*s, func() *path {
		p := call(link{rate: steady(2e6)}, saturating)
		p.noPads = true
		return p
	})
	add("no padding, and a third lost", 20*s, func() *path {
		p := call(link{rate: steady(1e6), loss: 0.35}, saturating)
		p.noPads = true
		return p
	})
	add("no padding, and a policer", 20*s, func() *path {
		p := call(link{rate: steady(400e3), bucket: 8000}, saturating)
		p.noPads = true
		return p
	})
	add("too thin for the voice", 20*s, func() *path {
		p := call(link{rate: steady(20e3)}, saturating)
		p.noPads, p.link.queue = true, 1300*time.Millisecond
		return p
	})
	add("silence in a deep queue", 30*s, func() *path {
		p := call(link{rate: between(10*s, 30*s, 60e3, 1e6, 60e3)}, saturating)
		p.link.queue = 2 * s
		return once(p, bwe.Drain, func(p *path) { p.link.loss = 1 })
	})
	// Whatever it does, the path may change or fall silent.
	for _, in := range []struct {
		state bwe.State
		call  func() *path
	}{
		{bwe.Track, falling}, {bwe.Drain, falling}, {bwe.Probing, idling}, {bwe.AppLimited, idling},
		{bwe.Compete, func() *path { return longer(200*time.Millisecond, link{rate: steady(1e6)}, saturating) }},
	} {
		add(in.state.String()+", and another path", 40*s, func() *path { return once(in.call(), in.state, func(p *path) { p.bwe.OnRouteChange(p.told()) }) })
		add(in.state.String()+", and silence", 40*s, func() *path { return once(in.call(), in.state, func(p *path) { p.link.loss = 1 }) })
	}
	add("silence, again, and another path", 20*s, func() *path {
		p := call(link{rate: steady(1e6)}, saturating)
		p.every = func(p *path, _ bwe.Decision) {
			switch p.now {
			case 5 * s:
				p.link.loss = 1
			case 8 * s:
				p.link.loss = 0
			case 12 * s:
				p.link.loss = 1
			case 15 * s:
				p.bwe.OnRouteChange(p.told())
				p.link.loss = 0
			}
		}
		return p
	})
	// Receiver reports alone, a second or three after the first packet.
	for _, first := range []time.Duration{1200 * time.Millisecond, 3 * s} {
		add("receiver reports from "+first.String(), 20*s, func() *path {
			p := call(link{rate: steady(1e6)}, saturating)
			p.tamper = func(now time.Duration, r []bwe.PacketReport) [][]bwe.PacketReport {
				if now < 10*s {
					return nil
				}
				return [][]bwe.PacketReport{r}
			}
			p.every = func(p *path, _ bwe.Decision) {
				if p.now >= first && p.now < 10*s && p.now%s == first%s {
					p.bwe.OnReceiverReport(p.told(), 0, 100*time.Millisecond)
				}
			}
			return p
		})
	}
	return runs
}

// once does something as soon as the controller is in a state, after the first seconds.
func once(p *path, in bwe.State, do func(*path)) *path {
	done := false
	p.every = func(p *path, d bwe.Decision) {
		deep := d.State != bwe.Drain || p.bwe.Stats().QueueDelay > 100*time.Millisecond
		if !done && p.now > 3*time.Second && d.State == in && deep {
			done = true
			do(p)
		}
	}
	return p
}

// TestEdges finds, for each edge of the table, a run that takes it; and no run,
// these or random ones, that shows a change of state the table does not allow.
func TestEdges(t *testing.T) {
	edges := bwe.Edges()
	next := map[bwe.State]map[bwe.State]bool{}
	for _, e := range edges {
		if next[e.From] == nil {
			next[e.From] = map[bwe.State]bool{}
		}
		next[e.From][e.To] = true
	}
	shown := map[bwe.Edge]string{}
	for _, r := range stateRuns(t) {
		p := r.run()
		for e := range p.bwe.Taken() {
			if shown[e] == "" {
				shown[e] = r.name
			}
		}
		for i := 1; i < len(p.visited); i++ {
			a, b := p.visited[i-1], p.visited[i]
			ok := next[a][b]
			for via := range next[a] { // one decision may take two edges, and a millisecond two decisions
				ok = ok || next[via][b]
			}
			if !ok {
				t.Errorf("%s: from %v to %v, which the table does not allow", r.name, a, b)
			}
		}
	}
	for _, e := range edges {
		t.Run(e.From.String()+" to "+e.To.String()+" "+e.Reason, func(t *testing.T) {
			if shown[e] == "" {
				t.Fatal("no run takes this edge")
			}
			t.Log("taken by: " + shown[e])
		})
	}
}
