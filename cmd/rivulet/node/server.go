package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// maxHeader is room for a token of 8 kB beside what browsers send.
	maxHeader = 32 << 10
	// farewell is how long clients have to read why they are let go.
	farewell = 2 * time.Second
)

// timeouts bound one request. WebSockets leave them behind when they begin.
type timeouts struct{ header, read, write, idle time.Duration }

var (
	publicTimeouts = timeouts{header: 10 * time.Second, read: 30 * time.Second, write: 60 * time.Second, idle: 2 * time.Minute}
	// A profile takes as long as it was asked to.
	adminTimeouts = timeouts{header: 10 * time.Second, read: 30 * time.Second, idle: 2 * time.Minute}
)

// server is one HTTP server that knows when its last handler has returned, also
// those that took their connection over (WebSocket), which http.Server forgets.
type server struct {
	http    *http.Server
	cancel  context.CancelFunc
	serving sync.WaitGroup

	mu      sync.Mutex
	running int
	ending  bool
	idle    chan struct{} // closed when ending and the last handler returned
}

func newServer(h http.Handler, t timeouts, log *slog.Logger) *server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{cancel: cancel, idle: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.tracked(recovered(h, log)),
		ReadHeaderTimeout: t.header,
		ReadTimeout:       t.read,
		WriteTimeout:      t.write,
		IdleTimeout:       t.idle,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// What net/http has to say is about single clients, with addresses.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// serve serves l until close; another end is sent to failed.
func (s *server) serve(l net.Listener, failed chan<- error) {
	s.serving.Go(func() {
		if err := failure(l.Addr(), s.http.Serve(l)); err != nil {
			failed <- err
		}
	})
}

// tracked counts the handlers that run.
func (s *server) tracked(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.ending {
			s.mu.Unlock()
			http.Error(w, "the server is going down", http.StatusServiceUnavailable)
			return
		}
		s.running++
		s.mu.Unlock()
		defer s.done()
		h.ServeHTTP(w, r)
	})
}

func (s *server) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.ending && s.running == 0 {
		close(s.idle)
	}
}

// close refuses new requests, lets those under way finish for the time of a
// farewell, ends them, and waits for all.
func (s *server) close() error {
	s.mu.Lock()
	s.ending = true
	if s.running == 0 {
		close(s.idle)
	}
	s.mu.Unlock()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-s.idle:
	case <-timer.C:
	}
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.serving.Wait()
	<-s.idle
	return ignoreClosed(err)
}

// recovered keeps a panic to its request, and says so with our own words
// instead of net/http's, which name the client.
func recovered(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				log.Error("a request handler panicked", "pattern", r.Pattern, "panic", p, "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			}
		}()
		h.ServeHTTP(w, r)
	})
}
