package lab

import (
	"fmt"
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// reached is the share of what is possible that counts as there.
	reached = 0.9
	// sample is how often the queue is looked at from outside.
	sample = 10 * time.Millisecond
)

// execution is one run.
type execution struct {
	plan    Scenario
	world   *world
	forward []*link.Link
	back    []*link.Link
	flows   []*flow
	tcps    []*tcp
	depth   []time.Duration // wait of a packet sent now, each sample
}

// Run runs one scenario with one seed in virtual time.
func Run(plan Scenario, seed uint64) (Result, *Series, error) {
	if err := plan.Validate(); err != nil {
		return Result{}, nil, err
	}
	plan = plan.withDefaults()
	r := Result{Suite: plan.Suite, Scenario: plan.Name, CC: "rivulet", Backend: "exact", Seed: seed, NotBuilt: plan.NotBuilt}
	if plan.NotBuilt != "" {
		nan := Number(math.NaN())
		r.Utilization, r.QueueP50, r.QueueP95, r.Loss, r.AddedLoss = nan, nan, nan, nan, nan
		r.Ramp, r.Recover, r.Feedback, r.Rate = nan, nan, nan, nan
		r.judge(plan.Targets)
		return r, nil, nil
	}
	x := &execution{plan: plan, world: &world{}}
	if err := x.build(seed); err != nil {
		return r, nil, err
	}
	x.world.at(0, x, wake)
	x.world.run(plan.Duration)
	x.measure(&r)
	r.judge(plan.Targets)
	return r, x.series(), nil
}

// act looks at the queue.
func (x *execution) act(now time.Duration, _ *event) {
	var w time.Duration
	for _, l := range x.forward {
		w += l.Wait(epoch.Add(now))
	}
	x.depth = append(x.depth, w)
	x.world.at(now+sample, x, wake)
}

// build makes the links and everything that uses them.
func (x *execution) build(seed uint64) error {
	var err error
	if x.forward, err = links(x.plan.Forward, seed); err != nil {
		return fmt.Errorf("lab: %s: forward: %w", x.plan.Name, err)
	}
	if x.back, err = links(x.plan.Back, seed+1<<32); err != nil {
		return fmt.Errorf("lab: %s: back: %w", x.plan.Name, err)
	}
	for i, spec := range x.plan.Flows {
		out, back := x.forward, x.back
		if spec.To > 0 {
			out, back = out[spec.From:spec.To], back[spec.From:spec.To]
		}
		if spec.Reverse {
			out, back = back, out
		}
		f, err := newFlow(x.world, spec, seed*1000+uint64(i), out, back, newMeter(spec.Start, x.plan.Duration))
		if err != nil {
			return err
		}
		x.flows = append(x.flows, f)
	}
	bins := int(x.plan.Duration/bin) + 1
	for i, spec := range x.plan.TCP {
		x.tcps = append(x.tcps, newTCP(x.world, spec, seed*1000+uint64(i), x.forward, x.back, bins))
	}
	for _, spec := range x.plan.UDP {
		newUDP(x.world, spec, x.forward)
	}
	return nil
}

// links makes the links of one direction; each has chance of its own.
func links(configs []link.Config, seed uint64) ([]*link.Link, error) {
	var made []*link.Link
	for i, c := range configs {
		c.Seed = seed*64 + uint64(i) + 1
		l, err := link.New(epoch, c)
		if err != nil {
			return nil, err
		}
		made = append(made, l)
	}
	return made, nil
}

// carries is how much of our flows the bottleneck could carry, that is the
// narrowest link of the forward direction; 0 when nothing limits, or when the
// flows do not share all links.
func (x *execution) carries(from, to time.Duration) units.Size {
	var narrowest units.Size
	for _, f := range x.flows {
		if f.spec.To > 0 {
			return 0
		}
	}
	for _, l := range x.forward {
		if c := l.Carries(epoch.Add(from), epoch.Add(to)); l.Carries(epoch, epoch.Add(x.plan.Duration)) > 0 && (narrowest == 0 || c < narrowest) {
			narrowest = c
		}
	}
	return narrowest
}

// possible is the share of the capacity that can arrive: what the links lose
// by themselves cannot.
func (x *execution) possible() float64 {
	share := 1.0
	for _, l := range x.forward {
		st := l.Stats()
		if n := st.Arriving.Packets + st.Dropped[link.Lost].Packets; n > 0 {
			share *= float64(st.Arriving.Packets) / float64(n)
		}
	}
	return share
}

