package lab

import (
	"slices"
	"testing"
)

// TestNothingStaysWhenTCPIsGone: a transfer with which the link was shared ends, and ten
// seconds later all of the link is ours and has no more of a queue than without it.
func TestNothingStaysWhenTCPIsGone(t *testing.T) {
	for _, plan := range competingRows() {
		const stop, after = 60, 10 // seconds
		plan.TCP[0].Stop, plan.Duration = stop*sec, 90*sec
		for seed := uint64(1); seed <= 2; seed++ {
			_, series, err := Run(plan, seed)
			if err != nil {
				t.Fatal(err)
			}
			from := int((stop + after) / series.Step)
			queue := slices.Sorted(slices.Values(series.Queue[from:]))
			used := 0.0
			for i := from; i < len(series.Rate); i++ {
				used += series.Rate[i] / series.Capacity[i] / float64(len(series.Rate)-from)
			}
			most := 30.0 // ms
			if series.Capacity[0] < 1000 {
				most = 60
			}
			if q := queue[len(queue)*9/10]; q > most || used < 0.97 {
				t.Errorf("%s, seed %d: a queue of %.0f ms at the 90th percentile, %.0f %% used", plan.Name, seed, q, 100*used)
			}
		}
	}
}
