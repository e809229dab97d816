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

// runAll runs the plans in the back end that was asked for.
func (cmd *labRun) runAll(ctx context.Context, plans []lab.Scenario, o lab.Options) ([]lab.Outcome, error) {
	if cmd.Backend == "exact" {
		for _, cc := range cmd.CC {
			if cc != string(full.Rivulet) {
				return nil, fmt.Errorf("--cc %s runs with --backend full only: it is no pure core", cc)
			}
		}
		return lab.RunAll(ctx, plans, o)
	}
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
