// Package rest is the adapter for backends that speak HTTP: each command of the
// call plane and of room control is one request, each refusal a problem of
// RFC 9457, and events come by long polling or, signed, by webhook.
//
// openapi.json describes it (OpenAPI 3.1) and is served at /v1/openapi.json; a
// test holds it against the table of routes and the messages of package signal.
// A request carries a backend's token (RFC 6750), and an Idempotency-Key with
// which it may be repeated: the same key answers the same again.
//
//	POST /v1/calls                {"from": {...}, "targets": [...]}   call.create
//	POST /v1/calls/{call}/accept  {"from": {...}}                     call.accept
//	GET  /v1/calls/{call}                                             call.state
//	GET  /v1/calls/{call}/events?after=7&wait=20                      call.events
//	GET  /v1/events?after=7&wait=20                                   the tenant's feed
//	POST /v1/rooms/{room}/mute    {"participant": "p_1", ...}         room.mute
//	GET  /v1/rooms/{room}                                             room.state
package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

const (
	// maxWait bounds a long poll: proxies give up after a minute.
	maxWait = 30 * time.Second
	// maxEvents bounds the events of one answer.
	maxEvents = 500
)

// Authenticator judges a backend's token; *switchboard.Board is one.
type Authenticator interface {
	Authenticate(now time.Time, c *signal.Connect) (token.Grants, error)
}

// Handler serves the adapter.
type Handler struct {
	engine signal.Engine
	auth   Authenticator
}

// New answers a handler for engine.
func New(engine signal.Engine, auth Authenticator) *Handler {
	return &Handler{engine: engine, auth: auth}
}

// Register adds the adapter's routes to mux.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, r := range routes() {
		mux.Handle(r.method+" "+r.path, h.backend(r.serve))
	}
	mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI) // the reader went away; there is nobody to tell
	})
}

// serve answers one request of a backend.
type serve func(h *Handler, w http.ResponseWriter, r *http.Request, b *signal.Backend)

// backend lets only backends through.
func (h *Handler) backend(next serve) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		// A server that needs no tokens takes whoever asks for a backend.
		g, err := h.auth.Authenticate(time.Now(), &signal.Connect{Version: signal.Version, Token: raw, Backend: true})
		switch {
		case err != nil && !found:
			problem.WriteUnauthenticated(w, "a backend's token is needed: Authorization: Bearer TOKEN")
		case err != nil:
			problem.Write(w, err)
		case !g.Backend:
			problem.Write(w, signal.Errorf(signal.NotABackend, "the token is a device's; this needs one with rivulet.backend"))
		default:
			next(h, w, r, &signal.Backend{Tenant: g.Tenant})
		}
	}
}

// command carries out a command that names its object in the path and has its
// fields in the body.
func command(status int, fill func(r *http.Request) signal.Body) serve {
	return func(h *Handler, w http.ResponseWriter, r *http.Request, b *signal.Backend) {
		body := fill(r)
		if r.Method == http.MethodPost {
			if err := read(w, r, body); err != nil {
				problem.Write(w, err)
				return
			}
			named(r, body)
		}
		reply, err := h.engine.Do(r.Context(), signal.Command{
			ID: r.Header.Get("Idempotency-Key"), Backend: b, Body: body,
		})
		if err != nil {
			problem.Write(w, err)
			return
		}
		answer(w, status, reply)
	}
}

// read reads the body of a request: one JSON object, or nothing.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, signal.MaxMessageSize))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return signal.Errorf(signal.TooLarge, "a request has at most %d bytes", signal.MaxMessageSize)
	case err != nil:
		return signal.Errorf(signal.BadMessage, "the request could not be read to its end")
	case len(b) == 0:
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return signal.Errorf(signal.BadMessage, "the body is not a JSON object of this request: %.200s", err.Error())
	}
	return nil
}

// named has the path say which call or room is meant, whatever the body says.
func named(r *http.Request, body signal.Body) {
	switch c := body.(type) {
	case *signal.Call:
		if id := r.PathValue("call"); id != "" {
			c.Call = id
		}
	case *signal.RoomControl:
		c.Room = r.PathValue("room")
	}
}

// answer writes a reply with its type beside its fields.
func answer(w http.ResponseWriter, status int, reply signal.Reply) {
	b, err := signal.EncodeReply("", reply)
	if err != nil {
		problem.Write(w, err)
		return
	}
	write(w, status, b)
}

func write(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the reader went away; there is nobody to tell
}

// Page is an answer with events.
type Page struct {
	Events []signal.Event `json:"events"`
	// Last is the number of the last event so far: what to ask after next.
	Last uint64 `json:"last"`
}

// events answers the events after a number, and waits for one if there is none.
func events(h *Handler, w http.ResponseWriter, r *http.Request, b *signal.Backend) {
	query := r.URL.Query()
	after, err := number(query.Get("after"))
	wait, err2 := number(query.Get("wait"))
	if err != nil || err2 != nil {
		problem.Write(w, signal.Errorf(signal.BadMessage, "after and wait are numbers: an event's, and seconds"))
		return
	}
	f := signal.Filter{Backend: b, Call: r.PathValue("call"), After: after}
	page := Page{Events: []signal.Event{}, Last: after}
	if err := h.kept(r.Context(), f, &page); err != nil {
		problem.Write(w, err)
		return
	}
	if len(page.Events) == 0 && wait > 0 && (f.Call != "" || after > 0) {
		ctx, cancel := context.WithCancel(r.Context()) // which ends the subscription too
		defer cancel()
		stream, err := h.engine.Subscribe(ctx, f)
		if err != nil {
			problem.Write(w, err)
			return
		}
		page.collect(ctx, stream, min(time.Duration(min(wait, 3600))*time.Second, maxWait))
	}
	out, encodeErr := json.Marshal(page)
	if encodeErr != nil {
		problem.Write(w, encodeErr)
		return
	}
	write(w, http.StatusOK, out)
}

// settle is how long more events are waited for once one has come: those of one
// command come together.
const settle = 5 * time.Millisecond

// collect reads what there is, and waits for the first event.
func (p *Page) collect(ctx context.Context, stream <-chan signal.Event, wait time.Duration) {
	quiet := time.NewTimer(wait + settle)
	defer quiet.Stop()
	for len(p.Events) < maxEvents {
		select {
		case e, ok := <-stream:
			if !ok {
				return
			}
			p.Events = append(p.Events, e)
			p.Last = e.Sequence
			quiet.Reset(settle)
		case <-quiet.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// kept fills a page with the events that are there already; without a number to
// go on from, with where the tenant's feed stands.
func (h *Handler) kept(ctx context.Context, f signal.Filter, page *Page) error {
	var body signal.Body = &signal.FeedQuery{After: f.After}
	if f.Call != "" {
		body = &signal.CallHistory{Call: f.Call, After: f.After}
	}
	reply, err := h.engine.Do(ctx, signal.Command{Backend: f.Backend, Body: body})
	if err != nil {
		return err
	}
	switch reply := reply.(type) {
	case *signal.FeedState:
		if f.After == 0 {
			page.Last = reply.Last
		}
		page.Events = append(page.Events, reply.Events...)
	case *signal.CallEvents:
		page.Events = append(page.Events, reply.Events...)
	}
	if n := len(page.Events); n > 0 {
		page.Last = page.Events[n-1].Sequence
	}
	return nil
}

func number(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseUint(text, 10, 63)
}
