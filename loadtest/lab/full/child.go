package full

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// keptErrors bounds what is kept of what a child says on its standard error.
const keptErrors = 4096

// task is what a child is given: one of the two.
type task struct {
	Plan *Plan     `json:",omitempty"`
	Call *CallPlan `json:",omitempty"`
}

// outcome is what a child answers.
type outcome struct {
	Record Record
	Call   lab.CallRecording
	Error  string `json:",omitempty"`
}

// Child makes this process one that runs a single plan: it reads it from the
// standard input as JSON, runs it, writes the record to the standard output,
// and ends the process. A command that [Execute] starts calls it.
//
// One processor is all that it uses: a bubble's goroutines hardly ever run at
// the same time, and its runs then repeat better.
func Child(adapter Adapter) {
	runtime.GOMAXPROCS(1)
	out := os.Stdout
	os.Stdout = os.Stderr // package testing says PASS there
	everything := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(everything, []testing.InternalTest{{Name: "plan", F: func(t *testing.T) {
		var answer outcome
		var given task
		err := json.NewDecoder(os.Stdin).Decode(&given)
		switch {
		case err != nil:
		case given.Call != nil:
			answer.Call, err = RunCall(t, *given.Call, adapter)
		case given.Plan != nil:
			answer.Record, err = Run(t, *given.Plan, adapter)
		default:
			err = errors.New("full: a child without a task")
		}
		if err != nil {
			answer.Error = err.Error()
		}
		if err := json.NewEncoder(out).Encode(answer); err != nil {
			t.Error(err)
		}
	}}}, nil, nil)
}

// Execute runs a plan in a child of this process, which command makes: it must
// come to [Child]. Its standard streams are set here. The child ends with ctx.
func Execute(ctx context.Context, command func(context.Context) *exec.Cmd, p Plan) (Record, error) {
	if err := p.Validate(); err != nil {
		return Record{}, err
	}
	answer, err := execute(ctx, command, fmt.Sprintf("%s with %s", p.Name, p.Controller), task{Plan: &p})
	return answer.Record, err
}

// ExecuteCall runs a call in a child, as Execute does a plan.
func ExecuteCall(ctx context.Context, command func(context.Context) *exec.Cmd, p CallPlan) (lab.CallRecording, error) {
	answer, err := execute(ctx, command, p.Name, task{Call: &p})
	return answer.Call, err
}

func execute(ctx context.Context, command func(context.Context) *exec.Cmd, name string, given task) (outcome, error) {
	in, err := json.Marshal(given)
	if err != nil {
		return outcome{}, fmt.Errorf("full: write the plan down: %w", err)
	}
	cmd := command(ctx)
	var out bytes.Buffer
	said := &head{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return outcome{}, ctx.Err()
		}
		return outcome{}, fmt.Errorf("full: %s: child: %w\n%s", name, err, said)
	}
	var answer outcome
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return outcome{}, fmt.Errorf("full: %s: read the child's answer: %w\n%s", name, err, said)
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("full: %s: %s", name, answer.Error)
	}
	return answer, nil
}

// head keeps the beginning and drops the rest: a bubble that cannot go on says
// why first, and then lists its goroutines.
type head struct{ kept []byte }

var _ io.Writer = (*head)(nil)

func (h *head) Write(b []byte) (int, error) {
	h.kept = append(h.kept, b[:min(len(b), keptErrors-len(h.kept))]...)
	return len(b), nil
}

func (h *head) String() string { return strings.TrimSpace(string(h.kept)) }
