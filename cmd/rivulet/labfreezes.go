package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/report"
)

// labFreezes shows what repair and adapting the source are good for: the same
// calls, with the same links and luck, in several ways.
type labFreezes struct {
	Scenario []string `placeholder:"NAME" default:"satellite-loss-5,call-edge,call-1m-150k-1m,call-outage-3s" help:"Calls with pictures."`
	Seeds    int      `placeholder:"N" default:"5" help:"Runs of each call in each way, 1 to 100."`
	Markdown string   `placeholder:"FILE" help:"Write the table as Markdown."`
}

// freezeWays are what is compared, from nothing to everything.
var freezeWays = []struct {
	name   string
	change func(*lab.Call)
}{
	{"no repair", func(c *lab.Call) { c.Repair = "none" }},
	{"retransmission", func(c *lab.Call) { c.Repair = "retransmission" }},
	{"and repair packets: everything", func(*lab.Call) {}},
	{"everything, but publishers are held by REMB alone", func(c *lab.Call) { c.Untold = true }},
}

// satellite is the call that a target of freezes is about; later is its window
// once the call has begun.
const (
	satellite = "satellite-loss-5"
	later     = "thin.frozen_s.later"
)

// Run runs the calls and fails where repair packets do not leave at most a third
// of the freezes on the satellite.
func (cmd *labFreezes) Run(ctx context.Context, c *console) error {
	if cmd.Seeds < 1 || cmd.Seeds > 100 {
		return fmt.Errorf("--seeds %d is outside 1 to 100", cmd.Seeds)
	}
	run := labRun{Suite: []string{"calls"}, Scenario: cmd.Scenario, CC: []string{"rivulet"}, Backend: "exact"}
	plans, err := run.plans()
	if err != nil {
		return err
	}
	var runs []report.FreezeRun
	for _, plan := range plans {
		if plan.Call == nil {
			return fmt.Errorf("%s is no whole call", plan.Name)
		}
		for _, way := range freezeWays {
			changed := plan
			own := plan.Call.Clone()
			way.change(&own)
			changed.Call = &own
			show := newProgress(c.err)
			outcomes, err := run.runAll(ctx, []lab.Scenario{changed}, lab.Options{Seeds: cmd.Seeds, Progress: show.tell})
			show.end()
			if err != nil {
				return err
			}
			r := report.FreezeRun{Way: way.name, Call: changed}
			for _, o := range outcomes {
				r.Results = append(r.Results, o.Result)
			}
			runs = append(runs, r)
		}
	}
	write := func(w io.Writer) error { return report.Freezes(w, origin(c.args, time.Now()), runs) }
	if err := write(c.out); err != nil {
		return err
	}
	if cmd.Markdown != "" {
		if err := writeFile(cmd.Markdown, write); err != nil {
			return err
		}
	}
	return judgeSatellite(c.out, runs)
}

// errFrozen is what the exit status tells.
var errFrozen = errors.New("repair packets leave more than a third of the freezes on the satellite")

// judgeSatellite compares repair packets with retransmission alone.
func judgeSatellite(w io.Writer, runs []report.FreezeRun) error {
	frozen := map[string]float64{}
	for _, r := range runs {
		if r.Call.Name == satellite {
			frozen[r.Way] = r.Median(later)
		}
	}
	if len(frozen) == 0 {
		return nil
	}
	alone, both := frozen[freezeWays[1].name], frozen[freezeWays[2].name]
	fmt.Fprintf(w, "\n%s, seconds 20 to 120: frozen for %.1f s with retransmission alone, %.1f s with repair packets too\n", satellite, alone, both)
	if both > alone/3 {
		return fmt.Errorf("%w: %.1f of %.1f s", errFrozen, both, alone)
	}
	return nil
}
