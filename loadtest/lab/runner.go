package lab

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Outcome is one run, with what to draw of it.
type Outcome struct {
	Result Result
	Series *Series // of the first seed only; nil for others
}

// Options say how RunAll runs.
type Options struct {
	// Seeds, if not 0, is how many seeds each scenario runs with.
	Seeds int
	// Workers, if not 0, is how many run at once.
	Workers int
	// Progress, if not nil, is told of each run that ended, one at a time.
	Progress func(done, total int, r Result)
}

// job is one run to do; its outcome has a place of its own, so that the order
// of the answers does not depend on who was faster.
type job struct {
	plan Scenario
	seed uint64
	out  Outcome
	err  error
}

// RunAll runs scenarios with all their seeds and answers the outcomes in
// order. It stops early when ctx ends or a plan is wrong.
func RunAll(ctx context.Context, plans []Scenario, o Options) ([]Outcome, error) {
	var jobs []*job
	for _, p := range plans {
		p = p.withDefaults()
		seeds := p.Seeds
		if o.Seeds > 0 {
			seeds = o.Seeds
		}
		if p.NotBuilt != "" {
			seeds = 1
		}
		for seed := range seeds {
			jobs = append(jobs, &job{plan: p, seed: uint64(seed + 1)})
		}
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan *job)
	var all sync.WaitGroup
	var mu sync.Mutex // guards done and Progress
	done := 0
	for range min(workers, max(1, len(jobs))) {
		all.Go(func() {
			for j := range todo {
				if j.do(); j.err != nil {
					cancel()
				}
				mu.Lock()
				if done++; o.Progress != nil && j.err == nil {
					o.Progress(done, len(jobs), j.out.Result)
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		todo <- j
	}
	close(todo)
	all.Wait()
	var outcomes []Outcome
	for _, j := range jobs {
		if j.err != nil {
			return outcomes, j.err
		}
		if j.out.Result.Scenario != "" {
			outcomes = append(outcomes, j.out)
		}
	}
	return outcomes, context.Cause(ctx)
}

func (j *job) do() {
	j.out.Result, j.out.Series, j.err = Run(j.plan, j.seed)
	if j.seed != 1 {
		j.out.Series = nil
	}
}

// Verdict is what all runs of one scenario and controller come to.
type Verdict struct {
	// Median holds the median of every metric, judged; its Seed is 0.
	Median Result
	// Runs is how many there were, Passed how many met all targets alone.
	Runs, Passed int
	// Short are the seeds that lost more than half of a target's margin over pion's
	// gcc, where that was measured.
	Short []Shortfall
}

// Verdicts groups results by scenario and controller, in order of appearance.
func Verdicts(results []Result) []Verdict {
	type key struct{ scenario, cc string }
	var order []key
	groups := map[key][]Result{}
	for _, r := range results {
		k := key{r.Scenario, r.CC}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	var all []Verdict
	for _, k := range order {
		all = append(all, verdict(groups[k]))
	}
	return all
}

func verdict(runs []Result) Verdict {
	v := Verdict{Median: runs[0], Runs: len(runs)}
	m := &v.Median
	m.Seed, m.Pass, m.Missed, m.More = 0, nil, nil, nil
	of := func(pick func(*Result) Number) Number {
		var values []float64
		for i := range runs {
			values = append(values, float64(pick(&runs[i])))
		}
		return median(values)
	}
	m.Utilization = of(func(r *Result) Number { return r.Utilization })
	m.QueueP50 = of(func(r *Result) Number { return r.QueueP50 })
	m.QueueP95 = of(func(r *Result) Number { return r.QueueP95 })
	m.Loss = of(func(r *Result) Number { return r.Loss })
	m.AddedLoss = of(func(r *Result) Number { return r.AddedLoss })
	m.Ramp = of(func(r *Result) Number { return r.Ramp })
	m.Recover = of(func(r *Result) Number { return r.Recover })
	m.Feedback = of(func(r *Result) Number { return r.Feedback })
	m.Rate = of(func(r *Result) Number { return r.Rate })
	for name := range runs[0].More {
		if m.More == nil {
			m.More = map[string]Number{}
		}
		m.More[name] = of(func(r *Result) Number {
			if n, ok := r.More[name]; ok {
				return n
			}
			return Number(math.NaN())
		})
	}
	m.judge(m.Targets)
	v.Short = shortfalls(runs)
	for _, r := range runs {
		if r.Pass != nil && *r.Pass {
			v.Passed++
		}
	}
	return v
}

// median of values; what could not be measured counts as worst, so it is the
// median when it is the case in half of them.
func median(values []float64) Number {
	slices.SortFunc(values, func(a, b float64) int {
		if math.IsNaN(a) || math.IsNaN(b) {
			return -cmp.Compare(a, b) // cmp orders NaN first
		}
		return cmp.Compare(a, b)
	})
	n := len(values)
	if n%2 == 1 {
		return Number(values[n/2])
	}
	return Number((values[n/2-1] + values[n/2]) / 2)
}
