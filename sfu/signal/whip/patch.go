package whip

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
)

// errUnknown answers an address behind which there is nothing (any more).
var errUnknown = signal.Errorf(signal.UnknownSession, "there is no such session; it may have ended")

// errPrecondition says that If-Match named another ICE session.
var errPrecondition = errors.New("precondition failed")

// find answers the session of a request, or refuses it and answers nil.
func (h *Handler) find(w http.ResponseWriter, r *http.Request, k kind) *session {
	s := h.sessions.find(k, r.PathValue("room"), r.PathValue("session"))
	if s == nil {
		refuse(w, errUnknown)
		return nil
	}
	token := bearer(r)
	switch {
	case s.admits(token):
		return s
	case token == "":
		problem.WriteUnauthenticated(w, "the token with which the session was made is missing")
	default:
		refuse(w, signal.Errorf(signal.BadToken, "the session was made with another token"))
	}
	return nil
}

// do carries out a command of the session, and forgets it when it has ended.
func (h *Handler) do(r *http.Request, s *session, b signal.Body) (signal.Reply, error) {
	reply, err := h.engine.Do(r.Context(), signal.Command{
		Session: s.engine, Remote: hostOf(r.RemoteAddr), Host: hostOf(r.Host), Body: b,
	})
	if gone(err) {
		h.sessions.remove(s)
		return nil, errUnknown
	}
	return reply, err
}

// end ends the session (RFC 9725 §4.2); If-Match does not matter here.
func (h *Handler) end(w http.ResponseWriter, r *http.Request, k kind) {
	s := h.find(w, r, k)
	if s == nil {
		return
	}
	if _, err := h.do(r, s, &signal.Leave{}); err != nil {
		refuse(w, err)
		return
	}
	h.sessions.remove(s)
	w.WriteHeader(http.StatusOK)
}

// patch trickles candidates or restarts ICE (RFC 9725 §4.3).
func (h *Handler) patch(w http.ResponseWriter, r *http.Request, k kind) {
	s := h.find(w, r, k)
	if s == nil {
		return
	}
	if !s.allow(time.Now(), 1) {
		refuseRate(w)
		return
	}
	text, err := body(w, r, mediaFragment)
	if err != nil {
		refuseBody(w, err, "Accept-Patch", mediaFragment)
		return
	}
	condition := readPrecondition(r.Header)
	if !condition.present {
		problem.WriteAs(w, http.StatusPreconditionRequired,
			signal.Errorf(signal.BadMessage, `If-Match is missing: send the ETag of the session, or "*" to restart ICE`))
		return
	}
	f, err := parseFragment(text)
	if err != nil {
		refuse(w, err)
		return
	}
	if !s.acquire(r.Context()) {
		return // the client hung up
	}
	defer s.release()
	restarted, err := h.apply(r, s, condition, f)
	switch {
	case errors.Is(err, errPrecondition):
		problem.WriteAs(w, http.StatusPreconditionFailed,
			signal.Errorf(signal.BadMessage, "the ETag is not that of the current ICE session"))
	case err != nil:
		refuse(w, err)
	case restarted == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		header := w.Header()
		header.Set("ETag", s.etag)
		header.Set("Content-Type", mediaFragment)
		header.Set("Cache-Control", "no-store")
		addLinks(header, restarted.ICEServers)
		// A client that hung up asks again.
		_, _ = io.WriteString(w, s.restarted)
	}
}

func refuseRate(w http.ResponseWriter) {
	refuse(w, signal.Errorf(signal.RateLimited, "too many changes of this session; wait a second"))
}

// apply carries out a fragment. The answer is nil when there was no restart.
// The session's turn is held.
func (h *Handler) apply(r *http.Request, s *session, condition precondition, f fragment) (*signal.Restarted, error) {
	if !condition.meets(s.etag) {
		return nil, errPrecondition
	}
	fresh := f.ufrag != "" && (f.ufrag != s.ufrag || f.pwd != s.pwd && f.pwd != "")
	for i := range f.candidates {
		// Before the restart, so that a bad candidate changes nothing.
		if _, err := h.do(r, s, &f.candidates[i]); err != nil {
			return nil, err
		}
	}
	if fresh {
		return h.restart(r, s, f)
	}
	if _, err := h.do(r, s, &signal.Ping{}); err != nil {
		return nil, err // it has ended
	}
	if condition.any && f.ufrag != "" && s.restarted != "" {
		// The same restart again: its answer was lost on the way.
		return &signal.Restarted{}, nil
	}
	return nil, nil
}

// restart renews ICE with the last offer and the credentials of the fragment.
// Everything else stays as it was agreed (RFC 9725 §4.3.3).
func (h *Handler) restart(r *http.Request, s *session, f fragment) (*signal.Restarted, error) {
	if f.pwd == "" {
		return nil, signal.Errorf(signal.BadMessage, "a restart needs an ice-pwd beside its ice-ufrag")
	}
	if !s.allow(time.Now(), restartCost) {
		return nil, signal.Errorf(signal.RateLimited, "too many restarts of this session; wait some seconds")
	}
	offer := withCredentials(s.offer, f.ufrag, f.pwd)
	reply, err := h.do(r, s, &signal.Restart{Offer: offer})
	if err != nil {
		return nil, err
	}
	restarted, ok := reply.(*signal.Restarted)
	if !ok {
		return nil, signal.Errorf(signal.Internal, "the engine did not answer a restart with restarted")
	}
	s.offer, s.ufrag, s.pwd = offer, f.ufrag, f.pwd
	s.etag, s.restarted = newTag(), fragmentOf(restarted.Answer)
	return restarted, nil
}
