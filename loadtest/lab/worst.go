package lab

import (
	"fmt"
	"math"
)

// rivuletCC names our own congestion control in results.
const rivuletCC = "rivulet"

// Peer is what another controller was measured with: utilisation in percent and
// the 95th percentile of the queue in milliseconds; NaN where there is none.
type Peer struct{ Utilization, QueueP95 float64 }

// pionGCC are the figures of docs/measurements/pion-gcc.md, as the lab repeats them;
// beside TCP, which that page has no rows of, those of one run before the lab existed.
var pionGCC = map[string]Peer{
	"steady-1m": {97.7, 99}, "steady-300k": {99.6, 172}, "steady-150k": {99.5, 288}, "steady-80k": {100, 298},
	"gprs": {100, 1998}, "edge": {96.8, 986}, "3g": {92.2, 799}, "rfc8867-5.1": {85.0, 77}, "drop-2.5m-0.6m": {82.6, 86},
	"loss-5": {71, 30}, "loss-10": {10.5, 0}, "loss-20": {9.0, 0}, "loss-40": {6.8, 0}, "loss-bursts": {76.7, 42},
	"outage-2s": {96.1, 94}, "handover-3s": {99.1, 1999}, "policer-500k": {100, math.NaN()},
	"jitter-15ms": {98.8, 133}, "slots-40ms": {99.8, 177},
	"tcp-newreno-2m-300ms": {78.7, math.NaN()}, "tcp-newreno-2m-1000ms": {40.9, math.NaN()},
	"tcp-newreno-300k-1000ms": {36.3, math.NaN()}, "tcp-cubic-300k-1000ms": {36.3, math.NaN()},
}

// PionGCC answers what pion's gcc was measured with in a scenario; false where it
// was not.
func PionGCC(scenario string) (Peer, bool) {
	p, ok := pionGCC[scenario]
	return p, ok
}

// Shortfall is a seed that lost more than half of the margin that its scenario's
// target has over pion's gcc.
type Shortfall struct {
	Target Target
	Seed   uint64
	Value  Number // of that seed
	Peer   Number // of pion's gcc
	Bound  Number // half way between that and the target
}

// String says it in a line.
func (s Shortfall) String() string {
	return fmt.Sprintf("%s %.1f of seed %d; half way from pion gcc's %.1f to the target is %.1f",
		s.Target.Metric, float64(s.Value), s.Seed, float64(s.Peer), float64(s.Bound))
}

// shortfalls holds the worst seed of each target against half of its margin over
// pion's gcc. Where that is better than the target there is no margin to lose.
func shortfalls(runs []Result) []Shortfall {
	peer, told := PionGCC(runs[0].Scenario)
	if !told || runs[0].NotBuilt != "" || runs[0].CC != rivuletCC {
		return nil
	}
	var all []Shortfall
	for _, t := range runs[0].Targets {
		theirs := map[string]float64{"utilization": peer.Utilization, "queue_ms_p95": peer.QueueP95}
		v, compared := theirs[t.Metric]
		if !compared || math.IsNaN(v) || t.Met(v) {
			continue
		}
		half := t.halfway(v)
		s := Shortfall{Target: t, Peer: Number(v), Bound: Number(half.bound())}
		found := false
		for i := range runs {
			value, _ := runs[i].Metric(t.Metric)
			if half.Met(value) || found && t.better(float64(s.Value), value) {
				continue
			}
			found = true
			s.Seed, s.Value = runs[i].Seed, Number(value)
		}
		if found {
			all = append(all, s)
		}
	}
	return all
}

// halfway is a target half way to v.
func (t Target) halfway(v float64) Target {
	if t.Least != nil {
		return least(t.Metric, (v+float64(*t.Least))/2)
	}
	return most(t.Metric, (v+float64(*t.Most))/2)
}

// bound is what the target asks for.
func (t Target) bound() float64 {
	if t.Least != nil {
		return float64(*t.Least)
	}
	return float64(*t.Most)
}

// better says that b is nearer to the target than a, which missed it.
func (t Target) better(a, b float64) bool {
	switch {
	case math.IsNaN(a):
		return !math.IsNaN(b)
	case t.Least != nil:
		return b > a
	}
	return b < a
}
