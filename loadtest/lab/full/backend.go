package full

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"runtime"
	"slices"
	"sync"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// backend is this one's name in results.
const backend = "full"

// defaultSeeds is how often a scenario runs that does not say.
const defaultSeeds = 3

// Backend runs scenarios of the lab in children.
type Backend struct {
	// Command makes a process that comes to [Child].
	Command func(context.Context) *exec.Cmd
}

// Run runs one scenario with one seed and judges it. What cannot be run is
// answered as not built, and no error.
func (b Backend) Run(ctx context.Context, s lab.Scenario, c Controller, seed uint64) (lab.Outcome, error) {
	if s.Call != nil && c == Rivulet && s.NotBuilt == "" {
		return b.runCall(ctx, s, seed)
	}
	p, err := FromScenario(s, c, seed)
	if errors.Is(err, ErrNotBuilt) {
		return lab.Outcome{Result: notBuilt(s, c, seed, err.Error())}, nil
	}
	if err != nil {
		return lab.Outcome{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	record, err := Execute(ctx, b.Command, p)
	if err != nil {
		return lab.Outcome{}, err
	}
	s.Targets = targets(s.Targets, c)
	result, series, err := lab.Judge(s, string(c), backend, seed, record.Recording())
	return lab.Outcome{Result: result, Series: series}, err
}

// runCall runs a whole call and judges it.
func (b Backend) runCall(ctx context.Context, s lab.Scenario, seed uint64) (lab.Outcome, error) {
	p, err := FromCall(s, seed)
	if err != nil {
		return lab.Outcome{}, err
	}
	rec, err := ExecuteCall(ctx, b.Command, p)
	if err != nil {
		return lab.Outcome{}, err
	}
	result, series, err := lab.JudgeCall(s, backend, seed, rec)
	return lab.Outcome{Result: result, Series: series}, err
}

// job is one run of RunAll; its outcome has a place of its own, so that the
// order of the answers does not depend on who was faster.
type job struct {
	plan       lab.Scenario
	controller Controller
	seed       uint64
	done       bool
	outcome    lab.Outcome
	err        error
}

// RunAll runs scenarios with all their seeds and each of the controllers, a
// child for every run, and answers the outcomes in order. It stops early when
// ctx ends or a run fails. Without Workers as many run at once as there are
// processors.
func (b Backend) RunAll(ctx context.Context, plans []lab.Scenario, controllers []Controller, o lab.Options) ([]lab.Outcome, error) {
	jobs := jobsOf(plans, controllers, o.Seeds)
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *job)
	var all sync.WaitGroup
	var mu sync.Mutex // guards done and Progress
	done := 0
	for range workers {
		all.Go(func() {
			for j := range todo {
				if j.outcome, j.err = b.Run(ctx, j.plan, j.controller, j.seed); j.err != nil {
					cancel(j.err)
					continue
				}
				if j.seed != 1 {
					j.outcome.Series = nil
				}
				mu.Lock()
				j.done = true
				if done++; o.Progress != nil {
					o.Progress(done, len(jobs), j.outcome.Result)
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
	var outcomes []lab.Outcome
	for _, j := range jobs {
		if j.done {
			outcomes = append(outcomes, j.outcome)
		}
	}
	return outcomes, context.Cause(ctx)
}

// jobsOf lists the runs, those of one scenario together.
func jobsOf(plans []lab.Scenario, controllers []Controller, seeds int) []*job {
	var jobs []*job
	for _, s := range plans {
		for _, c := range controllers {
			n := defaultSeeds
			if s.Seeds > 0 {
				n = s.Seeds
			}
			if seeds > 0 {
				n = seeds
			}
			if _, err := FromScenario(s, c, 1); errors.Is(err, ErrNotBuilt) && (s.Call == nil || s.NotBuilt != "") {
				n = 1
			}
			for seed := range n {
				jobs = append(jobs, &job{plan: s, controller: c, seed: uint64(seed + 1)})
			}
		}
	}
	return jobs
}

// unfilled are the metrics that ask a flow to fill its link. Our server does
// not: it sends the layers that fit, and they rarely fill it.
var unfilled = []string{"utilization", "ramp_s", "recover_s", "resume_s"}

// targets answers those of a scenario that a controller can be held to.
func targets(all []lab.Target, c Controller) []lab.Target {
	if c != RivuletDown {
		return all
	}
	some := slices.DeleteFunc(slices.Clone(all), func(t lab.Target) bool { return slices.Contains(unfilled, t.Metric) })
	if len(some) > 0 { // who sends nothing has no queue and no loss
		least := leastSent
		some = append(some, lab.Target{Metric: "rate_kbps", Least: &least})
	}
	return some
}

// leastSent is what a server that chooses among layers delivers at least, in
// kbit/s: less than the smallest layer.
const leastSent lab.Number = 10

// notBuilt is the result of what did not run: it passes nothing.
func notBuilt(s lab.Scenario, c Controller, seed uint64, why string) lab.Result {
	nan, pass := lab.Number(math.NaN()), false
	r := lab.Result{
		Suite: s.Suite, Scenario: s.Name, CC: string(c), Backend: backend, Seed: seed,
		Utilization: nan, QueueP50: nan, QueueP95: nan, Loss: nan, AddedLoss: nan, Ramp: nan, Recover: nan, Feedback: nan, Rate: nan,
		Targets: targets(s.Targets, c), Pass: &pass, NotBuilt: why,
	}
	if r.Targets == nil {
		r.Targets = []lab.Target{}
	}
	return r
}
