package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// plays is a flow that sends 1000 bytes every so often, by the rate that it
// has at a time, each packet 50 ms and wait under way.
func plays(from, to time.Duration, rate func(time.Duration) units.Rate, wait func(time.Duration) time.Duration) FlowRecording {
	var f FlowRecording
	for at := from; at < to; {
		r := rate(at)
		w := time.Duration(0)
		if wait != nil {
			w = wait(at)
		}
		f.Packets = append(f.Packets, PacketRecord{Sent: at, Arrived: at + delay + w, Waited: w, Size: 1000})
		if n := len(f.Targets); n == 0 || f.Targets[n-1].Rate != r {
			f.Targets = append(f.Targets, TargetRecord{At: at, Rate: r})
		}
		at += units.Size(1000).At(r)
	}
	return f
}

func constant(r units.Rate) func(time.Duration) units.Rate {
	return func(time.Duration) units.Rate { return r }
}

// evaluated are the further metrics of recorded flows over a link of 2 Mbit/s.
func evaluated(t *testing.T, plan Scenario, flows ...FlowRecording) map[string]Number {
	t.Helper()
	if plan.Suite == "" {
		plan.Suite = "rfc8867"
	}
	plan.Name = "recorded"
	if plan.Forward == nil {
		plan.Forward = []link.Config{rfcLink(delay, room, link.Constant(2*units.Mbps))}
	}
	plan.Back = []link.Config{{Delay: delay}}
	if plan.Flows == nil {
		plan.Flows = make([]Flow, len(flows))
	}
	r, series, err := Judge(plan, "test", "test", 1, Recording{Flows: flows})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(series.Sent); n != len(series.Rate) || n == 0 {
		t.Errorf("%d samples of what was sent, %d of what arrived", n, len(series.Rate))
	}
	return r.More
}

func about(t *testing.T, all map[string]Number, name string, want, within float64) {
	t.Helper()
	got, ok := all[name]
	if !ok || !(math.Abs(float64(got)-want) <= within) {
		t.Errorf("%s is %v (there: %v), want %v", name, got, ok, want)
	}
}

func TestRatesAndDelays(t *testing.T) {
	const d = 60 * time.Second
	// One packet in twenty waits for 300 ms: late for a jitter buffer of 200.
	n := 0
	all := evaluated(t, Scenario{Duration: d}, plays(0, d, constant(800*units.Kbps), func(time.Duration) time.Duration {
		if n++; n%20 == 0 {
			return 300 * time.Millisecond
		}
		return 10 * time.Millisecond
	}))
	about(t, all, metricSent, 800, 2)
	about(t, all, metricGoodput, 800*(1-float64(headers)/1000), 8)
	about(t, all, metricDelayP50, 60, 0.1)
	about(t, all, metricDelayMax, 350, 0.1)
	about(t, all, metricLate, 5, 0.1)
	about(t, all, metricOscillation, 0, 0)
	about(t, all, metricConverge, 0, 0.1)
	if _, there := all[metricFair(time.Second)]; there {
		t.Error("a flow alone is fair to itself")
	}
	if evaluated(t, Scenario{Duration: d, Suite: "core"}, plays(0, d, constant(800*units.Kbps), nil)) != nil {
		t.Error("the core suite has further metrics")
	}
}

// Two flows of which each has a turn of ten seconds share well over 20 s, and
// not at all over one.
func TestFairnessHasTimescales(t *testing.T) {
	const d = 100 * time.Second
	turn := func(mine int) func(time.Duration) units.Rate {
		return func(at time.Duration) units.Rate {
			if int(at/(10*time.Second))%2 == mine {
				return 900 * units.Kbps
			}
			return 100 * units.Kbps
		}
	}
	all := evaluated(t, Scenario{Duration: d}, plays(0, d, turn(0), nil), plays(0, d, turn(1), nil))
	about(t, all, "fair_1s", 0, 5)
	about(t, all, "fair_5s", 0, 5)
	about(t, all, "fair_20s", 100, 0)
	all = evaluated(t, Scenario{Duration: d}, plays(0, d, constant(900*units.Kbps), nil), plays(0, d, constant(400*units.Kbps), nil))
	for _, w := range fairWindows {
		about(t, all, metricFair(w), 100, 0)
	}
}

// A target that goes to its place within seven seconds after another flow has
// begun, and one that never comes to rest.
func TestConvergenceIsMeasured(t *testing.T) {
	const d, second = 90 * time.Second, 40 * time.Second
	plan := Scenario{Duration: d, Flows: []Flow{{}, {Start: second}}}
	first := func(at time.Duration) units.Rate {
		if at < second {
			return 1600 * units.Kbps
		}
		return max(1600*units.Kbps-units.Rate((at-second).Seconds()*100_000), 800*units.Kbps)
	}
	all := evaluated(t, plan, plays(0, d, first, nil), plays(second, d, constant(800*units.Kbps), nil))
	// Within a quarter of 800 from 1000 on, that is after 6 s; the mean of 2 s
	// is a second behind.
	about(t, all, metricConverge, 5.3, 1)

	restless := func(at time.Duration) units.Rate {
		if int(at/(3*time.Second))%2 == 0 {
			return 1500 * units.Kbps
		}
		return 500 * units.Kbps
	}
	all = evaluated(t, Scenario{Duration: d}, plays(0, d, restless, nil))
	if v, there := all[metricConverge]; !there || !math.IsNaN(float64(v)) {
		t.Errorf("a target that never rests converges after %v", v)
	}
	if n := float64(all[metricOscillation]); n != 0 {
		t.Errorf("%v oscillations a minute between rates that are not four times apart", n)
	}
}

// Watermarks: only a swing of four times within 500 ms counts.
func TestOscillationsAreCounted(t *testing.T) {
	const d = 60 * time.Second
	swings := func(at time.Duration) units.Rate {
		switch int(at/(500*time.Millisecond)) % 8 {
		case 2:
			return 2400 * units.Kbps
		case 3:
			return 100 * units.Kbps
		}
		return 800 * units.Kbps
	}
	all := evaluated(t, Scenario{Duration: d}, plays(0, d, swings, nil))
	about(t, all, metricOscillation, 15, 2) // every four seconds, down only
}

// Every step of a link's plan is a change, and a trace of steps does not make
// a run take for ever.
func TestChanges(t *testing.T) {
	steps := make([]link.Step, 5000)
	for i := range steps {
		steps[i] = link.Step{At: time.Duration(i) * 10 * time.Millisecond, Rate: units.Mbps}
	}
	for _, c := range []struct {
		forward link.Config
		want    int
	}{
		{link.Config{Capacity: link.Constant(units.Mbps)}, 2},
		{link.Config{}, 2},
		{link.Config{Capacity: stepped(link.Step{Rate: units.Mbps}, link.Step{At: 20 * sec, Rate: 2 * units.Mbps})}, 3},
		{link.Config{Outages: []link.Outage{{At: 5 * sec, For: 2 * sec}}}, 4},
		{link.Config{Capacity: stepped(steps...)}, maxPhases + 2},
	} {
		o := observation{plan: Scenario{Duration: 60 * sec, Forward: []link.Config{c.forward}}}
		if got := o.changes(); len(got) != c.want {
			t.Errorf("%d changes, want %d", len(got), c.want)
		}
	}
}
