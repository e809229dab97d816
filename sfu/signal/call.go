package signal

// Bounds of the call plane.
const (
	MaxPayload = 64 << 10 // bytes that a command carries for somebody else
	MaxTargets = 128
	MaxDevices = 8 // of one user that a ring names
	MaxUser    = 64
)

// Verb is what a Call command asks for; its type on the wire is "call." and this.
type Verb string

// The verbs of the call plane.
const (
	CallCreate  Verb = "create"  // a call with the sender in it; rings Targets if there are any
	CallRing    Verb = "ring"    // Targets; into a running call too, which becomes a group
	CallRinging Verb = "ringing" // the device shows the ring
	CallAccept  Verb = "accept"
	CallDecline Verb = "decline"
	CallBusy    Verb = "busy"
	CallCancel  Verb = "cancel" // the ring of Targets, or of all that the sender may
	CallHold    Verb = "hold"
	CallResume  Verb = "resume"
	CallTake    Verb = "take" // over from another device of the same user, which is in the call
	CallLeave   Verb = "leave"
	CallEnd     Verb = "end" // for everybody
)

// verbs lists them.
var verbs = []Verb{
	CallCreate, CallRing, CallRinging, CallAccept, CallDecline, CallBusy, CallCancel, CallHold, CallResume, CallTake,
	CallLeave, CallEnd,
}

// Verbs lists the verbs of the call plane.
func Verbs() []Verb { return append([]Verb(nil), verbs...) }

// Device is one device of one user.
type Device struct {
	User   string `json:"user"`
	Device string `json:"device"`
}

// Target is one user to ring.
type Target struct {
	User string `json:"user"`
	// Devices to ring; empty for all that the directory knows.
	Devices []string `json:"devices,omitempty"`
}

// Call is one command of the call plane. Fields that its verb does not use are
// ignored.
type Call struct {
	Verb Verb `json:"-"`
	// Call is its id, chosen by who creates it (empty: by the server), and also
	// the name of the room that carries its media.
	Call string `json:"call,omitempty"`
	// From is the device on whose behalf a backend acts; nil for the backend
	// itself. What a client writes here is ignored: its session says who it is.
	From    *Device  `json:"from,omitempty"`
	Targets []Target `json:"targets,omitempty"`
	// LifetimeMS is how long to ring, in milliseconds; 0 for the server's
	// default. It is held within the server's bounds.
	LifetimeMS int64 `json:"lifetimeMs,omitempty"`
	// Early lets the rung devices build their media while it rings.
	Early bool `json:"early,omitempty"`
	// Reason is of leave and end: one of hangup, connection_lost, failed, ended.
	Reason Code `json:"reason,omitempty"`
	// Payload is carried to the event that follows, untouched: an offer, a
	// display name, whatever the application encrypts for the other side.
	Payload []byte `json:"payload,omitempty"`
}

// CallQuery asks how a call stands. The reply is CallState.
type CallQuery struct {
	Call string `json:"call"`
}

// Type answers the name on the wire.
func (c *Call) Type() string    { return "call." + string(c.Verb) }
func (*CallQuery) Type() string { return "call.state" }

// Validate bounds the fields.
func (c *Call) Validate() error {
	if c.Call == "" && c.Verb != CallCreate {
		return Errorf(BadMessage, "%s: the id of the call is missing", c.Type())
	}
	if err := validText("call", c.Call, MaxNameLength); err != nil {
		return err
	}
	if c.From != nil {
		if err := c.From.validate("from"); err != nil {
			return err
		}
	}
	if len(c.Payload) > MaxPayload {
		return Errorf(TooLarge, "the payload has %d bytes; at most %d are carried", len(c.Payload), MaxPayload)
	}
	if c.LifetimeMS < 0 || c.LifetimeMS > 3_600_000 {
		return Errorf(BadMessage, "%s: lifetimeMs must be 0 to 3,600,000", c.Type())
	}
	if c.Verb == CallRing && len(c.Targets) == 0 {
		return Errorf(BadMessage, "call.ring: targets is empty: name whom to ring")
	}
	switch c.Reason {
	case "", Hangup, ConnectionLost, Failed, Ended, Draining:
	default:
		return Errorf(BadMessage, "%s: %.32q is no reason that a command may give", c.Type(), string(c.Reason))
	}
	return validTargets(c.Targets)
}

