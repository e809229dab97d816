package full

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// outcome is what a child answers.
type outcome struct {
	Record Record
	Error  string `json:",omitempty"`
}

// keptErrors bounds what is kept of what a child says on its standard error.
const keptErrors = 4096

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
		var p Plan
		err := json.NewDecoder(os.Stdin).Decode(&p)
		if err == nil {
			answer.Record, err = Run(t, p, adapter)
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
	plan, err := json.Marshal(p)
	if err != nil {
		return Record{}, fmt.Errorf("full: write the plan down: %w", err)
	}
	cmd := command(ctx)
	var out bytes.Buffer
	said := &head{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(plan), &out, said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return Record{}, ctx.Err()
		}
		return Record{}, fmt.Errorf("full: %s with %s: child: %w\n%s", p.Name, p.Controller, err, said)
	}
	var answer outcome
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return Record{}, fmt.Errorf("full: %s with %s: read the child's answer: %w\n%s", p.Name, p.Controller, err, said)
	}
	if answer.Error != "" {
		return answer.Record, fmt.Errorf("full: %s with %s: %s", p.Name, p.Controller, answer.Error)
	}
	return answer.Record, nil
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
