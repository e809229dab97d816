// Package whip is an adapter of the signalling port for tools that speak plain
// HTTP: WHIP (RFC 9725) publishes into a room, WHEP (draft-ietf-wish-whep)
// watches one.
//
//	POST   /whip/{room}        offer in, answer out: 201, Location, ETag, Link
//	POST   /whep/{room}        the same, to watch
//	OPTIONS                    what is accepted, and CORS
//	PATCH  {Location}          trickle (204) or ICE restart (200, new ETag)
//	DELETE {Location}          leave (200)
//
// It decides which media section carries which source (offer.go), in which order
// simulcast layers stand (layers.go), whether a PATCH is a restart (session.go),
// and which status a refusal has (refuse.go). In: HTTP requests, a
// signal.Engine. Out: commands to the engine, HTTP answers with problem details
// (RFC 9457) whose "code" is one of the signalling port's.
//
// A session has no stream of events: it lives as long as its media does. The
// engine removes it when the media stayed away for too long, when the same
// identity joins again, or when the client leaves; the adapter finds that out
// when it next asks for the session, and answers 404 from then on.
package whip

import (
	"log/slog"
	"net"
	"net/http"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// defaultMaxSessions is the engine's own default bound of participants.
const defaultMaxSessions = 10_000

// Config sets the adapter up.
type Config struct {
	// Origins are host patterns of pages that may use the adapter, beside pages
	// of this very host (path.Match syntax). "*" lets every page in. Tools that
	// are no browsers send no origin and are not affected.
	Origins []string
	// MaxSessions bounds the sessions of both kinds together; 0 for 10,000.
	MaxSessions int
	Logger      *slog.Logger
}

// kind is what a session does; it is also the first element of its path.
type kind string

const (
	publish kind = "whip"
	watch   kind = "whep"
)

// Handler serves the adapter. Its methods may be called from any goroutine.
type Handler struct {
	engine   signal.Engine
	origins  []string
	log      *slog.Logger
	sessions *registry
}

// New answers a handler for engine.
func New(engine signal.Engine, cfg Config) *Handler {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	limit := cfg.MaxSessions
	if limit <= 0 {
		limit = defaultMaxSessions
	}
	return &Handler{engine: engine, origins: cfg.Origins, log: log, sessions: newRegistry(limit)}
}

// Register adds the adapter's routes to mux. Each pattern names its method, so
// that a catch-all such as "GET /" can stand beside them.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, k := range []kind{publish, watch} {
		endpoint := "/" + string(k) + "/{room}"
		session := endpoint + "/{session}"
		mux.HandleFunc("POST "+endpoint, h.guarded(k, h.create))
		mux.HandleFunc("OPTIONS "+endpoint, h.optionsOfEndpoint)
		mux.HandleFunc("PATCH "+session, h.guarded(k, h.patch))
		mux.HandleFunc("DELETE "+session, h.guarded(k, h.end))
		mux.HandleFunc("OPTIONS "+session, h.optionsOfSession)
		// RFC 9725 §4.2: every other method is kept for later and answered 405.
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			mux.HandleFunc(method+" "+endpoint, h.refuseMethod(endpointMethods))
		}
		for _, method := range []string{"GET", "PUT", "POST"} {
			mux.HandleFunc(method+" "+session, h.refuseMethod(sessionMethods))
		}
	}
}

// guarded runs do for requests that do not come from a foreign page.
func (h *Handler) guarded(k kind, do func(http.ResponseWriter, *http.Request, kind)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.allowOrigin(w, r) {
			refuse(w, signal.Errorf(signal.NotPermitted, "pages of this origin may not use this server; its operator can allow them"))
			return
		}
		do(w, r, k)
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
