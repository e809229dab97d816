// Package ws is the default adapter of the signalling port: JSON messages over
// a WebSocket (RFC 6455), with permessage-deflate (RFC 7692) or, for clients that
// know it, in the form of package compact.
//
// One connection carries one session. Its first command is join or resume, and
// may come with the request that opens it (package compact);
// replies name the command's id, events carry their sequence number. The
// messages are documented in docs/protocol.md.
package ws

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxWaiting bounds the connections of one address that have no session yet.
// Many people share one address behind a carrier's NAT.
const maxWaiting = 256

// Config sets the adapter up.
type Config struct {
	// Origins are host patterns of pages that may connect, beside the page's
	// own host (path.Match syntax). "*" lets every page in.
	Origins []string
	// Logger hears of pages that are refused, at most once a minute: a browser
	// tells its page nothing of why. Nil: nobody does.
	Logger *slog.Logger
}

// tellAgain is how long nothing is logged of refused pages after one was.
const tellAgain = time.Minute

// Handler serves the adapter at one path.
type Handler struct {
	engine signal.Engine
	cfg    Config

	mu      sync.Mutex
	waiting map[string]int // connections without a session, by address
	told    time.Time      // when a refused page was last logged
}

// New answers a handler for engine.
func New(engine signal.Engine, cfg Config) *Handler {
	return &Handler{engine: engine, cfg: cfg, waiting: make(map[string]int)}
}

// refused logs that a page of another host wanted to connect.
func (h *Handler) refused(r *http.Request) {
	now := time.Now()
	h.mu.Lock()
	tell := h.cfg.Logger != nil && (h.told.IsZero() || now.Sub(h.told) >= tellAgain)
	if tell {
		h.told = now
	}
	h.mu.Unlock()
	if tell {
		h.cfg.Logger.Warn("a page of another host was refused; if it is yours, list its host in http.origins",
			"origin", r.Header.Get("Origin"), "host", r.Host)
	}
}

// ServeHTTP upgrades the connection and serves its session until either side
// closes or the request's context ends, which is how a server lets go of it. It
// returns when all its goroutines have.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote := hostOf(r.RemoteAddr)
	if !h.enter(remote) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many connections of this address have not joined yet; try again in a second", http.StatusTooManyRequests)
		return
	}
	left := sync.OnceFunc(func() { h.leave(remote) })
	defer left()
	options, first := acceptOptions(r, h.cfg.Origins)
	socket, err := websocket.Accept(w, r, options)
	if err != nil {
		if strings.Contains(err.Error(), "Origin") {
			h.refused(r)
		}
		return // Accept has answered the client
	}
	// next reads half of it, so that it can tell the client before it ends.
	socket.SetReadLimit(2 * signal.MaxMessageSize)
	ctx, cancel := context.WithCancel(r.Context())
	unjoined, expire := context.WithTimeout(ctx, firstTimeout)
	defer expire()
	c := &connection{
		engine: h.engine, socket: socket, remote: remote, host: hostOf(r.Host),
		out: make(chan any, outbox), cancel: cancel, joined: left, unjoined: unjoined,
	}
	var said bool
	if c.compact, said = compact.Of(socket.Subprotocol()); said {
		c.first = first
	}
	c.serve(ctx)
}

// enter counts a connection that has no session yet; false when its address
// has too many of them.
func (h *Handler) enter(remote string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[remote] >= maxWaiting {
		return false
	}
	h.waiting[remote]++
	return true
}

// leave takes one away that enter counted.
func (h *Handler) leave(remote string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[remote]--; h.waiting[remote] <= 0 {
		delete(h.waiting, remote)
	}
}

// hostOf answers an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
