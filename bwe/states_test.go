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

// stateRuns answers the calls that take all edges.
func stateRuns(t *testing.T) []stateRun {
	r := &edgeRuns{t: t}
	r.onPaths()
	r.byWants()
	r.withoutPadding()
	r.cutOff()
	r.byReceiverReports()
	return r.runs
}

// edgeRuns collects calls.
type edgeRuns struct {
	t    *testing.T
	runs []stateRun
}

// add has a call that lasts until then.
func (r *edgeRuns) add(name string, until time.Duration, p func() *path) {
	r.runs = append(r.runs, stateRun{name, func() *path {
		p := p()
		p.run(until)
		return p
	}})
}

// call begins one that wants all there is, over a link with 300 ms of queue.
func (r *edgeRuns) call(l link, src source) *path {
	if l.delay == 0 {
		l.delay = 50 * time.Millisecond
	}
	l.queue = 300 * time.Millisecond
	p := newPath(r.t, &l, src, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	return p
}

// longer has a queue that is not ours from the tenth to the fortieth second.
func (r *edgeRuns) longer(by time.Duration, l link, src source) *path {
	l.detour = func(at time.Duration) time.Duration {
		if at < 10*time.Second || at > 40*time.Second {
			return 0
		}
		return by
	}
	return r.call(l, src)
}

func (r *edgeRuns) falling() *path {
	return r.call(link{rate: steps(20*time.Second, units.Mbps, 300*units.Kbps)}, saturating)
}

func (r *edgeRuns) idling() *path {
	return r.call(link{rate: steady(2e6)}, func(at time.Duration, target units.Rate) units.Rate {
		if at/(5*time.Second)%2 == 0 {
			return min(target, 100*units.Kbps)
		}
		return target
	})
}

// onPaths: the path changes its rate or its length.
func (r *edgeRuns) onPaths() {
	r.add("the path falls and rises", 50*time.Second, r.falling)
	r.add("no more than a part is sent, at times", 40*time.Second, r.idling)
	r.add("a few layers", 30*time.Second, func() *path {
		return r.call(link{rate: steady(1e6)}, layers(150e3, 500e3, 800e3))
	})
	r.add("fast and far", 20*time.Second, func() *path { return r.call(link{rate: steady(2e7)}, saturating) })
	r.add("the path becomes longer", 60*time.Second, func() *path { return r.longer(200*time.Millisecond, link{rate: steady(1e6)}, saturating) })
	r.add("the path becomes longer, then thinner for a while", 60*time.Second, func() *path {
		return r.longer(200*time.Millisecond, link{rate: func(at time.Duration) units.Rate {
			if at > 35*time.Second && at < 40*time.Second {
				return 400 * units.Kbps
			}
			return units.Mbps
		}}, saturating)
	})
	r.add("the path becomes longer under layers", 60*time.Second, func() *path {
		return r.longer(200*time.Millisecond, link{rate: steps(15*time.Second, 1e6, 4e5)}, layers(150e3, 500e3, 800e3))
	})
	r.add("the path becomes longer, with jitter", 60*time.Second, func() *path {
		return r.longer(60*time.Millisecond, link{rate: steady(1e6), jitter: 15 * time.Millisecond}, layers(150e3, 300e3))
	})
}

// byWants: what is wanted changes.
func (r *edgeRuns) byWants() {
	r.add("nothing more is wanted, then it is", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(2e7)}, layers(100e3, 200e3))
		p.bwe.SetLadder(epoch, bwe.Ladder{Base: 30 * units.Kbps, Next: 200 * units.Kbps, Full: 200 * units.Kbps})
		p.every = func(p *path, _ bwe.Decision) {
			if p.now == 5*time.Second {
				p.bwe.SetLadder(p.told(), wantsAll)
			}
		}
		return p
	})
	r.add("all that is wanted is sent, then more is wanted", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(2e7)}, saturating)
		p.bwe.SetLadder(epoch, bwe.Ladder{Base: 30 * units.Kbps, Next: 200 * units.Kbps, Full: 200 * units.Kbps})
		return once(p, bwe.Track, func(p *path) { p.bwe.SetLadder(p.told(), wantsAll) })
	})
}

// withoutPadding: nothing can be sent but media, and the path is bad besides.
func (r *edgeRuns) withoutPadding() {
	r.add("no padding", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(2e6)}, saturating)
		p.noPads = true
		return p
	})
	r.add("no padding, and a third lost", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(1e6), loss: 0.35}, saturating)
		p.noPads = true
		return p
	})
	r.add("no padding, and a policer", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(400e3), bucket: 8000}, saturating)
		p.noPads = true
		return p
	})
	r.add("too thin for the voice", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(20e3)}, saturating)
		p.noPads, p.link.queue = true, 1300*time.Millisecond
		return p
	})
}

// cutOff: whatever the controller does, the path may change or fall silent.
func (r *edgeRuns) cutOff() {
	r.add("silence in a deep queue", 30*time.Second, func() *path {
		p := r.call(link{rate: between(10*time.Second, 30*time.Second, 60e3, 1e6, 60e3)}, saturating)
		p.link.queue = 2 * time.Second
		return once(p, bwe.Drain, func(p *path) { // reports are lost, or those on what drains would end it
			p.tamper = func(time.Duration, []bwe.PacketReport) [][]bwe.PacketReport { return nil }
		})
	})
	for _, in := range []struct {
		state bwe.State
		call  func() *path
	}{
		{bwe.Track, r.falling}, {bwe.Drain, r.falling}, {bwe.Probing, r.idling}, {bwe.AppLimited, r.idling},
		{bwe.Compete, func() *path { return r.longer(200*time.Millisecond, link{rate: steady(1e6)}, saturating) }},
	} {
		r.add(in.state.String()+", and another path", 40*time.Second, func() *path { return once(in.call(), in.state, func(p *path) { p.bwe.OnRouteChange(p.told()) }) })
		r.add(in.state.String()+", and silence", 40*time.Second, func() *path { return once(in.call(), in.state, func(p *path) { p.link.loss = 1 }) })
	}
	r.add("silence, again, and another path", 20*time.Second, func() *path {
		p := r.call(link{rate: steady(1e6)}, saturating)
		p.every = func(p *path, _ bwe.Decision) {
			switch p.now {
			case 5 * time.Second:
				p.link.loss = 1
			case 8 * time.Second:
				p.link.loss = 0
			case 12 * time.Second:
				p.link.loss = 1
			case 15 * time.Second:
				p.bwe.OnRouteChange(p.told())
				p.link.loss = 0
			}
		}
		return p
	})
}

// byReceiverReports: these alone, a second or three after the first packet.
func (r *edgeRuns) byReceiverReports() {
	for _, first := range []time.Duration{1200 * time.Millisecond, 3 * time.Second} {
		r.add("receiver reports from "+first.String(), 20*time.Second, func() *path {
			p := r.call(link{rate: steady(1e6)}, saturating)
			p.tamper = func(now time.Duration, r []bwe.PacketReport) [][]bwe.PacketReport {
				if now < 10*time.Second {
					return nil
				}
				return [][]bwe.PacketReport{r}
			}
			p.every = func(p *path, _ bwe.Decision) {
				if p.now >= first && p.now < 10*time.Second && p.now%time.Second == first%time.Second {
					p.bwe.OnReceiverReport(p.told(), 0, 100*time.Millisecond)
				}
			}
			return p
		})
	}
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
