// Package testproc runs programs in processes of their own, for tests that kill them
// or that run what another language's reader would. Only tests import it.
package testproc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// readyLimit is how long a process may take to answer.
const readyLimit = 20 * time.Second

// built is the directory of the program, once a test wanted it.
var built string

// build builds the program once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rivulet-program-")
	if err != nil {
		return "", err
	}
	built = dir
	program := filepath.Join(dir, "rivulet")
	out, err := exec.Command("go", "build", "-o", program, "github.com/rivulet-rtc/rivulet/cmd/rivulet").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// Rivulet is the path of the program rivulet, which is built when a test first wants
// it and removed by Main.
func Rivulet(t *testing.T) string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// Main runs a package's tests and removes what Rivulet built. Call it in TestMain.
func Main(m *testing.M) {
	status := m.Run()
	if built != "" {
		_ = os.RemoveAll(built) // it is in the directory for temporary files
	}
	os.Exit(status)
}

// FreeAddress answers an address of loopback whose port is free now, for TCP. Somebody
// else may take it before it is used.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A Process is a program that may be killed and started again.
type Process struct {
	// Name is the program's path.
	Name string
	Args []string
	// Env is added to the environment of the test.
	Env []string
	// Address (host:port) takes TCP connections when the process is ready.
	Address string

	t       *testing.T
	command *exec.Cmd
	output  bytes.Buffer
}

// Run starts a process that is killed with the test at last. What it said is logged
// where the test failed.
func Run(t *testing.T, p *Process) *Process {
	t.Helper()
	p.t = t
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(p.Name), p.output.String())
		}
	})
	p.Start()
	return p
}

// Start starts a process that was killed again, and waits until it answers.
func (p *Process) Start() {
	p.t.Helper()
	p.command = exec.Command(p.Name, p.Args...)
	p.command.Env = append(os.Environ(), p.Env...)
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	if err := p.command.Start(); err != nil {
		p.command = nil // nothing to kill
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), readyLimit)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("%s does not answer at %s after %v", p.Name, p.Address, readyLimit)
		case <-time.After(10 * time.Millisecond): // of another process' time
		}
	}
}

// Kill ends the process without a chance to say good-bye (SIGKILL). A second time it
// does nothing.
func (p *Process) Kill() {
	if p.command != nil {
		_ = p.command.Process.Kill() // it may have ended by itself
		_ = p.command.Wait()
		p.command = nil
	}
}
