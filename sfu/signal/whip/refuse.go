package whip

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// problem is the body of a refusal (RFC 9457 §3.1). Code is one of the
// signalling port's, for programs that know it.
type problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Code   signal.Code `json:"code"`
}

// statuses say how HTTP calls a refusal. What is not here is the server's fault.
var statuses = map[signal.Code]int{
	signal.BadMessage:         http.StatusBadRequest,
	signal.UnknownType:        http.StatusBadRequest,
	signal.UnsupportedVersion: http.StatusBadRequest,
	signal.BadOffer:           http.StatusBadRequest,
	signal.BadCandidate:       http.StatusBadRequest,
	signal.TooLarge:           http.StatusRequestEntityTooLarge,
	signal.BadToken:           http.StatusUnauthorized,
	signal.TokenExpired:       http.StatusUnauthorized,
	signal.WrongRoom:          http.StatusForbidden,
	signal.NotPermitted:       http.StatusForbidden,
	signal.NotJoined:          http.StatusNotFound,
	signal.UnknownSession:     http.StatusNotFound,
	signal.RateLimited:        http.StatusTooManyRequests,
	signal.RoomFull:           http.StatusServiceUnavailable,
	signal.ServerFull:         http.StatusServiceUnavailable,
	signal.Draining:           http.StatusServiceUnavailable,
}

// waits say when trying again makes sense.
var waits = map[signal.Code]time.Duration{
	signal.RateLimited: time.Second,
	signal.RoomFull:    30 * time.Second,
	signal.ServerFull:  10 * time.Second,
	signal.Draining:    3 * time.Second, // a restart, or the next node behind the balancer
}

// gone says that an error means the end of a session.
func gone(err error) bool {
	if err == nil {
		return false
	}
	code := signal.AsError(err).Code
	return code == signal.NotJoined || code == signal.UnknownSession
}

// refuse answers err with the status that fits its code.
func refuse(w http.ResponseWriter, err error) {
	e := signal.AsError(err)
	status, known := statuses[e.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	refuseAs(w, status, e)
}

// refuseAs answers err with a status of the caller's choice.
func refuseAs(w http.ResponseWriter, status int, e *signal.Error) {
	header := w.Header()
	if wait := waits[e.Code]; wait > 0 {
		header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	if status == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "" {
		header.Set("WWW-Authenticate", `Bearer realm="rivulet", error="invalid_token"`) // RFC 6750 §3.1
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that hung up needs no answer.
	_ = json.NewEncoder(w).Encode(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code,
	})
}

// refuseUnauthenticated answers a request that carries no token but needs one:
// then the challenge names no error (RFC 6750 §3.1).
func refuseUnauthenticated(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="rivulet"`)
	refuse(w, signal.Errorf(signal.BadToken, "%s", message))
}

// refuseMethod answers 405 with the methods that there are.
func (h *Handler) refuseMethod(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.allowOrigin(w, r) // so that a page learns why
		w.Header().Set("Allow", methods)
		refuseAs(w, http.StatusMethodNotAllowed, signal.Errorf(signal.UnknownType, "%s has no meaning here", r.Method))
	}
}