func validTargets(targets []Target) error {
	if len(targets) > MaxTargets {
		return Errorf(BadMessage, "at most %d users are rung at once", MaxTargets)
	}
	for _, t := range targets {
		if t.User == "" || len(t.Devices) > MaxDevices {
			return Errorf(BadMessage, "targets: each needs a user, and at most %d devices", MaxDevices)
		}
		if err := validText("user", t.User, MaxUser); err != nil {
			return err
		}
		for _, d := range t.Devices {
			if err := (&Device{t.User, d}).validate("targets"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Device) validate(field string) error {
	if d.User == "" || d.Device == "" {
		return Errorf(BadMessage, "%s: a user and a device are needed", field)
	}
	if err := validText(field, d.User, MaxUser); err != nil {
		return err
	}
	return validText(field, d.Device, MaxNameLength)
}

// Validate bounds the fields.
func (c *CallQuery) Validate() error {
	if c.Call == "" {
		return Errorf(BadMessage, "call.state: the id of the call is missing")
	}
	return validText("call", c.Call, MaxNameLength)
}

// Created answers Call with the verb create.
type Created struct {
	Call string `json:"call"`
}

// CallState answers CallQuery, and stands in Connected for each call of the user.
type CallState struct {
	Call string `json:"call"`
	// State is created, ringing, active or ended.
	State   string     `json:"state"`
	Creator Device     `json:"creator"`
	Group   bool       `json:"group,omitempty"`
	Reason  Code       `json:"reason,omitempty"`
	Number  uint64     `json:"number"` // of its last event
	Users   []CallUser `json:"users"`
}

// CallUser is one user of a call.
type CallUser struct {
	User string `json:"user"`
	// State is invited, alerting, joined, held, declined, busy, missed,
	// cancelled or left.
	State string `json:"state"`
	// Device is the one that answered.
	Device string `json:"device,omitempty"`
	// ExpiresMS is how long it is still rung, in milliseconds.
	ExpiresMS int64 `json:"expiresMs,omitempty"`
}

// ReplyType answers the name on the wire.
func (*Created) ReplyType() string   { return "call.created" }
func (*CallState) ReplyType() string { return "call.state" }

// CallEventKind is what happened to a call; its type on the wire is "call." and this.
type CallEventKind string

// The events of the call plane.
const (
	CallCreated   CallEventKind = "created"
	CallRung      CallEventKind = "ring"      // User is rung
	CallAlerting  CallEventKind = "ringing"   // From shows the ring
	CallAccepted  CallEventKind = "accepted"  // From is in
	CallElsewhere CallEventKind = "elsewhere" // another device of the user has answered, by Reason
	CallDeclined  CallEventKind = "declined"
	CallIsBusy    CallEventKind = "busy"
	CallCancelled CallEventKind = "cancelled" // User is rung no longer
	CallMissed    CallEventKind = "missed"    // User did not answer in time
	CallHeld      CallEventKind = "held"
	CallResumed   CallEventKind = "resumed"
	CallTaken     CallEventKind = "taken"    // From has taken over from another device of User
	CallUpgraded  CallEventKind = "upgraded" // a third user is in: now a group
	CallLeft      CallEventKind = "left"
	CallGate      CallEventKind = "gate" // what a device may do with media; for backends
	CallEnded     CallEventKind = "ended"
)

// CallEvent is one thing that happened to a call.
type CallEvent struct {
	Kind CallEventKind `json:"-"`
	Call string        `json:"call"`
	// Number counts the call's events from 1 without gaps; a device is told
	// only of those that concern it.
	Number uint64 `json:"number"`
	// At is when, in milliseconds since 1970 by the server's clock.
	At int64 `json:"at"`
	// From is the device whose command it was; missing for the backend's and
	// for what time has brought.
	From *Device `json:"from,omitempty"`
	User string  `json:"user,omitempty"`
	// To are the devices that are told; for backends only.
	To     []Device `json:"to,omitempty"`
	Reason Code     `json:"reason,omitempty"`
	// Gate is closed, gated or open.
	Gate string `json:"gate,omitempty"`
	// LifetimeMS is how long it still rings, in milliseconds.
	LifetimeMS int64 `json:"lifetimeMs,omitempty"`
	Early      bool  `json:"early,omitempty"`
	// Into is the call that goes on after glare.
	Into    string       `json:"into,omitempty"`
	Payload []byte       `json:"payload,omitempty"`
	Summary *CallSummary `json:"summary,omitempty"`
	// Wake are the devices of To that are not connected: wake them by push. For
	// backends only.
	Wake []Device `json:"wake,omitempty"`
}

// EventType answers the name on the wire.
func (e *CallEvent) EventType() string { return "call." + string(e.Kind) }

// CallSummary is what a call has been.
type CallSummary struct {
	// DurationMS is from the first answer to the end, in milliseconds.
	DurationMS int64 `json:"durationMs"`
	RingMS     int64 `json:"ringMs"` // from the creation to the first answer or the end
	Group      bool  `json:"group,omitempty"`
	// Sent and Received are bytes of IP packets of all devices, as they see it.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	// MOS is the mean opinion score of what devices heard, 1 to 5, Worst that of
	// the worst one; missing where unknown. Both are on the Scale (narrowband,
	// wideband, fullband) of most devices, and of these devices only.
	MOS   float64         `json:"mos,omitempty"`
	Worst float64         `json:"worst,omitempty"`
	Scale string          `json:"mosScale,omitempty"`
	Users []CallUserTotal `json:"users"`
}

// CallUserTotal is what a call has been for one user.
type CallUserTotal struct {
	User     string `json:"user"`
	State    string `json:"state"`
	TalkedMS int64  `json:"talkedMs"`
}
