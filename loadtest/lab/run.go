package lab

import (
	"fmt"
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// execution is one run.
type execution struct {
	plan    Scenario
	world   *world
	forward []*link.Link
	back    []*link.Link
	flows   []*flow
	tcps    []*tcp
	udps    []*udp
	depth   []time.Duration // wait of a packet sent now, each sample
}

// Run runs one scenario with one seed in virtual time.
func Run(plan Scenario, seed uint64) (Result, *Series, error) {
	if err := plan.Validate(); err != nil {
		return Result{}, nil, err
	}
	plan = plan.withDefaults()
	r := Result{Suite: plan.Suite, Scenario: plan.Name, CC: rivuletCC, Backend: "exact", Seed: seed, NotBuilt: plan.NotBuilt}
	if plan.NotBuilt != "" {
		nan := Number(math.NaN())
		r.Utilization, r.QueueP50, r.QueueP95, r.Loss, r.AddedLoss = nan, nan, nan, nan, nan
		r.Ramp, r.Recover, r.Feedback, r.Rate = nan, nan, nan, nan
		r.judge(plan.Targets)
		return r, nil, nil
	}
	if plan.Call != nil {
		return r, nil, fmt.Errorf("lab: %s: whole calls run in the full back end only", plan.Name)
	}
	x := &execution{plan: plan, world: &world{}}
	if err := x.build(seed); err != nil {
		return r, nil, err
	}
	x.world.at(0, x, wake)
	x.world.run(plan.Duration)
	o := x.observe()
	o.measure(&r)
	r.judge(plan.Targets)
	return r, o.series(), nil
}

// observe gathers what was seen of the run.
func (x *execution) observe() *observation {
	o := &observation{plan: x.plan, links: x.forward, depth: x.depth}
	for _, l := range x.forward {
		o.stats = append(o.stats, l.Stats())
	}
	for _, f := range x.flows {
		o.flows = append(o.flows, observed{f.spec, f.meter})
	}
	for _, t := range x.tcps {
		o.other = add(o.other, t.series)
	}
	for _, u := range x.udps {
		o.other = add(o.other, u.series)
	}
	return o
}

// act looks at the queue.
func (x *execution) act(now time.Duration, _ *event) {
	var w time.Duration
	for _, l := range x.forward {
		w += l.Wait(epoch.Add(now))
	}
	x.depth = append(x.depth, w)
	x.world.at(now+DepthStep, x, wake)
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
	x.tcps, x.udps = others(x.world, x.plan, seed, carriers(x.forward), carriers(x.back))
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
