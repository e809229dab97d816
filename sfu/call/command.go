package call

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Device is one device of one user. The zero Device is the backend.
type Device struct{ User, ID string }

// Backend says whether the device is none: the command is the backend's own.
func (d Device) Backend() bool { return d == Device{} }

// String is the device as user/id, and "backend" for the backend.
func (d Device) String() string {
	if d.Backend() {
		return "backend"
	}
	return d.User + "/" + d.ID
}

// Verb is what a command asks for: a closed list.
type Verb string

// The commands.
const (
	Create  Verb = "create"  // a call with From alone in it
	Ring    Verb = "ring"    // Targets; into a running call too. By whoever is in it, and the backend
	Ringing Verb = "ringing" // From shows or sounds the ring
	Accept  Verb = "accept"
	Decline Verb = "decline" // for the whole user
	Busy    Verb = "busy"    // for the whole user
	Cancel  Verb = "cancel"  // the ring of Targets, or of all that From may: its own, the creator and backend any
	Hold    Verb = "hold"
	Resume  Verb = "resume"
	Take    Verb = "take"   // over from another device of From's user, which is in the call
	Leave   Verb = "leave"  // From, with Reason; cancels all where nobody has answered
	End     Verb = "end"    // for all, with Reason; by the creator while in it, and the backend
	Report  Verb = "report" // Usage alone, of a device that is or was in it; from the media plane
)

// Command is one request. Fields that its verb does not use are ignored.
type Command struct {
	ID   string // of this command, unique in the call for its device; required
	Call string // of the call, chosen by its creator; required
	From Device
	Verb Verb

	Targets  []Target
	Lifetime time.Duration // of the ring; 0 for Config.RingLifetime
	// Early allows the targets to build their media while it rings.
	Early bool
	// Reason is of leave and end: ReasonHangup (where empty), ReasonLost,
	// ReasonFailed, ReasonEnded or ReasonDraining.
	Reason Reason
	// Usage is what From has used so far. Only the media plane knows: what a
	// client claims must not come here.
	Usage *Usage
	// Payload is carried to the event that follows, at most MaxPayload bytes.
	Payload []byte
}

// Target is one user to ring, with the devices that are known; others of the
// user, woken by a push, may join in as long as it rings.
type Target struct {
	User    string
	Devices []string
}

// Usage is what one device has used in a call: bytes of IP packets, and the
// mean opinion score of what it heard, 1 to 5 on the Scale, or 0 where unknown.
type Usage struct {
	Sent, Received units.Size
	MOS            float64
	Scale          string // scores of different ones are not compared
}

// maxScale bounds the name of a scale, in bytes.
const maxScale = 32

func (u *Usage) valid() bool {
	return u == nil || (len(u.Scale) <= maxScale && u.Sent >= 0 && u.Received >= 0 && !math.IsNaN(u.MOS) && (u.MOS == 0 || (u.MOS >= 1 && u.MOS <= 5)))
}

// merge takes the newer of two: bytes only grow, so an older report that comes
// late takes nothing away.
func (u *Usage) merge(newer Usage) {
	if newer.MOS != 0 && newer.Sent+newer.Received >= u.Sent+u.Received {
		u.MOS, u.Scale = newer.MOS, newer.Scale
	}
	u.Sent, u.Received = max(u.Sent, newer.Sent), max(u.Received, newer.Received)
}

// validate bounds every field.
func (c *Command) validate(config *Config) *Refusal {
	known := false
	switch c.Verb {
	case Create, Ringing, Accept, Decline, Busy, Hold, Resume, Take, Leave, Report:
		known = !c.From.Backend()
	case Ring, Cancel, End:
		known = true
	}
	device := c.From.Backend() || (named(c.From.User) && named(c.From.ID))
	if !known || !device || !named(c.ID) || !named(c.Call) || len(c.Payload) > MaxPayload ||
		!c.Usage.valid() || c.Lifetime < 0 || len(c.Targets) > config.MaxUsers {
		return refuse(CodeBadCommand, "")
	}
	if c.Verb == Ring && len(c.Targets) == 0 {
		return refuse(CodeBadCommand, "")
	}
	if (c.Verb == Leave || c.Verb == End) && !c.Reason.given() {
		return refuse(CodeBadCommand, "")
	}
	users := map[string]bool{}
	for _, t := range c.Targets {
		if !named(t.User) || users[t.User] || len(t.Devices) > config.MaxDevices {
			return refuse(CodeBadCommand, "")
		}
		users[t.User] = true
		devices := map[string]bool{}
		for _, d := range t.Devices {
			if !named(d) || devices[d] {
				return refuse(CodeBadCommand, "")
			}
			devices[d] = true
		}
	}
	return nil
}

func named(s string) bool { return s != "" && len(s) <= MaxID }
