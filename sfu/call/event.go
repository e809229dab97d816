package call

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// EventKind is what happened: a closed list.
type EventKind string

// The events.
const (
	OnCreated   EventKind = "created"
	OnRing      EventKind = "ring"      // User is rung; to its devices. Wake them
	OnRinging   EventKind = "ringing"   // From rings
	OnAccepted  EventKind = "accepted"  // From is in; the user's answer
	OnElsewhere EventKind = "elsewhere" // another device has answered: Reason accepted, declined or busy
	OnDeclined  EventKind = "declined"
	OnBusy      EventKind = "busy"
	OnCancelled EventKind = "cancelled" // User is rung no longer, by Reason
	OnMissed    EventKind = "missed"    // User did not answer in time
	OnHeld      EventKind = "held"
	OnResumed   EventKind = "resumed"
	OnTaken     EventKind = "taken"    // From has taken over from another device of User
	OnUpgraded  EventKind = "upgraded" // a third user is in: now a group
	OnLeft      EventKind = "left"     // From left, by Reason
	OnGate      EventKind = "gate"     // Gate of the device To has changed; for the media plane
	OnEnded     EventKind = "ended"    // the last event of a call, with Summary
)

// Event is one thing that happened. The backend sees all of them.
type Event struct {
	Call string
	// Sequence counts the events of the call from 1 without gaps.
	Sequence uint64
	At       time.Time
	Kind     EventKind
	// To is the devices that should be told; empty where none is known.
	To []Device
	// From is the device whose command it was; the backend's, or a deadline's,
	// if zero.
	From Device
	// User is whom it is about.
	User    string
	Reason  Reason
	Gate    Gate
	Expires time.Time // of ring: when it is missed
	Early   bool      // of ring: media may be built already
	Into    string    // of glare: the call that goes on
	Payload []byte    // of the command, untouched; must not be changed
	Summary *Summary  // of ended
}

// Reason is why something ended: a closed list.
type Reason string

// The reasons.
const (
	ReasonHangup    Reason = "hangup"
	ReasonLost      Reason = "connection_lost"
	ReasonFailed    Reason = "failed"   // media could not connect
	ReasonEnded     Reason = "ended"    // by the backend or a moderator
	ReasonDraining  Reason = "draining" // the server goes down
	ReasonAccepted  Reason = "accepted"
	ReasonDeclined  Reason = "declined"
	ReasonBusy      Reason = "busy"
	ReasonMissed    Reason = "missed"
	ReasonCancelled Reason = "cancelled"
	ReasonGlare     Reason = "glare"
	ReasonExpired   Reason = "expired"  // nobody was ever rung
	ReasonTooLong   Reason = "too_long" // Config.MaxDuration
)

// given says whether a command may give the reason.
func (r Reason) given() bool {
	switch r {
	case "", ReasonHangup, ReasonLost, ReasonFailed, ReasonEnded, ReasonDraining:
		return true
	}
	return false
}

// Gate is what a device may do with media.
type Gate uint8

// The gates.
const (
	Closed Gate = iota // no media path; what there is must go
	Gated              // build the path, but nothing flows
	Open
)

// String is the name of the gate.
func (g Gate) String() string { return [...]string{"closed", "gated", "open"}[g] }

// Summary is what a call has been.
type Summary struct {
	Created, Answered, Ended time.Time // Answered is zero where nobody did
	// Duration is from the first answer to the end, or 0.
	Duration       time.Duration
	Group          bool
	Sent, Received units.Size // of all devices
	// MOS is the mean over the devices that have one on the Scale that most have,
	// and Worst the lowest of them; 0 where unknown.
	MOS, Worst float64
	Scale      string
	Users      []UserSummary // in order of their first ring, the creator first
}

// UserSummary is what a call has been for one user.
type UserSummary struct {
	User  string
	State UserState
	// Talked is how long the user was in the call while it was active.
	Talked time.Duration
}

// Code is why a command was refused: a closed list.
type Code string

// The refusals.
const (
	CodeBadCommand   Code = "bad_command"  // a field out of bounds
	CodeUnknownCall  Code = "unknown_call" // never was, or forgotten
	CodeExists       Code = "exists"       // create: another call has the id
	CodeReused       Code = "id_reused"    // the command id was another verb's
	CodeFull         Code = "full"         // a bound of Config
	CodeNotPermitted Code = "not_permitted"
	CodeNotInvited   Code = "not_invited" // the user is not of this call
	CodeNotJoined    Code = "not_joined"  // the user has not answered yet
	CodeJoined       Code = "joined"      // in it already, it cannot answer again
	CodeElsewhere    Code = "elsewhere"   // another device of the user has answered, with Reason
	CodeWrongState   Code = "wrong_state" // nothing to cancel; not active yet
	CodeOver         Code = "over"        // the ring or the call, by Reason
)

// Refusal is the error of a command that changed nothing.
type Refusal struct {
	Code   Code
	Reason Reason
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Reason == "" {
		return "call: " + string(r.Code)
	}
	return "call: " + string(r.Code) + " (" + string(r.Reason) + ")"
}

func refuse(code Code, reason Reason) *Refusal { return &Refusal{code, reason} }
