// Package call decides the life of a call: who is being rung, which device
// answers, who is in it, and when and why it is over. It is the call plane
// alone: who may send what is the media plane's, which it only tells, with one
// Gate for each device, when media may be built and when it may flow.
//
// Input is an Exchange's Do, one Command of a device (or of the backend, which
// is the zero Device), and Tick at the time that Next named. Output is the
// Events that follow, numbered for each call without gaps, each with the
// devices it is for; a command that cannot be obeyed gets a *Refusal and
// changes nothing. Whether the sender is who it says it is, and may call whom,
// has been decided before. Payload bytes are carried from a command to its
// event and never looked at.
//
// Our commands and events in the words of XEP-0353 (Jingle Message Initiation)
// and SIP (RFC 3261):
//
//	command   event       XEP-0353         SIP
//	ring      ring        propose          INVITE
//	ringing   ringing     ringing          180 Ringing
//	accept    accepted    proceed          200 OK
//	decline   declined    reject           603 Decline
//	busy      busy        reject (busy)    486 Busy Here
//	cancel    cancelled   retract          CANCEL
//	-         missed      retract (expired) 408, or CANCEL on expiry (§13.1)
//	-         elsewhere   accept or reject of another resource
//	                                       CANCEL, "completed elsewhere" (RFC 3326)
//	take      taken       -                INVITE with Replaces (RFC 3891)
//	hold      held        -                re-INVITE, sendonly (RFC 3264 §8.4)
//	leave     left, ended finish           BYE
//
// # A call
//
// What a command does to a call of two, and what a refused one is answered
// with. ring is of a third user, leave is the caller's; hold and resume are too.
//
//	state   | create | ring    | ringing     | accept      | decline     | busy        | cancel      | hold        | resume      | take    | leave | end   | expiry
//	created | exists | ringing | not_invited | not_invited | not_invited | not_invited | ended       | wrong_state | wrong_state | created | ended | ended | ended
//	ringing | exists | ringing | ringing     | active      | ended       | ended       | ended       | wrong_state | wrong_state | ringing | ended | ended | ended
//	active  | exists | active  | joined      | active      | joined      | joined      | wrong_state | active      | active      | active  | ended | ended | ended
//	ended   | exists | over    | over        | over        | over        | over        | over        | over        | over        | over    | over  | over  | forgotten
//
// A call becomes active with its first answer and never rings as a whole again;
// ring then invites into it, and with the third user in it is a group. It ends
// when nobody is in it, when one is in it and nobody is being rung, by end, or
// at one of its deadlines, of which every state has one: no call lasts for ever.
//
// # A user in a call
//
// What a command does to a user of an active call. "other" is another device of
// the user than the one that answered. Refusals carry the reason with them.
//
//	state     | ring     | ringing     | accept      | other accept | decline     | other decline | busy        | cancel      | hold        | resume      | other take  | leave       | expiry
//	absent    | invited  | not_invited | not_invited | not_invited  | not_invited | not_invited   | not_invited | wrong_state | not_invited | not_invited | not_invited | not_invited | absent
//	invited   | invited  | alerting    | joined      | joined       | declined    | declined      | busy        | cancelled   | not_joined  | not_joined  | not_joined  | not_joined  | missed
//	alerting  | alerting | alerting    | joined      | joined       | declined    | declined      | busy        | cancelled   | not_joined  | not_joined  | not_joined  | not_joined  | missed
//	joined    | joined   | joined!     | joined      | elsewhere    | joined!     | elsewhere     | joined!     | wrong_state | held        | joined      | joined      | left        | joined
//	held      | held     | joined!     | held        | elsewhere    | joined!     | elsewhere     | joined!     | wrong_state | held        | joined      | held        | left        | held
//	declined  | invited  | over        | over        | elsewhere    | declined    | elsewhere     | over        | wrong_state | over        | over        | over        | over        | declined
//	busy      | invited  | over        | over        | elsewhere    | over        | elsewhere     | busy        | wrong_state | over        | over        | over        | over        | busy
//	missed    | invited  | over        | over        | over         | over        | over          | over        | wrong_state | over        | over        | over        | over        | missed
//	cancelled | invited  | over        | over        | over         | over        | over          | over        | wrong_state | over        | over        | over        | over        | cancelled
//	left      | invited  | over        | over        | over         | over        | over          | over        | wrong_state | over        | over        | over        | over        | left
//
// (joined! is the refusal "joined": in this call already.)
//
// The first answer of any of a user's devices is the user's answer, be it yes,
// no or busy, and all others are told "elsewhere". A device with call waiting
// rings instead of saying busy. A caller who wants out, whatever has happened
// meanwhile, sends leave: cancel is refused once all have answered, as in SIP
// (RFC 3261 §9.1).
//
// A device that takes over from another one of its user stands where that one
// stood: in the call or held, and as its creator where that one was.
//
// # Glare
//
// When two users ring each other and neither has answered, the call with the
// lower id stays (XEP-0353 breaks ties so), whichever came first, and is
// answered by the device that made the other one, which ends with reason glare
// and names the call that it went into. Both calls must be of two and in the
// same Exchange: a cluster places the calls of a pair of users together.
//
// # Gates
//
// A ring may allow its targets to connect early. Their media paths are then
// built while it rings, gated: nothing flows. The answer opens those of both
// sides in the same instant, and closes those of the answerer's other devices.
//
//	created, ringing: caller gated; rung devices gated if early, else closed
//	active:           joined open, held gated, rung as above, all others closed
//
// # Repeats
//
// A command with an id that its device has used in this call is answered as it
// was then, without acting again; the last Config.Remembered of each device are
// kept until Config.Linger after the end. What a user was refused who is not of
// the call is not kept, nor that of more than twice Config.MaxDevices devices.
//
// The package is pure and deterministic: no map is ever iterated. An Exchange
// belongs to one goroutine.
package call
