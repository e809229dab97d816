package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// redialFirst and redialMost bound the pause between two attempts to come
	// back; it doubles.
	redialFirst = 200 * time.Millisecond
	redialMost  = 5 * time.Second
	dialTimeout = 10 * time.Second
	// writeTimeout bounds one write; what was not written is written again
	// after resuming.
	writeTimeout = 10 * time.Second
	// leaveTimeout is how long the server is waited for when the call ends.
	leaveTimeout = time.Second
)

// signalling is the WebSocket: commands out, replies and events in. Its reader
// is run's goroutine; any goroutine writes.
type signalling struct {
	call    *Call
	traffic *traffic
	ctx     context.Context // ends with the call
	cancel  context.CancelFunc

	mu     sync.Mutex
	socket *channel // nil while there is none
	waits  map[string]*pending
	number uint64

	// Owned by run, after join.
	after  uint64
	resume string
	keepFor,
	pingEvery time.Duration
}

func newSignalling(c *Call) *signalling {
	ctx, cancel := context.WithCancel(context.Background())
	return &signalling{call: c, traffic: c.opts.Line.socket.traffic, ctx: ctx, cancel: cancel, waits: make(map[string]*pending)}
}

// dial opens a WebSocket.
func (s *signalling) dial(ctx context.Context) (*channel, error) {
	return dial(ctx, &s.call.opts, s.traffic)
}

func dial(ctx context.Context, o *Options, t *traffic) (*channel, error) {
	return dialWith(ctx, o, o.HTTPClient, t, compact.Three.Subprotocol, compact.Two.Subprotocol, compact.PlainSubprotocol)
}

