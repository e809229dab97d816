package ws

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// writeTimeout bounds one write: a client that reads nothing for so long is
	// cut off, and resumes if it comes back.
	writeTimeout = 10 * time.Second
	// firstTimeout is how long a new connection may stay without a session.
	firstTimeout = 15 * time.Second
	// idleTimeout is how long a connection may be silent; clients ping each 10 s.
	idleTimeout = 60 * time.Second
	// commandRate and commandBurst bound the commands of one connection.
	commandRate, commandBurst = 50.0, 200.0
	// backendRate and backendBurst are for a backend's connection.
	backendRate, backendBurst = 5000.0, 10_000.0
	// outbox bounds the messages that wait for the writer.
	outbox = 64
)

// errTooLarge says that a message was longer than signal.MaxMessageSize.
var errTooLarge = errors.New("message too large")

// connection is one WebSocket. Three goroutines share it: the reader, which
// owns session and the budget of commands, the pump of events, and the writer.
// The writer ends with a final message, or when out is closed.
type connection struct {
	engine signal.Engine
	socket *websocket.Conn
	remote string
	host   string
	// compact is the form in which messages travel; nil for text.
	compact *compact.Form
	first   [][]byte // frames that came with the request, before any other
	out     chan any
	cancel  context.CancelFunc

	session   string
	connected bool            // it is one of the call plane
	backend   bool            // and a backend's
	joined    func()          // tells the handler that there is a session
	unjoined  context.Context // ends when there should have been one

	tokens bucket.Bucket
}

// final is a last message: when it is written then is done and the connection ends.
type final struct {
	message any
	then    func()
}

func (c *connection) serve(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer c.cancel()
		c.write(ctx)
	}()
	pumped := c.read(ctx)
	if pumped != nil {
		c.cancel()
		<-pumped
	}
	close(c.out)
	<-written
	// The peer may be gone already; nothing is left to do then.
	_ = c.socket.CloseNow()
}

// write sends messages until out is closed, a write fails or the last message
// was sent; then it only empties out, so that nobody waits for it.
func (c *connection) write(ctx context.Context) {
	for message := range c.out {
		last, ends := message.(final)
		if ends {
			message = last.message
		}
		if c.writeOne(message) != nil {
			break
		}
		if ends {
			last.then()
			break
		}
	}
	c.cancel()
	for range c.out {
	}
}

// writeOne is bounded by time only, not by the connection's context: what was
// queued before the end is still to be told.
func (c *connection) writeOne(message any) error {
	kind, b, err := c.seal(message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return c.socket.Write(ctx, kind, b)
}

// read handles commands until the connection ends. It answers a channel that
// is closed when events stop, nil when there was no session.
func (c *connection) read(ctx context.Context) <-chan struct{} {
	var pumped chan struct{}
	for {
		b, attached, err := c.next(ctx)
		if err != nil {
			return pumped
		}
		reply, after := c.handle(ctx, b, attached)
		c.send(ctx, reply)
		if pumped == nil && c.session != "" {
			c.joined()
			pumped = make(chan struct{})
			go func(session string) {
				defer close(pumped)
				c.pump(ctx, session, after)
			}(c.session)
		}
	}
}

// next reads one message, with what is attached to it, within the time that a
// connection may be silent; nil stands for one that is not in the form agreed.
func (c *connection) next(ctx context.Context) (message, attached []byte, err error) {
	if len(c.first) > 0 {
		b := c.first[0]
		c.first = c.first[1:]
		message, attached = c.unseal(websocket.MessageBinary, b)
		return message, attached, nil
	}
	if c.session == "" {
		ctx = c.unjoined
	}
	ctx, cancel := context.WithTimeout(ctx, idleTimeout)
	defer cancel()
	kind, reader, err := c.socket.Reader(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(reader, signal.MaxMessageSize+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(b) > signal.MaxMessageSize:
		c.refuseRest(ctx, reader)
		return nil, nil, errTooLarge
	}
	message, attached = c.unseal(kind, b)
	return message, attached, nil
}

// refuseRest says that a message is too large and reads on until the library's
// limit ends the connection with status 1009, for which it does not wait for the
// client; a message that ends before is closed in the usual way.
func (c *connection) refuseRest(ctx context.Context, rest io.Reader) {
	done := make(chan struct{})
	c.send(ctx, final{
		message: refusal("", signal.Errorf(signal.TooLarge, "a message has at most %d bytes", signal.MaxMessageSize)),
		then: func() {
			defer close(done)
			if _, err := io.Copy(io.Discard, rest); err == nil {
				_ = c.socket.Close(websocket.StatusMessageTooBig, "")
			}
		},
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// handle carries out one command and answers the message to send back, and
// after a join or resume the event number to go on from.
func (c *connection) handle(ctx context.Context, b, attached []byte) (any, uint64) {
	if b == nil {
		return refusal("", c.unreadable()), 0
	}
	id, body, err := signal.DecodeCommand(b)
	var offer *brief.Offer
	if err == nil {
		offer, err = c.expand(body, attached)
	}
	if err == nil && !c.allow(time.Now()) {
		err = signal.Errorf(signal.RateLimited, "too many commands; slow down")
	}
	if err != nil {
		return refusal(id, err), 0
	}
	if c.session != "" && begins(body, c.connected) {
		return refusal(id, signal.Errorf(signal.AlreadyJoined, "this connection has a session already")), 0
	}
	reply, err := c.engine.Do(ctx, signal.Command{ID: id, Session: c.session, Remote: c.remote, Host: c.host, Body: body})
	if err != nil {
		return refusal(id, err), 0
	}
	switch reply := reply.(type) {
	case *signal.Joined:
		c.session = reply.Session
		return replyMessage{id: id, body: reply, offer: offer}, reply.Sequence
	case *signal.Connected:
		c.session, c.connected, c.backend = reply.Session, true, reply.Backend
		return replyMessage{id: id, body: reply}, reply.Sequence
	case *signal.Resumed:
		c.session, c.connected = reply.Session, reply.CallPlane
		return replyMessage{id: id, body: reply}, body.(*signal.Resume).After
	}
	return replyMessage{id: id, body: reply, offer: offer}, 0
}

// begins says whether a command begins a session. In a session of the call plane
// a join does not: it leads into a call's room.
func begins(body signal.Body, connected bool) bool {
	switch body.(type) {
	case *signal.Join:
		return !connected
	case *signal.Resume, *signal.Connect:
		return true
	}
	return false
}

// allow is a token bucket over commands.
func (c *connection) allow(now time.Time) bool {
	rate, burst := commandRate, commandBurst
	if c.backend {
		rate, burst = backendRate, backendBurst
	}
	return c.tokens.Take(now, rate, burst, 1)
}

// pump sends a session's events until they or the connection end.
func (c *connection) pump(ctx context.Context, session string, after uint64) {
	events, err := c.engine.Subscribe(ctx, signal.Filter{Session: session, After: after})
	if err != nil {
		c.send(ctx, final{refusal("", err), c.bye})
		return
	}
	for e := range events {
		if _, last := e.Body.(*signal.Closed); last {
			c.send(ctx, final{e, c.bye})
			return
		}
		c.send(ctx, e)
	}
	c.cancel() // a newer connection has taken the session over
}

// bye closes with the handshake of RFC 6455 §7.
func (c *connection) bye() { _ = c.socket.Close(websocket.StatusNormalClosure, "") }

func (c *connection) send(ctx context.Context, message any) {
	select {
	case c.out <- message:
	case <-ctx.Done():
	}
}
