package whip

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
)

// cleanupTimeout bounds leaving a session that its client will never hear of.
const cleanupTimeout = 5 * time.Second

// create joins the room with the offer in the body (RFC 9725 §4.2). The name
// and, on a server that needs no tokens, the identity may stand in the query.
func (h *Handler) create(w http.ResponseWriter, r *http.Request, k kind) {
	offer, err := body(w, r, mediaOffer)
	if err != nil {
		refuseBody(w, err, "Accept-Post", mediaOffer)
		return
	}
	join, err := joinOf(k, r.PathValue("room"), offer)
	if err != nil {
		refuse(w, err)
		return
	}
	query := r.URL.Query()
	join.Name, join.Identity = query.Get("name"), query.Get("identity")
	join.Token = bearer(r)
	size := len(join.Offer)
	if !h.makeRoom(r.Context(), size) {
		h.log.Warn("no more WHIP and WHEP sessions fit", "limit", h.sessions.limit)
		refuse(w, signal.Errorf(signal.ServerFull, "this server holds as many HTTP sessions as it may"))
		return
	}
	s, joined, err := h.join(r, k, join)
	if err != nil {
		h.sessions.cancel(size)
		if join.Token == "" && signal.AsError(err).Code == signal.BadToken {
			problem.WriteUnauthenticated(w, signal.AsError(err).Message)
			return
		}
		refuse(w, err)
		return
	}
	h.sessions.add(s, size)
	header := w.Header()
	header.Set("Location", "/"+string(k)+"/"+url.PathEscape(s.room)+"/"+s.id)
	header.Set("ETag", s.etag)
	header.Set("Accept-Patch", mediaFragment)
	header.Set("Cache-Control", "no-store") // the Link headers carry passwords
	addLinks(header, joined.ICEServers)
	header.Set("Content-Type", mediaOffer)
	w.WriteHeader(http.StatusCreated)
	// A client that hung up is noticed by its missing media.
	_, _ = io.WriteString(w, joined.Answer)
}

// join carries out the join and describes its session.
func (h *Handler) join(r *http.Request, k kind, join *signal.Join) (*session, *signal.Joined, error) {
	reply, err := h.engine.Do(r.Context(), signal.Command{Remote: hostOf(r.RemoteAddr), Host: hostOf(r.Host), Body: join})
	if err != nil {
		return nil, nil, err
	}
	joined, ok := reply.(*signal.Joined)
	if !ok {
		return nil, nil, signal.Errorf(signal.Internal, "the engine did not answer a join with joined")
	}
	offered := describe(join.Offer)
	if media := firstRejected(offered, describe(joined.Answer)); media != "" {
		// RFC 9725 §4.4.3: no half sessions, which would mislead people.
		h.leave(r.Context(), joined.Session)
		return nil, nil, signal.Errorf(signal.BadOffer, "the offer has no %s codec that is forwarded here", media)
	}
	joined.Answer = withRole(joined.Answer, offered)
	s := newSession(k, join.Room, join.Token)
	s.engine = joined.Session
	s.offer, s.ufrag, s.pwd = join.Offer, offered.ufrag, offered.pwd
	return s, joined, nil
}

// leave ends a session that its client does not know of.
func (h *Handler) leave(ctx context.Context, session string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if _, err := h.engine.Do(ctx, signal.Command{Session: session, Body: &signal.Leave{}}); err != nil && !gone(err) {
		h.log.Warn("a refused session could not be left", "error", err)
	}
}

// makeRoom reserves a place and forgets some sessions that have ended.
func (h *Handler) makeRoom(ctx context.Context, size int) bool {
	h.forgetEnded(ctx, sampled)
	if h.sessions.reserve(size) {
		return true
	}
	h.forgetEnded(ctx, sampledWhenFull)
	return h.sessions.reserve(size)
}

// forgetEnded asks the engine for some sessions and forgets those that it does
// not know any more.
func (h *Handler) forgetEnded(ctx context.Context, n int) {
	for _, s := range h.sessions.sample(n) {
		if _, err := h.engine.Do(ctx, signal.Command{Session: s.engine, Body: &signal.Ping{}}); gone(err) {
			h.sessions.remove(s)
		}
	}
}
