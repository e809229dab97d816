package lab

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// reached is the share of what is possible that counts as there.
	reached = 0.9
	// DepthStep is how often the queue is looked at from outside.
	DepthStep = 10 * time.Millisecond
)

// observation is what any back end saw of a run.
type observation struct {
	plan  Scenario
	links []*link.Link // forward: what they could carry
	stats []link.Stats // and what became of what they were offered
	flows []observed
	other []units.Size    // what other traffic got, each bin; nil without
	depth []time.Duration // wait of a packet sent now, each DepthStep
}

// observed is one flow of it.
type observed struct {
	spec  Flow
	meter *meter
}

// carries is how much of our flows the bottleneck could carry, that is the
// narrowest link of the forward direction; 0 when nothing limits, or when the
// flows do not share all links.
func (o *observation) carries(from, to time.Duration) units.Size {
	var narrowest units.Size
	for _, f := range o.flows {
		if f.spec.To > 0 {
			return 0
		}
	}
	for _, l := range o.links {
		if c := l.Carries(epoch.Add(from), epoch.Add(to)); l.Carries(epoch, epoch.Add(o.plan.Duration)) > 0 && (narrowest == 0 || c < narrowest) {
			narrowest = c
		}
	}
	return narrowest
}

// possible is the share of the capacity that can arrive: what the links lose
// by themselves cannot.
func (o *observation) possible() float64 {
	share := 1.0
	for _, st := range o.stats {
		if n := st.Arriving.Packets + st.Dropped[link.Lost].Packets; n > 0 {
			share *= float64(st.Arriving.Packets) / float64(n)
		}
	}
	return share
}

func (o *observation) meters() []*meter {
	var all []*meter
	for _, f := range o.flows {
		all = append(all, f.meter)
	}
	return all
}

// forwardMeters are the meters of the flows that use the forward links.
func (o *observation) forwardMeters() []*meter {
	var all []*meter
	for _, f := range o.flows {
		if !f.spec.Reverse {
			all = append(all, f.meter)
		}
	}
	return all
}

// delivered is what arrived of all forward flows.
func (o *observation) delivered(from, to time.Duration) (sum units.Size) {
	for _, m := range o.forwardMeters() {
		sum += m.delivered(from, to)
	}
	return sum
}

// measure fills in the metrics.
func (o *observation) measure(r *Result) {
	p := &o.plan
	end := p.Duration
	if c := o.carries(p.Settled, end); c > 0 {
		r.Utilization = Number(100 * float64(o.delivered(p.Settled, end)) / float64(c))
	} else {
		r.Utilization = Number(math.NaN())
	}
	q := queue(o.forwardMeters(), 0, end, 50, 95)
	r.QueueP50, r.QueueP95 = Number(q[0]), Number(q[1])
	var packets, lost, ours uint64
	var reports units.Size
	start := end
	for _, m := range o.meters() {
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
	r.Rate = Number(float64(o.delivered(start, end).Over(end-start)) / 1000)
	r.Feedback = Number(float64(reports.Over(end-start)) / 1000 / float64(len(o.flows)))
	r.Ramp = Number(o.reach(start))
	r.Recover = Number(math.NaN())
	for i, at := range p.Rises {
		if took := o.reach(at); i == 0 || !(took <= float64(r.Recover)) {
			r.Recover = Number(took)
		}
	}
	r.More = o.more()
}

// reach is how many seconds after a time the second begins in which 90 % of
// what is possible is carried; NaN if none does.
func (o *observation) reach(from time.Duration) float64 {
	possible := o.possible()
	for at := from.Round(bin); at+time.Second <= o.plan.Duration; at += bin {
		c := o.carries(at, at+time.Second)
		if c > 0 && float64(o.delivered(at, at+time.Second)) >= reached*possible*float64(c) {
			return (at - from).Seconds()
		}
	}
	return math.NaN()
}

// series samples the run for drawing.
func (o *observation) series() *Series {
	const step = 2 * bin
	s := &Series{Step: step.Seconds()}
	kbps := func(n units.Size) float64 { return math.Round(float64(n.Over(step))/100) / 10 }
	if len(o.flows) > 1 {
		s.Flows = make([][]float64, len(o.flows))
	}
	for at := time.Duration(0); at+step <= o.plan.Duration; at += step {
		var offered units.Size
		i := int(at / bin)
		s.Capacity = append(s.Capacity, kbps(o.carries(at, at+step)))
		s.Rate = append(s.Rate, kbps(o.delivered(at, at+step)))
		var target, wait float64
		var sent, lost uint32
		for n, f := range o.flows {
			m := f.meter
			if s.Flows != nil {
				s.Flows[n] = append(s.Flows[n], kbps(m.delivered(at, at+step)))
			}
			if f.spec.Reverse {
				continue
			}
			if t := max(m.targets[i], m.targets[i+1]); f.spec.sends(at) {
				target += float64(t) / 1000
			}
			wait = max(wait, milliseconds(max(m.waitIn[i], m.waitIn[i+1])))
			sent += m.sentIn[i] + m.sentIn[i+1]
			offered += m.bytesIn[i] + m.bytesIn[i+1]
			lost += m.lostIn[i] + m.lostIn[i+1]
		}
		s.Sent = append(s.Sent, kbps(offered))
		s.Target = append(s.Target, math.Round(target*10)/10)
		s.Queue = append(s.Queue, math.Round(wait*10)/10)
		s.Loss = append(s.Loss, math.Round(1000*float64(lost)/float64(max(sent, 1)))/10)
		if o.other != nil {
			s.Other = append(s.Other, kbps(o.other[i]+o.other[i+1]))
		}
	}
	return s
}
