// Package ws is the default adapter of the signalling port: JSON messages over
// a WebSocket (RFC 6455) with permessage-deflate (RFC 7692).
//
// One connection carries one session. Its first command is join or resume;
// replies name the command's id, events carry their sequence number. The
// messages are documented in docs/protocol.md.
package ws

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

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
	// outbox bounds the messages that wait for the writer.
	outbox = 64
)

// Config sets the adapter up.
type Config struct {
	// Origins are host patterns of pages that may connect, beside the page's
	// own host (path.Match syntax). "*" lets every page in.
	Origins []string
	Logger  *slog.Logger
}

// Handler serves the adapter at one path.
type Handler struct {
	engine signal.Engine
	cfg    Config
	log    *slog.Logger
}

// New answers a handler for engine.
func New(engine signal.Engine, cfg Config) *Handler {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Handler{engine: engine, cfg: cfg, log: log}
}

// ServeHTTP upgrades the connection and serves its session until either side
// closes. It returns when all its goroutines have.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OriginPatterns:  h.cfg.Origins,
		CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		return // Accept has answered the client
	}
	socket.SetReadLimit(signal.MaxMessageSize)
	ctx, cancel := context.WithCancel(r.Context())
	c := &connection{
		engine: h.engine, socket: socket, remote: hostOf(r.RemoteAddr), host: hostOf(r.Host),
		out: make(chan any, outbox), cancel: cancel,
	}
	c.serve(ctx)
}

// hostOf answers an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// connection is one WebSocket. The reader owns session; the writer owns writing.
type connection struct {
	engine  signal.Engine
	socket  *websocket.Conn
	remote  string
	host    string
	out     chan any
	cancel  context.CancelFunc
	session string

	tokens   float64
	tokensAt time.Time
}

func (c *connection) serve(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write(ctx)
	}()
	pumped := c.read(ctx)
	if pumped == nil {
		close(c.out) // a refusal may still wait to be written
		<-written
	}
	c.cancel()
	if pumped != nil {
		<-pumped
		close(c.out)
		<-written
	}
	// The peer may be gone already; nothing is left to do then.
	_ = c.socket.CloseNow()
}

// write sends messages until out is closed or a write fails; the last event of
// a session closes the socket.
func (c *connection) write(ctx context.Context) {
	failed := false
	for message := range c.out {
		if failed {
			continue // let those who send go on until they notice
		}
		b, err := json.Marshal(message)
		if err == nil {
			bounded, cancel := context.WithTimeout(ctx, writeTimeout)
			err = c.socket.Write(bounded, websocket.MessageText, b)
			cancel()
		}
		if err != nil {
			failed = true
			c.cancel()
			continue
		}
		if e, ok := message.(eventMessage); ok {
			if _, last := e.body.(*signal.Closed); last {
				_ = c.socket.Close(websocket.StatusNormalClosure, "")
			}
		}
	}
}

// read handles commands until the connection ends. It answers a channel that
// is closed when events stop, nil when there was no session.
func (c *connection) read(ctx context.Context) <-chan struct{} {
	var pumped chan struct{}
	for {
		kind, b, err := c.next(ctx)
		if err != nil {
			if errors.Is(err, websocket.ErrMessageTooBig) {
				c.send(ctx, refusal("", signal.Errorf(signal.TooLarge, "a message has at most %d bytes", signal.MaxMessageSize)))
			}
			return pumped
		}
		if kind != websocket.MessageText {
			c.send(ctx, refusal("", signal.Errorf(signal.BadMessage, "messages are text frames with JSON")))
			continue
		}
		reply, after := c.handle(ctx, b)
		c.send(ctx, reply)
		if pumped == nil && c.session != "" {
			pumped = make(chan struct{})
			go func(session string) {
				defer close(pumped)
				c.pump(ctx, session, after)
			}(c.session)
		}
	}
}

// next reads one message within the time that a connection may be silent.
func (c *connection) next(ctx context.Context) (websocket.MessageType, []byte, error) {
	limit := idleTimeout
	if c.session == "" {
		limit = firstTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.socket.Read(ctx)
}

// handle carries out one command and answers the message to send back, and
// after a join or resume the event number to go on from.
func (c *connection) handle(ctx context.Context, b []byte) (any, uint64) {
	if !c.allow(time.Now()) {
		return refusal("", signal.Errorf(signal.RateLimited, "too many commands; slow down")), 0
	}
	id, body, err := Decode(b)
	if err != nil {
		return refusal(id, err), 0
	}
	_, joins := body.(*signal.Join)
	resumed, resumes := body.(*signal.Resume)
	if c.session != "" && (joins || resumes) {
		return refusal(id, signal.Errorf(signal.AlreadyJoined, "this connection has a session already")), 0
	}
	reply, err := c.engine.Do(ctx, signal.Command{ID: id, Session: c.session, Remote: c.remote, Host: c.host, Body: body})
	if err != nil {
		return refusal(id, err), 0
	}
	switch reply := reply.(type) {
	case *signal.Joined:
		c.session = reply.Session
		return replyMessage{id: id, body: reply}, reply.Sequence
	case *signal.Resumed:
		c.session = reply.Session
		return replyMessage{id: id, body: reply}, resumed.After
	}
	return replyMessage{id: id, body: reply}, 0
}

// allow is a token bucket over commands.
func (c *connection) allow(now time.Time) bool {
	if c.tokensAt.IsZero() {
		c.tokens = commandBurst
	} else {
		c.tokens = min(commandBurst, c.tokens+now.Sub(c.tokensAt).Seconds()*commandRate)
	}
	c.tokensAt = now
	if c.tokens < 1 {
		return false
	}
	c.tokens--
	return true
}

// pump sends a session's events until they or the connection end.
func (c *connection) pump(ctx context.Context, session string, after uint64) {
	events, err := c.engine.Subscribe(ctx, signal.Filter{Session: session, After: after})
	if err != nil {
		c.send(ctx, refusal("", err))
		c.cancel()
		return
	}
	closed := false
	for e := range events {
		c.send(ctx, eventMessage{sequence: e.Sequence, body: e.Body})
		_, closed = e.Body.(*signal.Closed)
	}
	if !closed {
		c.cancel() // a newer connection has taken the session over
	}
}

func (c *connection) send(ctx context.Context, message any) {
	select {
	case c.out <- message:
	case <-ctx.Done():
	}
}
