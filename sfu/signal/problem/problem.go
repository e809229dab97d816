// Package problem says refusals of the signalling port in the words of HTTP: a
// status, and a body of RFC 9457 that carries the port's own code, for all
// adapters that answer requests.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Problem is the body of a refusal (RFC 9457 §3.1). Code, Reason and
// RetryAfterMS are those of signal.Error, for programs that know them.
type Problem struct {
	Type         string      `json:"type"`
	Title        string      `json:"title"`
	Status       int         `json:"status"`
	Detail       string      `json:"detail"`
	Code         signal.Code `json:"code"`
	Reason       signal.Code `json:"reason,omitempty"`
	RetryAfterMS int64       `json:"retryAfterMs,omitempty"`
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
	signal.NotABackend:        http.StatusForbidden,
	signal.NotInvited:         http.StatusForbidden,
	signal.Locked:             http.StatusForbidden,
	signal.NotJoined:          http.StatusNotFound,
	signal.UnknownSession:     http.StatusNotFound,
	signal.UnknownTrack:       http.StatusNotFound,
	signal.UnknownParticipant: http.StatusNotFound,
	signal.UnknownRoom:        http.StatusNotFound,
	signal.CallUnknown:        http.StatusNotFound,
	signal.CallPlaneOff:       http.StatusNotFound,
	signal.EventsLost:         http.StatusGone,
	signal.CallExists:         http.StatusConflict,
	signal.IDReused:           http.StatusConflict,
	signal.CallFull:           http.StatusConflict,
	signal.NotAnswered:        http.StatusConflict,
	signal.InCall:             http.StatusConflict,
	signal.AnsweredElsewhere:  http.StatusConflict,
	signal.WrongState:         http.StatusConflict,
	signal.CallOver:           http.StatusConflict,
	signal.RateLimited:        http.StatusTooManyRequests,
	signal.RoomFull:           http.StatusServiceUnavailable,
	signal.ServerFull:         http.StatusServiceUnavailable,
	signal.Draining:           http.StatusServiceUnavailable,
}

// waits say when trying again makes sense, where the refusal does not.
var waits = map[signal.Code]time.Duration{
	signal.RateLimited: time.Second,
	signal.RoomFull:    30 * time.Second,
	signal.ServerFull:  10 * time.Second,
	signal.Draining:    3 * time.Second, // a restart, or the next node behind the balancer
}

// Status answers the status that fits a code.
func Status(code signal.Code) int {
	if status, known := statuses[code]; known {
		return status
	}
	return http.StatusInternalServerError
}

// Write answers err with the status that fits its code.
func Write(w http.ResponseWriter, err error) {
	e := signal.AsError(err)
	WriteAs(w, Status(e.Code), e)
}

// WriteAs answers err with a status of the caller's choice.
func WriteAs(w http.ResponseWriter, status int, e *signal.Error) {
	header := w.Header()
	wait := waits[e.Code]
	if e.RetryAfterMS > 0 {
		wait = time.Duration(e.RetryAfterMS) * time.Millisecond
	}
	if wait > 0 {
		header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	if status == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "" {
		header.Set("WWW-Authenticate", `Bearer realm="rivulet", error="invalid_token"`) // RFC 6750 §3.1
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that hung up needs no answer.
	_ = json.NewEncoder(w).Encode(Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code,
		Reason: e.Reason, RetryAfterMS: e.RetryAfterMS,
	})
}

// WriteUnauthenticated answers a request that carries no token but needs one:
// then the challenge names no error (RFC 6750 §3.1).
func WriteUnauthenticated(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="rivulet"`)
	Write(w, signal.Errorf(signal.BadToken, "%s", message))
}
