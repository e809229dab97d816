// Package natsbus is the adapter for backends on a NATS bus: commands are
// requests, events are messages of a JetStream stream.
//
//	rivulet.v1.call.<id>.cmd    request: one command about a call, in JSON
//	rivulet.v1.room.<id>.cmd    request: one command about a room
//	rivulet.v1.cmd              request: a command about neither (feed.state), or
//	                            call.create where the server is to choose the id
//	rivulet.v1.call.<id>.evt    stream RIVULET_EVENTS: what happened to a call
//	rivulet.v1.room.<id>.evt    and to a room
//
// A command is the same JSON as on the WebSocket, {"type":"call.accept","id":...},
// and so is the reply; its id makes it safe to repeat, which who got no reply
// does. In a subject the bytes of an id other than letters, digits, "-" and "_"
// stand as %XX; the call or room may be left out of the body.
//
// Events are published in the order of the tenant's feed and acknowledged by
// the stream before the feed goes on; a message has the event's number as its
// Nats-Msg-Id, so that what is published twice is stored once. While the bus is
// away calls go on, and events wait in the feed.
//
// Whoever may publish on the subjects is the backend: the bus's own accounts say
// who that is.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// Stream is the name of the stream of events.
	Stream = "RIVULET_EVENTS"

	root       = "rivulet.v1"
	queue      = "rivulet"
	maxMessage = 1 << 20 // bytes
	// workers is how many commands are carried out at once.
	workers = 32
	// waiting is how many commands wait for a worker; what comes beyond is told
	// to come again.
	waiting = 4096
	// commandTimeout bounds one command.
	commandTimeout = 10 * time.Second
	// window is how many events are published before the first is acknowledged.
	window = 64
	// firstPause and longestPause bound the pause after a failure; it doubles.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// ackTimeout is how long the stream has to acknowledge.
	ackTimeout = 5 * time.Second
)

// Config says which bus.
type Config struct {
	// URL of an outside server or cluster ("nats://a,nats://b", "tls://..."); or
	// Embedded, a server inside of this process.
	URL      string
	Embedded *Embedded
	// Secret is the token of the embedded server, or of the outside one.
	Secret secret.Secret
	// Credentials is a file with a user's JWT and key; CA, Certificate and Key
	// are files in PEM for TLS. Empty for none.
	Credentials, CA, Certificate, Key string
	// Tenant is whose calls the bus is about.
	Tenant string
	// Replicas, Keep and KeepBytes are the stream's: how many copies, for how
	// long, how much. 0 for 1, an hour, 256 MiB.
	Replicas  int
	Keep      time.Duration
	KeepBytes int64
	Logger    *slog.Logger
}

// Bus is the adapter. It implements signal.Adapter.
type Bus struct {
	cfg   Config
	log   *slog.Logger
	marks signal.Marks // nil for none

	published, failed, refused atomic.Uint64
}

// New answers an adapter; nothing is connected yet.
func New(cfg Config) (*Bus, error) {
	if (cfg.URL == "") == (cfg.Embedded == nil) {
		return nil, errors.New("nats: want a URL or an embedded server, one of them")
	}
	if (cfg.Certificate == "") != (cfg.Key == "") {
		return nil, errors.New("nats: certificate and key belong together")
	}
	cfg.Replicas = max(cfg.Replicas, 1)
	if cfg.Keep == 0 {
		cfg.Keep = time.Hour
	}
	if cfg.KeepBytes == 0 {
		cfg.KeepBytes = 256 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Bus{cfg: cfg, log: cfg.Logger}, nil
}

// Remember has the adapter go on after a restart where it has been; before Serve.
func (b *Bus) Remember(m signal.Marks) { b.marks = m }

// Name answers "nats".
func (*Bus) Name() string { return "nats" }

// Stats are totals: events published, attempts that failed, commands that found
// no place.
type Stats struct{ Published, Failed, Refused uint64 }

// Stats answers the totals.
func (b *Bus) Stats() Stats {
	return Stats{b.published.Load(), b.failed.Load(), b.refused.Load()}
}

// Serve carries commands and events until ctx ends. A bus that cannot be
// reached is tried again for as long.
func (b *Bus) Serve(ctx context.Context, e signal.Engine) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	commands := make(chan *nats.Msg, waiting)
	for _, subject := range []string{root + ".call.*.cmd", root + ".room.*.cmd", root + ".cmd"} {
		if _, err := conn.QueueSubscribe(subject, queue, func(m *nats.Msg) { b.take(m, commands) }); err != nil {
			return fmt.Errorf("nats: subscribe to %s: %w", subject, err)
		}
	}
	var working sync.WaitGroup
	defer working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range workers {
		working.Go(func() { b.work(ctx, e, commands) })
	}
	err = b.publish(ctx, e, conn)
	// What has been carried out is still answered.
	_ = conn.FlushTimeout(time.Second)
	return err
}

