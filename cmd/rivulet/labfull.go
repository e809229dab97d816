package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// labChild is one run of the full back end, which needs a process of its own.
type labChild struct{}

// Run does not return: the child ends with the status of its run.
func (*labChild) Run() error {
	full.Child(func(e signal.Engine) http.Handler { return ws.New(e, ws.Config{}) })
	return nil
}

// runAll runs the plans in the back end that was asked for; whole calls in the
// full one, since no other can.
func (cmd *labRun) runAll(ctx context.Context, plans []lab.Scenario, o lab.Options) ([]lab.Outcome, error) {
	if cmd.Backend == "full" {
		return cmd.runFull(ctx, plans, o)
	}
	for _, cc := range cmd.CC {
		if cc != string(full.Rivulet) {
			return nil, fmt.Errorf("--cc %s runs with --backend full only: it is no pure core", cc)
		}
	}
	var outcomes []lab.Outcome
	for _, part := range byBackend(plans) {
		run := lab.RunAll
		if part[0].Call != nil {
			run = cmd.runFull
		}
		some, err := run(ctx, part, o)
		outcomes = append(outcomes, some...)
		if err != nil {
			return outcomes, err
		}
	}
	return outcomes, nil
}

// byBackend cuts plans, in their order, into those of one back end.
func byBackend(plans []lab.Scenario) (parts [][]lab.Scenario) {
	for i, s := range plans {
		if i == 0 || (s.Call != nil) != (plans[i-1].Call != nil) {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], s)
	}
	return parts
}

// runFull runs plans with real PeerConnections, each in a child.
func (cmd *labRun) runFull(ctx context.Context, plans []lab.Scenario, o lab.Options) ([]lab.Outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which the full back end runs anew for each run: %w", err)
	}
	backend := full.Backend{Command: func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, self, "lab", "child")
	}}
	controllers := make([]full.Controller, len(cmd.CC))
	for i, cc := range cmd.CC {
		controllers[i] = full.Controller(cc)
	}
	return backend.RunAll(ctx, plans, controllers, o)
}
