package natsbus_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
)

// client is a backend on the bus.
type client struct {
	conn *nats.Conn
	feed *signaltest.Feed
}

func (c *client) Do(ctx context.Context, command signal.Command) (signal.Reply, error) {
	subject := "rivulet.v1.cmd"
	switch body := command.Body.(type) {
	case *signal.Call:
		subject = natsbus.CallSubject(body.Call)
		if body.Call == "" {
			subject = "rivulet.v1.cmd"
		}
	case *signal.CallQuery:
		subject = natsbus.CallSubject(body.Call)
	case *signal.CallHistory:
		subject = natsbus.CallSubject(body.Call)
	case *signal.RoomControl:
		subject = natsbus.RoomSubject(body.Room)
	case *signal.RoomQuery:
		subject = natsbus.RoomSubject(body.Room)
	}
	b, err := signal.EncodeCommand(command.ID, command.Body)
	if err != nil {
		return nil, err
	}
	answer, err := c.conn.RequestWithContext(ctx, subject, b)
	if err != nil {
		return nil, err
	}
	m, err := signal.DecodeIncoming(answer.Data)
	if err != nil {
		return nil, err
	}
	if m.Refusal != nil {
		return nil, m.Refusal
	}
	return m.Reply, nil
}

func (c *client) Subscribe(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	return c.feed.Subscribe(ctx, f, c.Do)
}

// follow reads the stream into a feed.
func follow(t *testing.T, conn *nats.Conn, feed *signaltest.Feed) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	// The adapter makes the stream when it has something to tell; one who wants to
	// follow before may make it too.
	if _, err := js.Stream(t.Context(), natsbus.Stream); err != nil {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: natsbus.Stream, Subjects: []string{"rivulet.v1.call.*.evt", "rivulet.v1.room.*.evt"}, Storage: jetstream.MemoryStorage,
		}); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := js.OrderedConsumer(t.Context(), natsbus.Stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		in, err := signal.DecodeIncoming(m.Data())
		if err != nil || in.Event == nil {
			t.Errorf("on the stream: %q", m.Data())
			return
		}
		feed.Publish(*in.Event)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(consuming.Stop)
}

// serve serves an engine on a bus until the test ends.
func serve(t *testing.T, cfg natsbus.Config, e signal.Engine) *natsbus.Bus {
	t.Helper()
	bus, err := natsbus.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- bus.Serve(ctx, e) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return bus
}

func embedded(t *testing.T) *natsbus.Embedded {
	t.Helper()
	e, err := natsbus.StartEmbedded(natsbus.EmbeddedConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return e
}

// ready waits until the adapter answers.
func ready(t *testing.T, c *client) {
	t.Helper()
	for t.Context().Err() == nil {
		if _, err := c.Do(t.Context(), signal.Command{Body: &signal.FeedQuery{}}); err == nil {
			return
		}
	}
}

func TestConformance(t *testing.T) {
	signaltest.Run(t, func(t *testing.T, e signal.Engine) signal.Engine {
		server := embedded(t)
		conn, err := nats.Connect("", nats.InProcessServer(server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		c := &client{conn: conn, feed: signaltest.NewFeed()}
		follow(t, conn, c.feed)
		serve(t, natsbus.Config{Embedded: server}, e)
		ready(t, c)
		return c
	})
}
