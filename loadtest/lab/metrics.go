package lab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Names of the metrics that only some scenarios have.
const (
	// metricDrain: seconds from a fall of the capacity, or its return, until
	// the queue was below DrainTo for a second.
	metricDrain = "drain_s"
	// metricCalm: the end of the last second in which the queue was never
	// below calmQueue.
	metricCalm = "calm_s"
	// metricVoice: the least share of voice packets that arrived of those sent
	// in one second.
	metricVoice = "voice_worst_second"
	// metricFairness: the largest over the smallest rate among flows.
	metricFairness = "fairness"
	// metricWeighted: how far the flow furthest off is from the share that its
	// weight gives it, in per cent of that share.
	metricWeighted = "off_weight"
	// metricTCP, metricUDP, metricOther: what other traffic got, kbit/s; the last
	// where there was traffic of both kinds.
	metricTCP   = "tcp_kbps"
	metricUDP   = "udp_kbps"
	metricOther = "other_kbps"
	// metricRest: what was delivered of what traffic that does not adapt left, per
	// cent, after the run had settled.
	metricRest = "of_rest"
	// metricBoast: the highest target while held down, over the capacity.
	metricBoast = "target_over_capacity"
	// metricResumeQueue, metricResume: the longest wait after that, and the
	// seconds until 80 % is carried.
	metricResumeQueue = "resume_queue_ms"
	metricResume      = "resume_s"
	// metricFeedback: the cost of reports over what they may cost, the larger
	// of 2.5 % of the rate and one report a second.
	metricFeedback = "feedback_over_allowed"
)

const (
	calmQueue     = 50 * time.Millisecond
	feedbackShare = 0.025
	resumed       = 0.8
)

