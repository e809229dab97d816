package lab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// The metrics of RFC 8868 §3 that are not in every result, by their names in
// JSON. Rates are also told for each 200 ms, in the Series.
const (
	metricSent     = "sent_kbps"
	metricGoodput  = "goodput_kbps"
	metricDelayP50 = "delay_ms_p50"
	metricDelayP95 = "delay_ms_p95"
	metricDelayMax = "delay_ms_max"
	// metricLate: packets that came more than playoutRoom later than the
	// fastest of their flow, in per cent of those that came.
	metricLate = "late"
	// metricConverge: seconds until the target is stable after a flow begins or
	// ends or the capacity changes; the longest.
	metricConverge = "converge_s"
	// metricOscillation: how often a minute a flow's sending rate goes from the
	// low to the high watermark within 500 ms, or back.
	metricOscillation = "oscillations_per_minute"
)

// fairWindows are the timescales of fairness: a window is fair when the
// largest share is at most fairRatio times the smallest.
var fairWindows = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second}

const (
	fairRatio = 3
	// playoutRoom is what a jitter buffer evens out; what comes later is late.
	playoutRoom = 200 * time.Millisecond
	// The watermarks lie four times apart, as RFC 8868's example, around a
	// flow's median rate.
	watermark       = 2.0
	watermarkWindow = 500 * time.Millisecond
	// A target is stable while the mean of each stableWindow within stableFor is
	// within stableBand of where it ends up.
	stableBand   = 0.25
	stableWindow = 2 * time.Second
	stableFor    = 5 * time.Second
	// shortestPhase is how long nothing may change for a phase to be judged.
	shortestPhase = 15 * time.Second
	// maxPhases bounds what is looked at of a trace.
	maxPhases = 1000
)

// metricFair is the name of the share of windows that are fair.
func metricFair(window time.Duration) string { return fmt.Sprintf("fair_%ds", int(window.Seconds())) }

// evaluate adds the metrics of RFC 8868. The core suite does without: its rows
// have targets of their own.
func (o *observation) evaluate(all map[string]Number) {
	if o.plan.Suite == "core" {
		return
	}
	var sent, good units.Size
	var delays []time.Duration
	var late, came int
	span := time.Duration(0)
	for _, m := range o.forwardMeters() {
		sent += sum(m.bytesIn)
		good += m.good
		span = max(span, m.end-m.begin)
		own := m.delays()
		slices.Sort(own)
		for _, d := range own {
			if d > own[0]+playoutRoom {
				late++
			}
		}
		came += len(own)
		delays = append(delays, own...)
	}
	all[metricSent] = Number(float64(sent.Over(span)) / 1000)
	all[metricGoodput] = Number(float64(good.Over(span)) / 1000)
	slices.Sort(delays)
	if n := len(delays); n > 0 {
		all[metricDelayP50] = Number(milliseconds(delays[n/2]))
		all[metricDelayP95] = Number(milliseconds(delays[(n-1)*95/100]))
		all[metricDelayMax] = Number(milliseconds(delays[n-1]))
		all[metricLate] = Number(100 * float64(late) / float64(came))
	}
	o.repairs(all)
	o.fairWindows(all)
	all[metricOscillation] = Number(o.oscillations())
	if v, judged := o.convergence(); judged {
		all[metricConverge] = Number(v)
	}
}

// fairWindows tells, for each timescale, in what share of the time the flows
// were treated alike.
func (o *observation) fairWindows(all map[string]Number) {
	sharing, from, to := o.sharing()
	if len(sharing) < 2 {
		return
	}
	for _, window := range fairWindows {
		fair, windows := 0, 0
		for at := from.Round(bin); at+window <= to; at += window {
			least, most := math.Inf(1), 0.0
			for _, f := range sharing {
				r := float64(f.meter.delivered(at, at+window))
				least, most = min(least, r), max(most, r)
			}
			windows++
			if most <= fairRatio*least {
				fair++
			}
		}
		if windows > 0 {
			all[metricFair(window)] = Number(100 * float64(fair) / float64(windows))
		}
	}
}

// oscillations is the mean over the forward flows.
func (o *observation) oscillations() float64 {
	const per = int(watermarkWindow / bin)
	total, minutes := 0, 0.0
	for _, m := range o.forwardMeters() {
		var rates []float64
		for i := int(m.begin / bin); i+per < len(m.bytesIn); i += per {
			rates = append(rates, float64(sum(m.bytesIn[i:i+per])))
		}
		if len(rates) == 0 {
			continue
		}
		minutes += float64(len(rates)) * watermarkWindow.Minutes()
		sorted := slices.Sorted(slices.Values(rates))
		low, high := sorted[len(sorted)/2]/watermark, sorted[len(sorted)/2]*watermark
		for i := 1; i < len(rates); i++ {
			a, b := rates[i-1], rates[i]
			if a <= low && b >= high || a >= high && b <= low {
				total++
			}
		}
	}
	if minutes == 0 {
		return math.NaN()
	}
	return float64(total) / minutes
}

// convergence is the longest time that a target of a forward flow took to be
// stable after something had changed; NaN if one never was. judged is false
// where everything changed all the time.
func (o *observation) convergence() (longest float64, judged bool) {
	changes := o.changes()
	for i, from := range changes[:len(changes)-1] {
		to := changes[i+1]
		if to-from < shortestPhase {
			continue
		}
		for _, f := range o.flows {
			if f.spec.Reverse || !f.spec.sends(from) || !f.spec.sends(to-bin) {
				continue
			}
			judged = true
			longest = max(longest, f.meter.stable(from, to)) // NaN stays NaN
		}
	}
	return longest, judged
}

// changes are the times at which anything changed, the plan's begin and end
// included.
func (o *observation) changes() []time.Duration {
	end := o.plan.Duration
	all := []time.Duration{0, end}
	add := func(t time.Duration) {
		if t > 0 && t < end {
			all = append(all, t)
		}
	}
	for _, f := range o.plan.Flows {
		add(f.Start)
		add(f.Stop)
		for _, p := range f.Pauses {
			add(p.From)
			add(p.To)
		}
	}
	for _, t := range o.plan.TCP {
		if !t.Short {
			add(t.Start)
			add(t.Stop)
		}
	}
	for _, u := range o.plan.UDP {
		add(u.Start)
		add(u.Stop)
	}
	for _, c := range o.plan.Forward {
		for at, n := time.Duration(0), 0; at < end && n < maxPhases && c.Capacity.Limited(); n++ {
			_, until := c.Capacity.At(at)
			if until <= at {
				break
			}
			add(until)
			at = until
		}
		for _, out := range c.Outages {
			add(out.At)
			add(out.At + out.For)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stable is how many seconds after from the target began to be stable, in a
// time in which nothing changed; NaN if it never was.
func (m *meter) stable(from, to time.Duration) float64 {
	mean := func(a, b time.Duration) float64 {
		total, i := 0.0, int(a/bin)
		for ; i < int(b/bin); i++ {
			total += float64(m.targets[i])
		}
		return total / float64((b-a)/bin)
	}
	from, to = from.Round(bin), to.Round(bin)
	goal := mean(to-(to-from)/2, to)
	within := func(at time.Duration) bool {
		return math.Abs(mean(at, at+stableWindow)-goal) <= stableBand*goal
	}
	since := from
	for at := from; at+stableWindow <= to; at += bin {
		switch {
		case !within(at):
			since = at + bin
		case at-since >= stableFor:
			return (since - from).Seconds()
		}
	}
	return math.NaN()
}

func sum(sizes []units.Size) (total units.Size) {
	for _, n := range sizes {
		total += n
	}
	return total
}
