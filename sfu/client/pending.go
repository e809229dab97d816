package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxPending bounds the commands that wait for their reply.
const maxPending = 256

// errBusy says that too many commands wait for the server.
var errBusy = errors.New("client: too many commands wait for the server")

// pending is one command that waits for its reply.
type pending struct {
	number uint64
	id     string
	body   signal.Body
	answer chan incoming // holds one
}

// answer hands a reply to who waits for it.
func (s *signalling) answer(m incoming) {
	s.mu.Lock()
	w := s.waits[m.re]
	delete(s.waits, m.re)
	s.mu.Unlock()
	if w != nil {
		w.answer <- m
	}
}

// do sends a command and waits for its reply, across reconnections.
func (s *signalling) do(ctx context.Context, body signal.Body) (signal.Reply, error) {
	wait, err := s.begin(body)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// begin sends a command; wait, which must be called, waits for its reply.
func (s *signalling) begin(body signal.Body) (wait func(context.Context) (signal.Reply, error), err error) {
	s.mu.Lock()
	if len(s.waits) >= maxPending {
		s.mu.Unlock()
		return nil, errBusy
	}
	s.number++
	id := strconv.FormatUint(s.number, 10)
	if _, err := encode(id, body); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	w := &pending{number: s.number, id: id, body: body, answer: make(chan incoming, 1)}
	s.waits[id] = w
	socket := s.socket
	s.mu.Unlock()
	if socket != nil {
		s.write(socket, id, body)
	}
	return func(ctx context.Context) (signal.Reply, error) { return s.await(ctx, w) }, nil
}

// await waits for the reply to a command.
func (s *signalling) await(ctx context.Context, w *pending) (signal.Reply, error) {
	defer func() {
		s.mu.Lock()
		delete(s.waits, w.id)
		s.mu.Unlock()
	}()
	select {
	case m := <-w.answer:
		if m.refusal != nil {
			return nil, m.refusal
		}
		return m.reply, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", w.body.Type(), ctx.Err())
	case <-s.call.done:
		return nil, fmt.Errorf("%s: %w", w.body.Type(), s.call.ended)
	}
}
