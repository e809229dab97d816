package fault

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
)

const (
	key     = "fault-key-0123456789abcdefghijklmno"
	hookKey = "webhook-key-0123456789abcdefghijklmn"
	busKey  = "nats-key-0123456789abcdefghijklmnopq"
	// busAddress in the environment makes this program a NATS server there, with its
	// store in busStore.
	busAddress, busStore = "FAULT_NATS_ADDRESS", "FAULT_NATS_STORE"
	// readyLimit is how long a process may take to answer.
	readyLimit = 20 * time.Second
)

// built is the directory of the program, once a test wanted it.
var built string

// build builds the program once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rivulet-fault-")
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

func TestMain(m *testing.M) {
	if address := os.Getenv(busAddress); address != "" {
		serveBus(address)
	}
	status := m.Run()
	if built != "" {
		_ = os.RemoveAll(built) // it is in the directory for temporary files
	}
	os.Exit(status)
}

// serveBus is a NATS server until the process is killed.
func serveBus(address string) {
	s, err := secret.New(busKey)
	if err == nil {
		_, err = natsbus.StartEmbedded(natsbus.EmbeddedConfig{Address: address, Secret: s, Store: os.Getenv(busStore)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// freeAddress answers one of loopback whose port is free now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is a program that is killed and started again.
type process struct {
	t       *testing.T
	name    string
	args    []string
	env     []string
	address string // takes connections when it is ready
	command *exec.Cmd
	output  bytes.Buffer
}

// run starts a process that is killed with the test at last.
func run(t *testing.T, p *process) *process {
	t.Helper()
	p.t = t
	p.start()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(p.name), p.output.String())
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.command = exec.Command(p.name, p.args...)
	p.command.Env = append(os.Environ(), p.env...)
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), readyLimit)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("%s does not answer:\n%s", p.name, p.output.String())
		case <-time.After(10 * time.Millisecond): // of another process' time
		}
	}
}

// kill ends the process without a chance to say good-bye (SIGKILL).
func (p *process) kill() {
	if p.command != nil {
		_ = p.command.Process.Kill() // it may have ended by itself
		_ = p.command.Wait()
		p.command = nil
	}
}

// startServer starts a server with a journal.
func startServer(t *testing.T, settings ...string) *process {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	_, udp, _ := strings.Cut(freeAddress(t), ":")
	p := &process{name: program, address: freeAddress(t), env: []string{"RIVULET_AUTH_KEYS=fault:" + key, "RIVULET_WEBHOOK_SECRET=" + hookKey, "RIVULET_NATS_SECRET=" + busKey}}
	p.args = []string{"serve", "--http", p.address, "--udp", udp, "--admin", "127.0.0.1:0"}
	for _, s := range append([]string{"media.bind=127.0.0.1", "turn.enabled=false", "drain.grace=0s", "calls.journal=" + filepath.Join(t.TempDir(), "journal")}, settings...) {
		p.args = append(p.args, "--set", s)
	}
	return run(t, p)
}

// startBus starts a NATS server outside of the server's process.
func startBus(t *testing.T) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	return run(t, &process{name: self, address: address, env: []string{busAddress + "=" + address, busStore + "=" + t.TempDir()}})
}

// hook is a backend's receiver of webhooks, which goes away and comes back on the
// same port.
type hook struct {
	t       *testing.T
	address string
	handler http.Handler
	server  *http.Server
	served  chan error
}

func (h *hook) start() {
	h.t.Helper()
	l, err := net.Listen("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.server, h.served = &http.Server{Handler: h.handler}, make(chan error, 1)
	go func() { h.served <- h.server.Serve(l) }()
}

func (h *hook) stop() {
	_ = h.server.Close() // connections in the middle of something are what is wanted
	<-h.served
}
