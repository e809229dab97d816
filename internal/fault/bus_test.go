package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/testproc"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
)

// mostSilence is the longest time without a packet of a voice that never rests,
// where nothing that carries media has failed: packets of 60 ms on a busy machine.
const mostSilence = 500 * time.Millisecond

// TestBusIsKilledInACall: the NATS server's process is killed and comes back after
// seconds. Media goes on, commands by other ways are answered, and the stream has
// every event once; what was asked over the bus without an answer is asked again.
func TestBusIsKilledInACall(t *testing.T) {
	t.Parallel()
	busIsKilled(t, 3*time.Second, 5*time.Millisecond)
}

// TestBusIsAwayForAMinuteInACall is the same for a minute.
func TestBusIsAwayForAMinuteInACall(t *testing.T) {
	testenv.Long(t)
	busIsKilled(t, time.Minute, 50*time.Millisecond) // a tenant's feed keeps 16,384 events
}

// busIsKilled takes the bus away for so long, with a command by REST each pause.
func busIsKilled(t *testing.T, away, pause time.Duration) {
	testenv.Sockets(t)
	bus := startBus(t)
	server := startServer(t, "nats.enabled=true", "nats.url=nats://"+bus.Address)
	b := newBackend(t, server)
	conn, err := nats.Connect("nats://"+bus.Address, nats.Token(busKey), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(id string) error { // a command over the bus
		body, err := signal.EncodeCommand(id, &signal.Call{Verb: signal.CallCreate, Call: id, From: &signal.Device{User: id, Device: "1"}})
		if err != nil {
			return err
		}
		answer, err := conn.Request(natsbus.CallSubject(id), body, 300*time.Millisecond)
		if err != nil {
			return err
		}
		m, err := signal.DecodeIncoming(answer.Data)
		if err == nil && m.Refusal != nil {
			err = m.Refusal
		}
		return err
	}
	// The bus is served once the server is connected to it.
	for began := time.Now(); ask("before") != nil; {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("no answer over the bus: %v", ask("before"))
		}
	}
	ann, bob := call(t, b)
	ann.reset()
	bob.reset()
	l := b.load(0, pause)
	bus.Kill()
	if ask("during") == nil {
		t.Error("a bus that is away answers")
	}
	time.Sleep(away)
	bus.Start()
	for began := time.Now(); ask("during") != nil; { // repeated with its id
		if time.Since(began) > 20*time.Second {
			t.Fatalf("no answer over the bus once it is back: %v", ask("during"))
		}
	}
	l.end()
	unheard(t, ann, bob)
	if len(l.unanswered) != 0 || len(l.acknowledged) < 100 {
		t.Errorf("%d commands by REST were answered while the bus was away, %d were not", len(l.acknowledged), len(l.unanswered))
	}
	ann.leave()
	bob.leave()
	b.must(http.MethodPost, "/v1/calls/c/end", "3", &signal.Call{}, nil)
	nothingLost(t, b, l, nil)
	onTheStream(t, conn, b.feed())
}

// onTheStream checks that the stream has these events, each once, in their order.
func onTheStream(t *testing.T, conn *nats.Conn, want []signal.Event) {
	t.Helper()
	stream, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	consumer, err := stream.OrderedConsumer(ctx, "RIVULET_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	go func() { <-ctx.Done(); messages.Stop() }()
	for i := 0; i < len(want); {
		m, err := messages.Next()
		if err != nil {
			t.Fatalf("the stream ends before event %d, %d of %d: %v", want[i].Sequence, i, len(want), err)
		}
		var e signal.Event
		if err := json.Unmarshal(m.Data(), &e); err != nil {
			t.Fatalf("%s: %v", m.Data(), err)
		}
		if e.Sequence < want[0].Sequence {
			continue
		}
		if e.Sequence != want[i].Sequence {
			t.Fatalf("event %d stands where event %d should", e.Sequence, want[i].Sequence)
		}
		i++
	}
}

// TestBackendIsAwayInACall: the receiver of webhooks is gone, comes back and answers
// 503, and then takes events again. Media goes on, and every event comes, in order.
func TestBackendIsAwayInACall(t *testing.T) {
	t.Parallel()
	testenv.Sockets(t)
	h := &hook{t: t, address: testproc.FreeAddress(t)}
	s, err := secret.New(hookKey)
	if err != nil {
		t.Fatal(err)
	}
	receiver := rest.NewReceiver(s)
	var mu sync.Mutex
	var taken []signal.Event // as a backend keeps them, by the last number that it has
	ill, attempts := false, 0
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is cut off has no signature
		d, err := receiver.Receive(time.Now(), r.Header, body)
		mu.Lock()
		defer mu.Unlock()
		attempts++
		switch {
		case ill:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case err != nil:
			t.Errorf("a webhook: %v", err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		for _, e := range d.Events {
			if n := len(taken); n == 0 || e.Sequence > taken[n-1].Sequence {
				taken = append(taken, e)
			}
		}
	})
	h.start()
	server := startServer(t, "webhook.url=http://"+h.address+"/hook")
	b := newBackend(t, server)
	ann, bob := call(t, b)
	ann.reset()
	bob.reset()
	l := b.load(0, 5*time.Millisecond)
	h.stop()
	time.Sleep(1500 * time.Millisecond) // of the other process' time
	mu.Lock()
	ill, attempts = true, 0
	mu.Unlock()
	h.start()
	defer h.stop()
	eventually(t, "a webhook comes again and is refused", 10*time.Second, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return attempts > 0
	})
	mu.Lock()
	ill = false
	mu.Unlock()
	l.end()
	unheard(t, ann, bob)
	ann.leave()
	bob.leave()
	b.must(http.MethodPost, "/v1/calls/c/end", "3", &signal.Call{}, nil)
	nothingLost(t, b, l, nil)
	want := b.feed()
	last := want[len(want)-1].Sequence
	eventually(t, fmt.Sprintf("event %d has come", last), 20*time.Second, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(taken) > 0 && taken[len(taken)-1].Sequence >= last
	})
	mu.Lock()
	defer mu.Unlock()
	for i, e := range want {
		if i >= len(taken) || taken[i].Sequence != e.Sequence {
			t.Fatalf("the backend has not event %d at its place, but %d events from %d on", e.Sequence, len(taken), taken[0].Sequence)
		}
	}
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, limit time.Duration, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("not in %v: %s", limit, what)
		}
	}
}
