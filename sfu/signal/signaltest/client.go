package signaltest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Wire is a connection that carries messages in the JSON form of package signal
// both ways: what a Client speaks over.
type Wire interface {
	Write(ctx context.Context, message []byte) error
	// Read answers the next message, or an error at the end.
	Read(ctx context.Context) ([]byte, error)
}

// Client is a backend, or a device, that speaks over one Wire, for adapters that have
// connections. It implements signal.Engine as Run needs it.
type Client struct {
	wire Wire

	mu      sync.Mutex
	waiting map[string]chan signal.Incoming
	err     error

	feed *Feed
}

// Dial connects over a wire and reads until it ends.
func Dial(t testing.TB, wire Wire, connect *signal.Connect) *Client {
	t.Helper()
	c := &Client{wire: wire, waiting: make(map[string]chan signal.Incoming), feed: NewFeed()}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() { c.read(ctx) })
	t.Cleanup(func() { cancel(); reading.Wait() })
	if _, err := c.Do(t.Context(), signal.Command{ID: "connect", Body: connect}); err != nil {
		t.Fatalf("connect: %v", err)
	}
	return c
}

func (c *Client) read(ctx context.Context) {
	for {
		b, err := c.wire.Read(ctx)
		var m signal.Incoming
		if err == nil {
			m, err = signal.DecodeIncoming(b)
		}
		c.mu.Lock()
		if err != nil {
			c.err = err
			for id, answer := range c.waiting {
				close(answer)
				delete(c.waiting, id)
			}
			c.mu.Unlock()
			return
		}
		if m.Event != nil {
			c.feed.Publish(*m.Event)
		} else if answer := c.waiting[m.Re]; answer != nil {
			answer <- m
			delete(c.waiting, m.Re)
		}
		c.mu.Unlock()
	}
}

// Do implements signal.Engine. Commands with the same id at the same time are
// sent one after the other: a connection has one place for each answer.
func (c *Client) Do(ctx context.Context, command signal.Command) (signal.Reply, error) {
	b, err := signal.EncodeCommand(command.ID, command.Body)
	if err != nil {
		return nil, err
	}
	answer := make(chan signal.Incoming, 1)
	for {
		c.mu.Lock()
		if c.err != nil {
			defer c.mu.Unlock()
			return nil, c.err
		}
		before := c.waiting[command.ID]
		if before == nil {
			c.waiting[command.ID] = answer
			c.mu.Unlock()
			break
		}
		c.mu.Unlock()
		select {
		case m, ok := <-before: // whoever gets it answers for both
			if !ok {
				return nil, errors.New("the connection has ended")
			}
			before <- m
			return m.Reply, refusalOf(m)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := c.wire.Write(ctx, b); err != nil {
		return nil, err
	}
	select {
	case m, ok := <-answer:
		if !ok {
			return nil, errors.New("the connection has ended")
		}
		answer <- m
		return m.Reply, refusalOf(m)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func refusalOf(m signal.Incoming) error {
	if m.Refusal != nil {
		return m.Refusal
	}
	return nil
}

// DialDevice connects as a device over a wire, for the option Devices.
func DialDevice(t testing.TB, wire Wire, connect *signal.Connect) *Device {
	t.Helper()
	c := Dial(t, wire, connect)
	told := make(chan signal.Event)
	go func() {
		defer close(told)
		var seen uint64
		for {
			events, more := c.feed.Read(seen)
			seen += uint64(len(events))
			for _, e := range events {
				select {
				case told <- e:
				case <-t.Context().Done():
					return
				}
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-more:
			case <-t.Context().Done():
				return
			}
		}
	}()
	return &Device{Told: told, Say: func(ctx context.Context, id string, body signal.Body) (signal.Reply, error) {
		return c.Do(ctx, signal.Command{ID: id, Body: body})
	}}
}

// Subscribe implements signal.Engine for the tenant's feed and for one call, of
// which it asks for the events that were before.
func (c *Client) Subscribe(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	return c.feed.Subscribe(ctx, f, c.Do)
}
