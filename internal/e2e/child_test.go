package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildCommand builds the program once for all tests.
var buildCommand = sync.OnceValues(func() (string, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return "", err
	}
	program := filepath.Join(scratch(), "rivulet")
	out, err := exec.Command(path, "build", "-o", program, "github.com/rivulet-rtc/rivulet/cmd/rivulet").CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return program, nil
})

// child is `rivulet serve` in a process of its own, which can be killed.
type child struct {
	command *exec.Cmd
	output  bytes.Buffer
	ended   bool
}

// startChild starts a server on these ports and waits until it answers.
func startChild(t *testing.T, p ports) *child {
	t.Helper()
	program, err := buildCommand()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, program)
	}
	c := &child{command: exec.Command(program, "serve", "--dev", "--http", loopback(p.HTTP),
		"--udp", strconv.Itoa(p.Media), "--turn", strconv.Itoa(p.Relay), "--admin", "127.0.0.1:0",
		"--set", "media.bind=127.0.0.1")}
	c.command.Stdout, c.command.Stderr = &c.output, &c.output
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("the server said:\n%s", c.output.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback(p.HTTP), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			return c
		}
		select {
		case <-ctx.Done():
			t.Fatal("the server does not answer")
		case <-time.After(pollEvery):
		}
	}
}

// kill ends the process without giving it a chance to say good-bye.
func (c *child) kill() {
	if c.ended {
		return
	}
	c.ended = true
	_ = c.command.Process.Kill() // gone already is as well
	_ = c.command.Wait()
}

// terminate ends the process as an operator does, and answers its exit code.
func (c *child) terminate(t *testing.T) int {
	t.Helper()
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.ended = true
	_ = c.command.Wait() // the exit code says the same
	return c.command.ProcessState.ExitCode()
}