// more computes the metrics that only some scenarios have.
func (o *observation) more() map[string]Number {
	p := &o.plan
	all := map[string]Number{}
	if len(p.Drains) > 0 {
		worst := 0.0
		for _, at := range p.Drains {
			worst = max(worst, o.drained(at)) // NaN stays NaN
		}
		all[metricDrain] = Number(worst)
	}
	if slices.ContainsFunc(p.Targets, func(t Target) bool { return t.Metric == metricCalm }) {
		all[metricCalm] = Number(o.calm())
	}
	if slices.ContainsFunc(p.Targets, func(t Target) bool { return t.Metric == metricFeedback }) {
		all[metricFeedback] = Number(o.feedbackCost())
	}
	o.overheads(all)
	o.voices(all)
	o.fairness(all)
	o.evaluate(all)
	o.resumption(all)
	if o.other != nil {
		var total units.Size
		for _, n := range o.other {
			total += n
		}
		name := metricOther
		if len(p.UDP) == 0 {
			name = metricTCP
		} else if len(p.TCP) == 0 {
			name = metricUDP
		}
		all[name] = Number(float64(total.Over(p.Duration)) / 1000)
		if rest := o.carries(p.Settled, p.Duration) - sum(o.other[p.Settled/bin:p.Duration/bin]); name == metricUDP && rest > 0 {
			all[metricRest] = Number(100 * float64(o.delivered(p.Settled, p.Duration)) / float64(rest))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// drained is how many seconds after a time the queue stays below DrainTo for
// a second.
func (o *observation) drained(from time.Duration) float64 {
	need, run := int(time.Second/DepthStep), 0
	for i := int(from / DepthStep); i < len(o.depth); i++ {
		if o.depth[i] > o.plan.DrainTo {
			run = 0
		} else if run++; run == need {
			return (time.Duration(i-need+1)*DepthStep - from).Seconds()
		}
	}
	return math.NaN()
}

// calm is the end of the last second whose least queue was too long.
func (o *observation) calm() float64 {
	per, last := int(time.Second/DepthStep), 0
	for i := 0; i+per <= len(o.depth); i += per {
		if slices.Min(o.depth[i:i+per]) >= calmQueue {
			last = i/per + 1
		}
	}
	return float64(last)
}

// feedbackCost is the mean over the flows.
func (o *observation) feedbackCost() float64 {
	sum := 0.0
	for _, m := range o.meters() {
		span := m.end - m.begin
		if m.reports == 0 {
			continue
		}
		cost, once := m.feedback, float64(m.feedback)/float64(m.reports)
		if m.overhead != nil {
			cost, once = m.overhead.feedback()
		}
		allowed := max(feedbackShare*float64(m.delivered(m.begin, m.end).Over(span)), once*8)
		sum += float64(cost.Over(span)) / allowed
	}
	return sum / float64(len(o.flows))
}

func (o *observation) voices(all map[string]Number) {
	worst := math.NaN()
	for _, m := range o.meters() {
		if v := m.worstVoice(); !math.IsNaN(v) && !(worst <= v) {
			worst = v
		}
	}
	if !math.IsNaN(worst) {
		all[metricVoice] = Number(worst)
	}
}

// sharing answers the forward flows that use the same links, and the time in
// which all of them send, from 20 s after the last has begun.
func (o *observation) sharing() (flows []observed, from, to time.Duration) {
	to = o.plan.Duration
	for _, f := range o.flows {
		if f.spec.Reverse || f.spec.To > 0 {
			continue
		}
		flows = append(flows, f)
		from = max(from, f.spec.Start+20*time.Second)
		if f.spec.Stop > 0 {
			to = min(to, f.spec.Stop)
		}
		for _, p := range f.spec.Pauses {
			from = max(from, p.To+20*time.Second)
		}
	}
	return flows, from, to
}

// fairness compares the flows that share over all of their time together.
func (o *observation) fairness(all map[string]Number) {
	sharing, from, to := o.sharing()
	if len(o.flows) > 1 {
		for i, f := range o.flows {
			all[fmt.Sprintf("flow%d_kbps", i+1)] = Number(float64(f.meter.delivered(f.spec.Start, o.plan.Duration).Over(o.plan.Duration-f.spec.Start)) / 1000)
		}
	}
	if len(sharing) < 2 || to <= from {
		return
	}
	o.weighted(all, sharing, from, to)
	least, most := math.Inf(1), 0.0
	for _, f := range sharing {
		r := float64(f.meter.delivered(from, to)) / f.spec.weight()
		least, most = min(least, r), max(most, r)
	}
	if least > 0 {
		all[metricFairness] = Number(most / least)
	} else {
		all[metricFairness] = Number(math.NaN())
	}
}

// weighted compares the shares of flows that have weights with these.
func (o *observation) weighted(all map[string]Number, sharing []observed, from, to time.Duration) {
	var total units.Size
	weights := 0.0
	for _, f := range sharing {
		total += f.meter.delivered(from, to)
		weights += f.spec.weight()
	}
	if weights == float64(len(sharing)) || total == 0 {
		return
	}
	worst := 0.0
	for _, f := range sharing {
		due := float64(total) * f.spec.weight() / weights
		worst = max(worst, math.Abs(float64(f.meter.delivered(from, to))-due)/due)
	}
	all[metricWeighted] = Number(100 * worst)
}

// resumption measures a source that was held down for a time.
func (o *observation) resumption(all map[string]Number) {
	f := o.flows[0]
	until := f.spec.Media.Until
	if until == 0 {
		return
	}
	capacity := o.carries(0, until).Over(until)
	var boast float64
	for _, t := range f.meter.targets[:int(until/bin)] {
		boast = max(boast, float64(t)/float64(capacity))
	}
	all[metricBoast] = Number(boast)
	var longest time.Duration
	for _, w := range f.meter.waits {
		if w.sent >= until && w.sent < until+10*time.Second {
			longest = max(longest, w.waited)
		}
	}
	all[metricResumeQueue] = Number(milliseconds(longest))
	all[metricResume] = Number(math.NaN())
	for at := until; at+time.Second <= o.plan.Duration; at += bin {
		if float64(o.delivered(at, at+time.Second)) >= resumed*float64(o.carries(at, at+time.Second)) {
			all[metricResume] = Number((at - until).Seconds())
			return
		}
	}
}