func (x *execution) meters() []*meter {
	var all []*meter
	for _, f := range x.flows {
		all = append(all, f.meter)
	}
	return all
}

// forwardMeters are the meters of the flows that use the forward links.
func (x *execution) forwardMeters() []*meter {
	var all []*meter
	for _, f := range x.flows {
		if !f.spec.Reverse {
			all = append(all, f.meter)
		}
	}
	return all
}

// delivered is what arrived of all forward flows.
func (x *execution) delivered(from, to time.Duration) (sum units.Size) {
	for _, m := range x.forwardMeters() {
		sum += m.delivered(from, to)
	}
	return sum
}

// measure fills in the metrics.
func (x *execution) measure(r *Result) {
	p := &x.plan
	end := p.Duration
	if c := x.carries(p.Settled, end); c > 0 {
		r.Utilization = Number(100 * float64(x.delivered(p.Settled, end)) / float64(c))
	} else {
		r.Utilization = Number(math.NaN())
	}
	q := queue(x.forwardMeters(), 0, end, 50, 95)
	r.QueueP50, r.QueueP95 = Number(q[0]), Number(q[1])
	var packets, lost, ours uint64
	var reports units.Size
	start := end
	for _, m := range x.meters() {
		packets += m.packets
		lost += m.lost
		ours += m.ours
		reports += m.feedback
		start = min(start, m.begin)
	}
	if packets > 0 {
		r.Loss = Number(100 * float64(lost+ours) / float64(packets))
		r.AddedLoss = Number(100 * float64(ours) / float64(packets))
	}
	r.Rate = Number(float64(x.delivered(start, end).Over(end-start)) / 1000)
	r.Feedback = Number(float64(reports.Over(end-start)) / 1000 / float64(len(x.flows)))
	r.Ramp = Number(x.reach(start))
	r.Recover = Number(math.NaN())
	for i, at := range p.Rises {
		if took := x.reach(at); i == 0 || !(took <= float64(r.Recover)) {
			r.Recover = Number(took)
		}
	}
	r.More = x.more()
}

// reach is how many seconds after a time the second begins in which 90 % of
// what is possible is carried; NaN if none does.
func (x *execution) reach(from time.Duration) float64 {
	possible := x.possible()
	for at := from.Round(bin); at+time.Second <= x.plan.Duration; at += bin {
		c := x.carries(at, at+time.Second)
		if c > 0 && float64(x.delivered(at, at+time.Second)) >= reached*possible*float64(c) {
			return (at - from).Seconds()
		}
	}
	return math.NaN()
}

// series samples the run for drawing.
func (x *execution) series() *Series {
	const step = 2 * bin
	s := &Series{Step: step.Seconds()}
	kbps := func(n units.Size) float64 { return math.Round(float64(n.Over(step))/100) / 10 }
	if len(x.flows) > 1 {
		s.Flows = make([][]float64, len(x.flows))
	}
	for at := time.Duration(0); at+step <= x.plan.Duration; at += step {
		i := int(at / bin)
		s.Capacity = append(s.Capacity, kbps(x.carries(at, at+step)))
		s.Rate = append(s.Rate, kbps(x.delivered(at, at+step)))
		var target, wait float64
		var sent, lost uint32
		for n, f := range x.flows {
			m := f.meter
			if s.Flows != nil {
				s.Flows[n] = append(s.Flows[n], kbps(m.delivered(at, at+step)))
			}
			if f.spec.Reverse {
				continue
			}
			if t := max(m.targets[i], m.targets[i+1]); f.sending(at) {
				target += float64(t) / 1000
			}
			wait = max(wait, milliseconds(max(m.waitIn[i], m.waitIn[i+1])))
			sent += m.sentIn[i] + m.sentIn[i+1]
			lost += m.lostIn[i] + m.lostIn[i+1]
		}
		s.Target = append(s.Target, math.Round(target*10)/10)
		s.Queue = append(s.Queue, math.Round(wait*10)/10)
		s.Loss = append(s.Loss, math.Round(1000*float64(lost)/float64(max(sent, 1)))/10)
		if len(x.tcps) > 0 {
			var other units.Size
			for _, t := range x.tcps {
				other += t.series[i] + t.series[i+1]
			}
			s.Other = append(s.Other, kbps(other))
		}
	}
	return s
}
