package report

import (
	"fmt"
	"io"
	"math"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// aspect is one metric that two runs are compared by.
type aspect struct {
	name   string
	pick   func(*lab.Result) lab.Number
	higher bool // is better
	// Changes up to this much, and up to a share of the value, are noise.
	noise, share float64
}

var aspects = []aspect{
	{"utilization", func(r *lab.Result) lab.Number { return r.Utilization }, true, 0.5, 0},
	{"queue_ms_p50", func(r *lab.Result) lab.Number { return r.QueueP50 }, false, 3, 0.1},
	{"queue_ms_p95", func(r *lab.Result) lab.Number { return r.QueueP95 }, false, 5, 0.1},
	{"added_loss", func(r *lab.Result) lab.Number { return r.AddedLoss }, false, 0.1, 0},
	{"ramp_s", func(r *lab.Result) lab.Number { return r.Ramp }, false, 0.2, 0.1},
	{"recover_s", func(r *lab.Result) lab.Number { return r.Recover }, false, 0.2, 0.1},
	{"feedback_kbps", func(r *lab.Result) lab.Number { return r.Feedback }, false, 0.1, 0.05},
}

// Compare writes what got better and what got worse from a to b, by medians,
// and answers how many scenarios no longer meet their targets.
func Compare(w io.Writer, a, b []lab.Result) (broken int, err error) {
	type key struct{ scenario, cc string }
	before := map[key]lab.Verdict{}
	for _, v := range lab.Verdicts(a) {
		before[key{v.Median.Scenario, v.Median.CC}] = v
	}
	better, worse, same := 0, 0, 0
	for _, v := range lab.Verdicts(b) {
		k := key{v.Median.Scenario, v.Median.CC}
		old, ok := before[k]
		delete(before, k)
		if !ok {
			fmt.Fprintf(w, "new     %s (%s): %s\n", k.scenario, k.cc, verdictOf(v.Median))
			continue
		}
		changed := false
		if was, is := verdictOf(old.Median), verdictOf(v.Median); was != is {
			changed = true
			fmt.Fprintf(w, "%s %s (%s): %s -> %s\n", sign(is == "ok"), k.scenario, k.cc, was, is)
			if was == "ok" {
				broken++
			}
		}
		for _, x := range aspects {
			switch x.compare(&old.Median, &v.Median) {
			case 1:
				better++
			case -1:
				worse++
			default:
				continue
			}
			changed = true
			x.write(w, k.scenario, k.cc, &old.Median, &v.Median)
		}
		if !changed {
			same++
		}
	}
	for _, v := range lab.Verdicts(a) {
		if _, gone := before[key{v.Median.Scenario, v.Median.CC}]; gone {
			fmt.Fprintf(w, "gone    %s (%s)\n", v.Median.Scenario, v.Median.CC)
		}
	}
	_, err = fmt.Fprintf(w, "%d figures better, %d worse, %d scenarios the same, %d no longer met\n", better, worse, same, broken)
	return broken, err
}

// compare answers 1 where b is better, -1 where it is worse, 0 where there is
// no difference to speak of.
func (x aspect) compare(a, b *lab.Result) int {
	was, is := float64(x.pick(a)), float64(x.pick(b))
	switch {
	case math.IsNaN(was) && math.IsNaN(is):
		return 0
	case math.IsNaN(was):
		return 1 // it can be measured now
	case math.IsNaN(is):
		return -1
	case math.Abs(is-was) <= max(x.noise, x.share*math.Abs(was)):
		return 0
	case (is > was) == x.higher:
		return 1
	}
	return -1
}

func (x aspect) write(w io.Writer, scenario, cc string, a, b *lab.Result) {
	fmt.Fprintf(w, "%s %s (%s): %s %s -> %s\n", sign(x.compare(a, b) > 0), scenario, cc, x.name,
		number(x.pick(a), 2), number(x.pick(b), 2))
}

func sign(better bool) string {
	if better {
		return "better "
	}
	return "WORSE  "
}
