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
	UnknownParticipant Code = "unknown_participant"
	UnknownRoom        Code = "unknown_room"
	Locked             Code = "room_locked"
	Banned             Code = "banned" // taken out, and may not come back yet
	Internal           Code = "internal"

	Left           Code = "left"            // the participant left
	Replaced       Code = "replaced"        // the same identity joined again
	ConnectionLost Code = "connection_lost" // neither signalling nor media came back in time
	SlowClient     Code = "slow_client"     // it did not read its events
	Draining       Code = "draining"        // the server is going down
	Removed        Code = "removed"         // by a moderator or a backend

	CallUnknown       Code = "unknown_call"       // never was, ended long ago, or another tenant's
	CallExists        Code = "call_exists"        // another call has the id
	IDReused          Code = "id_reused"          // the command's id was another command's
	CallFull          Code = "call_full"          // too many calls of the user, or users in the call
	NotInvited        Code = "not_invited"        // the user is not of this call
	NotAnswered       Code = "not_answered"       // the user is rung and has not answered
	InCall            Code = "in_call"            // the device is in it already
	AnsweredElsewhere Code = "answered_elsewhere" // another device of the user has answered, by reason
	WrongState        Code = "wrong_state"        // nothing to cancel, or not active yet
	CallOver          Code = "call_over"          // the ring or the call, by reason
	NotABackend       Code = "not_a_backend"      // only backends may
	CallPlaneOff      Code = "call_plane_off"     // this server carries media only
	DirectOff         Code = "direct_off"         // this server lets no media go from device to device
	Hangup            Code = "hangup"
	Failed            Code = "failed" // media could not connect
	Ended             Code = "ended"  // by the backend or a moderator
	Accepted          Code = "accepted"
	Declined          Code = "declined"
	BusyReason        Code = "busy"
	Missed            Code = "missed"
	Cancelled         Code = "cancelled"
	Glare             Code = "glare"    // both rang each other
	Expired           Code = "expired"  // nobody was ever rung
	TooLong           Code = "too_long" // as long as a call may last
	Taken             Code = "taken"    // another device of the user took over
	Timeout           Code = "timeout"  // of a direct path: it took too long
	Members           Code = "members"  // of a direct path: no longer two devices
	Unready           Code = "unready"  // of a direct path: a device is willing no longer
)

// Error is a refusal: a code for programs and a sentence for people.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Reason is why a ring or a call is over, where the code says that it is.
	Reason Code `json:"reason,omitempty"`
	// RetryAfterMS is how long to wait before the command is tried again, in
	// milliseconds; 0 where waiting does not help or nobody knows.
	RetryAfterMS int64 `json:"retryAfterMs,omitempty"`
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
