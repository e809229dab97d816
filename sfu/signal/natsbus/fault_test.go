package natsbus_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
)

func mustSecret(t *testing.T) secret.Secret {
	t.Helper()
	s, err := secret.New("nats-secret-0123456789abcdefghijklmn")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outside is a NATS server of somebody else's, on a port of its own, which may
// go away and come back with what it had stored.
type outside struct {
	t       *testing.T
	cfg     natsbus.EmbeddedConfig
	server  *natsbus.Embedded
	address string
}

func (o *outside) start() {
	o.t.Helper()
	var err error
	if o.server, err = natsbus.StartEmbedded(o.cfg); err != nil {
		o.t.Fatal(err)
	}
	o.address = strings.TrimPrefix(o.server.URL(), "nats://")
	o.cfg.Address = o.address
}

func (o *outside) stop() {
	o.t.Helper()
	if err := o.server.Close(); err != nil {
		o.t.Error(err)
	}
}

// TestBusThatGoesAway: calls go on without the bus, and when it is back every
// event comes, each once and in order, those of the time without it included.
func TestBusThatGoesAway(t *testing.T) { goesAway(t, 20, 0) }

// TestBusThatIsAwayForAMinute is the same with a ring each second for a minute.
func TestBusThatIsAwayForAMinute(t *testing.T) {
	testenv.Long(t)
	goesAway(t, 60, time.Second)
}

// goesAway takes the bus away while so many rings come, one each pause.
func goesAway(t *testing.T, rings int, pause time.Duration) {
	testenv.Sockets(t)
	o := &outside{t: t, cfg: natsbus.EmbeddedConfig{Address: "127.0.0.1:0", Secret: mustSecret(t), Store: t.TempDir()}}
	o.start()
	t.Cleanup(func() { o.stop() })
	e := signaltest.NewEngine(t, nil)
	bus := serve(t, natsbus.Config{URL: "nats://" + o.address, Secret: mustSecret(t)}, e)
	direct := func(c *signal.Call) {
		t.Helper()
		if _, err := e.Do(t.Context(), signal.Command{Backend: &signal.Backend{}, Body: c}); err != nil {
			t.Fatal(err)
		}
	}
	ring := func(id string) {
		direct(&signal.Call{Verb: signal.CallCreate, Call: id, From: &signal.Device{User: "ann" + id, Device: "1"}, Targets: []signal.Target{{User: "bob", Devices: []string{"1"}}}})
	}
	conn, err := nats.Connect("nats://"+o.address, nats.Token(string(mustSecret(t).Bytes())), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &client{conn: conn, feed: signaltest.NewFeed()}
	ready(t, c)
	ring("before")
	for bus.Stats().Published < 3 && t.Context().Err() == nil {
		time.Sleep(time.Millisecond) // of another process' time: there is no event to wait for
	}
	o.stop()
	direct(&signal.Call{Verb: signal.CallAccept, Call: "before", From: &signal.Device{User: "bob", Device: "1"}})
	for i := range rings {
		ring(fmt.Sprint("away", i))
		time.Sleep(pause) // the bus is a process of its own, with a clock of its own
	}
	if _, err := conn.Request(natsbus.CallSubject("before"), []byte(`{"type":"call.state"}`), 200*time.Millisecond); err == nil {
		t.Fatal("a server that is away answers")
	}
	o.start()
	ready(t, c)
	// A command that was not answered is repeated with its id.
	if _, err := c.Do(t.Context(), signal.Command{ID: "x", Body: &signal.Call{Verb: signal.CallEnd, Call: "before"}}); err != nil {
		t.Fatal(err)
	}
	follow(t, conn, c.feed)
	checkStream(t, c, 1+rings)
}

// checkStream reads the stream from its beginning: every event of the feed from
// the first on, each once, in order, until the end of the first call.
func checkStream(t *testing.T, c *client, calls int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var seen sync.Map
	n, rung := uint64(0), 0
	for from := uint64(0); ; {
		entries, more := c.feed.Read(from)
		for _, e := range entries {
			from++
			if _, twice := seen.LoadOrStore(e.Sequence, true); twice {
				t.Fatalf("event %d came twice", e.Sequence)
			}
			if n != 0 && e.Sequence != n+1 {
				t.Fatalf("event %d follows %d", e.Sequence, n)
			}
			n = e.Sequence
			v := e.Body.(*signal.CallEvent)
			if v.Kind == signal.CallRung {
				rung++
			}
			if v.Kind == signal.CallEnded && v.Call == "before" {
				if rung != calls {
					t.Errorf("%d rings came, want %d", rung, calls)
				}
				return
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("waited in vain after event %d", n)
		}
	}
}

// TestStrangersAreKeptOut: the embedded server wants its secret.
func TestStrangersAreKeptOut(t *testing.T) {
	testenv.Sockets(t)
	if _, err := natsbus.StartEmbedded(natsbus.EmbeddedConfig{Address: "127.0.0.1:0"}); err == nil {
		t.Error("a server that everybody may use was started")
	}
	o := &outside{t: t, cfg: natsbus.EmbeddedConfig{Address: "127.0.0.1:0", Secret: mustSecret(t)}}
	o.start()
	defer o.stop()
	for _, options := range [][]nats.Option{nil, {nats.Token("guess")}, {nats.UserInfo("a", "b")}} {
		if conn, err := nats.Connect("nats://"+o.address, options...); err == nil {
			conn.Close()
			t.Error("a stranger was let in")
		}
	}
}
