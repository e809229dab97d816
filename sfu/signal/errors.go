package signal

import (
	"errors"
	"fmt"
)

// Code is an error code or an end reason: a closed list that clients branch on.
type Code string

// The error codes and end reasons of version 1.
const (
	BadMessage         Code = "bad_message"         // not JSON, or a field out of bounds
	UnknownType        Code = "unknown_type"        // no such command
	TooLarge           Code = "too_large"           // message over MaxMessageSize
	UnsupportedVersion Code = "unsupported_version" // not version 1
	BadToken           Code = "bad_token"           // missing, malformed or wrongly signed
	TokenExpired       Code = "token_expired"
	WrongRoom          Code = "wrong_room"    // the token is for another room
	NotPermitted       Code = "not_permitted" // the token does not allow it
	NotJoined          Code = "not_joined"    // the first command must be join or resume
	AlreadyJoined      Code = "already_joined"
	RoomFull           Code = "room_full"
	ServerFull         Code = "server_full"
	RateLimited        Code = "rate_limited" // try again later
	BadOffer           Code = "bad_offer"
	BadCandidate       Code = "bad_candidate"
	UnknownSession     Code = "unknown_session" // resume: gone; join again
	EventsLost         Code = "events_lost"     // resume: too far behind; join again
	UnknownTrack       Code = "unknown_track"
	UnknownSlot        Code = "unknown_slot"
	Internal           Code = "internal"

	Left           Code = "left"            // the participant left
	Replaced       Code = "replaced"        // the same identity joined again
	ConnectionLost Code = "connection_lost" // neither signalling nor media came back in time
	SlowClient     Code = "slow_client"     // it did not read its events
	Draining       Code = "draining"        // the server is going down
)

// Error is a refusal: a code for programs and a sentence for people.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError answers err as an Error; anything that is none becomes Internal
// without its text, which may tell more than a client should know.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: "the server failed to carry this out; its log says why"}
}
