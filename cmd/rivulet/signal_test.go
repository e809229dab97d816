package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// childVariable makes this test binary be the program itself.
const childVariable = "RIVULET_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "1" {
		main() // exits
	}
	os.Exit(m.Run())
}

// process is the program in a process of its own.
type process struct {
	cmd      *exec.Cmd
	out, err *growing
	ended    chan error
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	testenv.Sockets(t)
	p := &process{cmd: exec.Command(os.Args[0], args...), out: newGrowing(), err: newGrowing(), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), childVariable+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end answers how the process ended.
func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatalf("it does not end:\n%s", p.err)
		return nil
	}
}

var onFreePorts = []string{"serve", "--dev", "--http", ":0", "--udp", "0", "--turn", "0", "--admin", "127.0.0.1:0"}

func TestSignalDrainsAndEndsWell(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := startProcess(t, onFreePorts...)
		p.out.until(t, `open   http://localhost:\d+/\n`)
		p.err.until(t, `DEVELOPMENT SERVER`)
		p.signal(t, s)
		if err := p.end(t); err != nil {
			t.Errorf("after %v it ended with %v:\n%s", s, err, p.err)
		}
		mentionsInOrder(t, p.err.String(), "draining", "closed")
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t, append(onFreePorts, "--set", "drain.grace=1h")...)
	page := p.out.until(t, `open   (http://localhost:\d+/)\n`)[1]
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, page+"v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"join","id":"1","version":1,"room":"kitchen"}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(ctx); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	p.err.until(t, `draining: no new joins" grace=1h0m0s participants=1`)
	p.signal(t, syscall.SIGTERM)
	var exit *exec.ExitError
	if err := p.end(t); !errors.As(err, &exit) || exit.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("after the second signal it ended with %v, want status %d", err, 128+int(syscall.SIGTERM))
	}
}
