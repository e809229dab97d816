package lab

import (
	"math"
	"slices"
	"testing"
)

// TestWorstSeeds: the worst seed is held against half of the margin over pion's gcc,
// upwards and downwards, and only where there is a margin.
func TestWorstSeeds(t *testing.T) {
	run := func(scenario string, utilization, queue float64, seed uint64) Result {
		return Result{Scenario: scenario, CC: rivuletCC, Seed: seed, Utilization: Number(utilization), QueueP95: Number(queue), Targets: share(90, 50)}
	}
	// loss-5: pion's gcc has 71 % and 30 ms; half way to 90 is 80.5, the queue has no margin.
	got := shortfalls([]Result{run("loss-5", 92, 40, 1), run("loss-5", 80, 400, 2), run("loss-5", 79, 40, 3), run("loss-5", 81, 40, 4)})
	if len(got) != 1 || got[0].Seed != 3 || got[0].Value != 79 || got[0].Bound != 80.5 {
		t.Errorf("of loss-5 %v", got)
	}
	// edge: 96.8 % and 986 ms; half way to 50 is 518.
	got = shortfalls([]Result{run("edge", 10, 500, 1), run("edge", 95, 519, 2), run("edge", 95, math.NaN(), 3)})
	if len(got) != 1 || got[0].Target.Metric != "queue_ms_p95" || got[0].Seed != 3 || got[0].Bound != 518 {
		t.Errorf("of edge %v", got)
	}
	for _, none := range [][]Result{{run("loss-5", 81, 40, 1)}, {run("no-such-row", 0, 9000, 1)}, {{Scenario: "loss-5", CC: "pion-gcc", Targets: share(90, 50)}}} {
		if got := shortfalls(none); len(got) != 0 {
			t.Errorf("of %v %v", none, got)
		}
	}
	rows, err := Suite("core", "rfc8867")
	if err != nil {
		t.Fatal(err)
	}
	for name := range pionGCC {
		if !slices.ContainsFunc(rows, func(s Scenario) bool { return s.Name == name }) {
			t.Errorf("%s is compared, but no scenario", name)
		}
	}
}