func (b *Bus) connect() (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("rivulet"), nats.MaxReconnects(-1), nats.ReconnectWait(firstPause), nats.ReconnectJitter(firstPause, firstPause),
		nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(8 << 20),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("the bus is away; calls go on, and events wait", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("the bus is back") }),
	}
	url := b.cfg.URL
	if b.cfg.Embedded != nil {
		options = append(options, nats.InProcessServer(b.cfg.Embedded))
	}
	if !b.cfg.Secret.IsZero() {
		options = append(options, nats.Token(string(b.cfg.Secret.Bytes())))
	}
	if b.cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(b.cfg.Credentials))
	}
	if b.cfg.CA != "" {
		options = append(options, nats.RootCAs(b.cfg.CA))
	}
	if b.cfg.Certificate != "" {
		options = append(options, nats.ClientCert(b.cfg.Certificate, b.cfg.Key))
	}
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("nats: connect: %w", err)
	}
	return conn, nil
}

// take queues a command; the queue is bounded, and who finds no place is told.
func (b *Bus) take(m *nats.Msg, commands chan<- *nats.Msg) {
	select {
	case commands <- m:
	default:
		b.refused.Add(1)
		refusal := signal.Errorf(signal.RateLimited, "too many commands wait; try again in a second")
		refusal.RetryAfterMS = 1000
		b.answer(m, "", nil, refusal)
	}
}

// work carries out commands.
func (b *Bus) work(ctx context.Context, e signal.Engine, commands <-chan *nats.Msg) {
	for {
		select {
		case m := <-commands:
			ctx, cancel := context.WithTimeout(ctx, commandTimeout)
			id, reply, err := b.do(ctx, e, m)
			cancel()
			b.answer(m, id, reply, err)
		case <-ctx.Done():
			return
		}
	}
}

// do carries out one command. Its subject says which call or room is meant.
func (b *Bus) do(ctx context.Context, e signal.Engine, m *nats.Msg) (string, signal.Reply, error) {
	if len(m.Data) > signal.MaxMessageSize {
		return "", nil, signal.Errorf(signal.TooLarge, "a command has at most %d bytes", signal.MaxMessageSize)
	}
	id, body, err := signal.DecodeCommand(m.Data)
	if err != nil {
		return id, nil, err
	}
	kind, object, err := parse(m.Subject)
	if err == nil {
		err = fits(kind, object, body)
	}
	if err != nil {
		return id, nil, err
	}
	reply, err := e.Do(ctx, signal.Command{ID: id, Backend: &signal.Backend{Tenant: b.cfg.Tenant}, Body: body})
	return id, reply, err
}

// parse takes a command's subject apart.
func parse(subject string) (kind, object string, err error) {
	parts := strings.Split(strings.TrimPrefix(subject, root+"."), ".")
	if len(parts) != 3 {
		return "", "", nil
	}
	object, ok := unescape(parts[1])
	if !ok {
		return "", "", signal.Errorf(signal.BadMessage, "the subject %.100q has a %% that does not begin a byte", subject)
	}
	return parts[0], object, nil
}

// fits fills in what a command leaves to its subject, and refuses one that says
// otherwise: who may publish on a subject must not act elsewhere.
func fits(kind, object string, body signal.Body) error {
	var field *string
	want := ""
	switch c := body.(type) {
	case *signal.Call:
		if kind == "" && c.Verb == signal.CallCreate && c.Call == "" {
			return nil // the server chooses the id
		}
		field, want = &c.Call, "call"
	case *signal.CallQuery:
		field, want = &c.Call, "call"
	case *signal.CallHistory:
		field, want = &c.Call, "call"
	case *signal.RoomControl:
		field, want = &c.Room, "room"
	case *signal.RoomQuery:
		field, want = &c.Room, "room"
	}
	switch {
	case field == nil && kind == "":
		return nil
	case field == nil || kind != want:
		return signal.Errorf(signal.BadMessage, "%s is not for this subject", body.Type())
	case *field == "":
		*field = object
	case *field != object:
		return signal.Errorf(signal.BadMessage, "the subject names another %s than the command", kind)
	}
	return nil
}

// answer replies to a command, if its sender waits.
func (b *Bus) answer(m *nats.Msg, id string, reply signal.Reply, err error) {
	if m.Reply == "" {
		return
	}
	var data []byte
	var encoding error
	if err != nil {
		data, encoding = signal.EncodeRefusal(id, err)
	} else {
		data, encoding = signal.EncodeReply(id, reply)
	}
	if encoding != nil {
		b.log.Error("an answer cannot be written", "error", encoding)
		return
	}
	if err := m.Respond(data); err != nil {
		b.log.Debug("an answer was not sent; who asks repeats the command", "error", err)
	}
}
