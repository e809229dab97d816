package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
)

// childVariable makes this test binary a server on the ports that it holds.
const childVariable = "RIVULET_E2E_SERVER"

// ready is what a child prints when it serves.
const ready = "serving"

// serveChild serves until it is interrupted and answers the exit code.
func serveChild(address string) int {
	var p ports
	if err := json.Unmarshal([]byte(address), &p); err != nil {
		fmt.Println(err)
		return 2
	}
	s, err := newServer(p, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(ready)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	<-interrupted
	if s.close() != nil {
		return 1
	}
	return 0
}

// child is a server in a process of its own, which can be killed.
type child struct {
	command *exec.Cmd
	killed  bool
}

func startChild(t *testing.T, p ports) *child {
	t.Helper()
	address, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{command: exec.Command(os.Args[0])}
	c.command.Env = append(os.Environ(), childVariable+"="+string(address))
	c.command.Stderr = os.Stderr
	out, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != ready {
		t.Fatalf("the server did not start: %s (%v)", line, err)
	}
	return c
}

// kill ends the process without giving it a chance to say good-bye.
func (c *child) kill() {
	if c.killed {
		return
	}
	c.killed = true
	_ = c.command.Process.Kill() // gone already is as well
	_ = c.command.Wait()
}