// dialWith opens a WebSocket by a client of HTTP, with the names of subprotocols.
func dialWith(ctx context.Context, o *Options, web *http.Client, t *traffic, names ...string) (*channel, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, o.URL, &websocket.DialOptions{
		HTTPClient:   web,
		HTTPHeader:   http.Header{"User-Agent": {""}}, // thirty bytes of a thin link
		Subprotocols: names,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	socket.SetReadLimit(maxMessage)
	return &channel{socket, t}, nil
}

// opening are the commands with which a connection of a call begins.
func (c *Call) opening(join *signal.Join) []signal.Body {
	if c.opts.Connect == nil {
		return []signal.Body{join}
	}
	connect := *c.opts.Connect
	connect.Version = signal.Version
	return []signal.Body{&connect, join}
}

// join joins on the line that is open, unless the commands came with the request
// that opened it: then only their replies are read.
func (s *signalling) join(ctx context.Context, commands []signal.Body) (*signal.Joined, error) {
	socket := s.call.opts.Line.socket
	var session *signal.Connected
	var joined *signal.Joined
	for _, body := range commands {
		if !socket.saidFirst() {
			if err := socket.send(ctx, body.Type(), body); err != nil {
				return nil, err
			}
		} else if frame, attached, err := frameOf(socket.compact(), body.Type(), body); err == nil {
			s.traffic.said(body, frame, attached)
		}
		reply, err := s.hear(ctx, socket, body.Type())
		if err != nil {
			return nil, err
		}
		switch reply := reply.(type) {
		case *signal.Connected:
			session = reply
		case *signal.Joined:
			joined = reply
		default:
			return nil, fmt.Errorf("the server answers %s with %s", body.Type(), reply.ReplyType())
		}
	}
	if joined == nil {
		return nil, errors.New("the server does not answer join")
	}
	s.call.stages.note(&s.call.stages.joined, s.call.started)
	if session != nil {
		joined.Resume, joined.ResumeSeconds = session.Resume, session.ResumeSeconds
	}
	s.socket, s.after, s.resume = socket, joined.Sequence, joined.Resume
	s.keepFor = time.Duration(max(joined.ResumeSeconds, 1)) * time.Second
	s.pingEvery = time.Duration(max(joined.PingSeconds, 1)) * time.Second
	return joined, nil
}

// exchange writes one of the first commands of a connection and reads its reply.
func (s *signalling) exchange(ctx context.Context, socket *channel, id string, body signal.Body) (signal.Reply, error) {
	if err := socket.send(ctx, id, body); err != nil {
		return nil, err
	}
	return s.hear(ctx, socket, body.Type())
}

// decode reads a message, and counts a description in it.
func (s *signalling) decode(b, attached []byte) (incoming, error) {
	m, err := decode(b, attached, s.call.media.brief)
	switch r := m.reply.(type) {
	case *signal.Joined:
		s.traffic.described(r.Answer, attached)
	case *signal.Restarted:
		s.traffic.described(r.Answer, attached)
	}
	return m, err
}

// hear reads the reply to it. Events before it are passed over: what the reply to
// join says is newer.
func (s *signalling) hear(ctx context.Context, socket *channel, what string) (signal.Reply, error) {
	for {
		b, attached, err := socket.receive(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the reply to %s: %w", what, err)
		}
		m, err := s.decode(b, attached)
		switch {
		case err != nil:
			return nil, err
		case m.refusal != nil:
			return nil, m.refusal
		case m.reply != nil:
			return m.reply, nil
		}
	}
}

// run reads until the call ends, and comes back when the connection is lost.
func (s *signalling) run() {
	for {
		err := s.read()
		s.drop()
		select {
		case <-s.call.done:
			return
		default:
		}
		s.call.log.Debug("signalling lost", "error", err)
		if err := s.comeBack(); err != nil {
			s.call.end(err)
			return
		}
		s.call.wishRestart(false)
	}
}

// read handles messages until the connection fails or the session is closed.
func (s *signalling) read() error {
	s.mu.Lock()
	socket := s.socket
	s.mu.Unlock()
	for {
		b, attached, err := socket.receive(s.ctx)
		if err != nil {
			return err
		}
		m, err := s.decode(b, attached)
		if err != nil {
			s.call.log.Debug("message ignored", "error", err)
			continue
		}
		switch {
		case m.sequence > 0:
			if m.sequence <= s.after {
				continue // told before the connection was lost
			}
			s.after = m.sequence
			if m.event != nil {
				s.call.handle(m.event)
			}
		case m.re == "" && m.refusal != nil:
			s.call.log.Debug("refused", "code", string(m.refusal.Code))
		default:
			s.answer(m)
		}
	}
}

// drop forgets a connection that is lost.
func (s *signalling) drop() {
	s.mu.Lock()
	socket := s.socket
	s.socket = nil
	s.mu.Unlock()
	if socket != nil {
		_ = socket.CloseNow()
	}
}

// comeBack resumes the session on a new connection for as long as the server
// keeps it, and repeats what was not answered.
func (s *signalling) comeBack() error {
	until := time.Now().Add(s.keepFor)
	pause := redialFirst
	for {
		socket, err := s.dial(s.ctx)
		if err == nil {
			if err = s.resumeOn(socket); err == nil {
				return nil
			}
			_ = socket.CloseNow()
			var refused *signal.Error
			if errors.As(err, &refused) && refused.Code != signal.RateLimited {
				return fmt.Errorf("resume the call: %w", err)
			}
		}
		if time.Now().Add(pause).After(until) {
			return fmt.Errorf("resume the call: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return ErrClosed
		}
		pause = min(2*pause, redialMost)
	}
}

func (s *signalling) resumeOn(socket *channel) error {
	ctx, cancel := context.WithTimeout(s.ctx, dialTimeout)
	defer cancel()
	reply, err := s.exchange(ctx, socket, "resume", &signal.Resume{Version: signal.Version, Token: s.resume, After: s.after})
	if err != nil {
		return err
	}
	resumed, ok := reply.(*signal.Resumed)
	if !ok {
		return fmt.Errorf("the server answers resume with %s", reply.ReplyType())
	}
	if err := s.call.media.setServers(resumed.ICEServers); err != nil {
		s.call.log.Debug("relay servers refused", "error", err)
	}
	s.mu.Lock()
	s.socket = socket
	var again []*pending
	for _, w := range s.waits {
		again = append(again, w)
	}
	s.mu.Unlock()
	slices.SortFunc(again, func(a, b *pending) int { return cmp.Compare(a.number, b.number) })
	for _, w := range again {
		s.write(socket, w.id, w.body)
	}
	return nil
}

// write sends one command. Failures are the reader's to notice.
func (s *signalling) write(socket *channel, id string, body signal.Body) {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	_ = socket.send(ctx, id, body)
}

// tell sends a command whose reply nobody needs; it may be lost.
func (s *signalling) tell(body signal.Body) {
	s.mu.Lock()
	socket := s.socket
	s.mu.Unlock()
	if socket != nil {
		s.write(socket, "", body)
	}
}

// leave tells the server that we go, and waits a moment for it to hear.
func (s *signalling) leave() {
	ctx, cancel := context.WithTimeout(s.ctx, leaveTimeout)
	defer cancel()
	s.mu.Lock()
	alive := s.socket != nil
	s.mu.Unlock()
	if alive && s.call.joined != nil && s.call.Err() == nil {
		// Whatever the reply, we are gone.
		_, _ = s.do(ctx, &signal.Leave{})
	}
}

// close ends the reader and the connection.
func (s *signalling) close() {
	s.cancel()
	s.drop()
}
