package loadtest_test

import (
	"bytes"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// realServer runs an engine on real loopback sockets until the test ends, and
// answers its URL.
func realServer(t testing.TB) (*sfu.Engine, string) {
	t.Helper()
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	cfg := sfu.DefaultConfig()
	cfg.Sockets = []*udp.Socket{socket}
	cfg.JoinRate, cfg.JoinBurst = 1000, 1000
	engine, err := sfu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(ws.New(engine, ws.Config{}))
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
		if n := engine.Stats().Media.BuffersInUse; n != 0 {
			t.Errorf("%d packet buffers outlived their rooms", n)
		}
		server.Close()
	})
	return engine, server.URL
}

// run runs a load and logs what it measured.
func run(t testing.TB, cfg loadtest.Config) *loadtest.Result {
	t.Helper()
	result, err := loadtest.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := result.WriteTable(&table); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", table.String())
	return result
}

// maxLoss is the share of packets of pictures that may be lost for a second
// chance.
const maxLoss = 0.001

// TestFiftySubscribers is half a minute of one publisher and fifty subscribers on
// loopback, without loss, and without a goroutine that outlives it. A loss of
// picture gets one more chance, because a shared machine stalls now and then.
func TestFiftySubscribers(t *testing.T) {
	testenv.Sockets(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs after the server's end
	_, url := realServer(t)
	cfg := loadtest.DefaultConfig()
	cfg.URL, cfg.Subscribers, cfg.JoinRate = url, 50, 25
	for _, cfg.Duration = range []time.Duration{30 * time.Second, 30 * time.Second} {
		r := run(t, cfg)
		if r.Clients.Connected != 51 || r.Clients.Failed != 0 {
			t.Fatalf("%d of 51 clients connected: %s", r.Clients.Connected, r.Problem)
		}
		if least := uint64(50 * 50 * cfg.Duration.Seconds()); r.Packets.Received < least {
			t.Errorf("%d packets came; the voice alone is %d", r.Packets.Received, least)
		}
		if r.Packets.LostVoice != 0 {
			t.Errorf("%d packets of voice never came", r.Packets.LostVoice)
		}
		if r.Packets.Lost == 0 {
			return
		}
		if r.Packets.LossRatio > maxLoss {
			t.Fatalf("%d of %d packets never came, too many for any machine", r.Packets.Lost, r.Packets.Received)
		}
		t.Logf("%d packets of pictures never came; our own timers were %.0f ms late", r.Packets.Lost, r.Lateness.P99)
	}
	t.Error("packets were lost twice: where our own timers were late, run this alone")
}
