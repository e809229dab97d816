package fault

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testproc"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
)

const (
	key     = "fault-key-0123456789abcdefghijklmno"
	hookKey = "webhook-key-0123456789abcdefghijklmn"
	busKey  = "nats-key-0123456789abcdefghijklmnopq"
	// busAddress in the environment makes this program a NATS server there, with its
	// store in busStore.
	busAddress, busStore = "FAULT_NATS_ADDRESS", "FAULT_NATS_STORE"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(busAddress); address != "" {
		serveBus(address)
	}
	testproc.Main(m)
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

// startServer starts a server with a journal.
func startServer(t *testing.T, settings ...string) *testproc.Process {
	t.Helper()
	_, udp, _ := strings.Cut(testproc.FreeAddress(t), ":")
	p := &testproc.Process{Name: testproc.Rivulet(t), Address: testproc.FreeAddress(t), Env: []string{"RIVULET_AUTH_KEYS=fault:" + key, "RIVULET_WEBHOOK_SECRET=" + hookKey, "RIVULET_NATS_SECRET=" + busKey}}
	p.Args = []string{"serve", "--http", p.Address, "--udp", udp, "--admin", "127.0.0.1:0"}
	for _, s := range append([]string{"media.bind=127.0.0.1", "turn.enabled=false", "drain.grace=0s", "calls.journal=" + filepath.Join(t.TempDir(), "journal")}, settings...) {
		p.Args = append(p.Args, "--set", s)
	}
	return testproc.Run(t, p)
}

// startBus starts a NATS server outside of the server's process.
func startBus(t *testing.T) *testproc.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := testproc.FreeAddress(t)
	return testproc.Run(t, &testproc.Process{Name: self, Address: address, Env: []string{busAddress + "=" + address, busStore + "=" + t.TempDir()}})
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
