package call

import (
	"slices"
	"time"
)

// UserState is where a user of a call stands.
type UserState string

// The states of a user, as drawn in the package comment.
const (
	UserAbsent    UserState = "absent"
	UserInvited   UserState = "invited"
	UserAlerting  UserState = "alerting"
	UserJoined    UserState = "joined"
	UserHeld      UserState = "held"
	UserDeclined  UserState = "declined"
	UserBusy      UserState = "busy"
	UserMissed    UserState = "missed"
	UserCancelled UserState = "cancelled"
	UserLeft      UserState = "left"
)

// reason is why a user who is neither rung nor in the call is not.
func (s UserState) reason() Reason {
	switch s {
	case UserDeclined, UserBusy, UserMissed, UserCancelled:
		return Reason(s)
	}
	return ReasonHangup
}

// user is one user of one call.
type user struct {
	name     string
	state    UserState
	by       string // the user who rang, "" for the backend
	device   string // that answered, whatever it said
	legs     []*leg
	early    bool
	payload  []byte // of the ring, for devices that turn up later
	deadline time.Time
	since    time.Time     // joined or held: when that began
	talked   time.Duration // in earlier stays
	past     Usage         // of legs that are gone; the lowest MOS
}

// leg is one device of a user of a call.
type leg struct {
	id       string
	rung     bool // by the present ring, or the last
	alerted  bool // has said that it rings
	answered bool // has been in the call
	gate     Gate
	usage    Usage
	memory   memory
}

func (u *user) pending() bool { return u.state == UserInvited || u.state == UserAlerting }
func (u *user) in() bool      { return u.state == UserJoined || u.state == UserHeld }

func (u *user) leg(id string) *leg {
	for _, l := range u.legs {
		if l.id == id {
			return l
		}
	}
	return nil
}

// winner is the device that is in the call, where one is.
func (u *user) winner() Device { return Device{u.name, u.device} }

// devices lists the user's devices that are (or were last) rung, but one.
func (u *user) devices(but string) (list []Device) {
	for _, l := range u.legs {
		if l.rung && l.id != but {
			list = append(list, Device{u.name, l.id})
		}
	}
	return list
}

// ring begins a ring on the devices named. Others stay known up to a limit,
// lest what they repeat answers this ring.
func (u *user) ring(devices []string, limit int) {
	legs := make([]*leg, 0, len(devices))
	for _, id := range devices {
		l := u.leg(id)
		if l == nil {
			l = &leg{id: id}
		}
		l.rung, l.alerted = true, false
		legs = append(legs, l)
	}
	for _, l := range u.legs {
		switch {
		case slices.Contains(devices, l.id):
		case len(legs) < limit:
			l.rung, l.alerted = false, false
			legs = append(legs, l)
		default:
			u.past.Sent += l.usage.Sent
			u.past.Received += l.usage.Received
			if l.usage.MOS != 0 && (u.past.MOS == 0 || l.usage.Scale == u.past.Scale && l.usage.MOS < u.past.MOS) {
				u.past.MOS, u.past.Scale = l.usage.MOS, l.usage.Scale
			}
		}
	}
	u.legs, u.state, u.device = legs, UserInvited, ""
}

// gateOf is what a device of the user may do with media in a call of a state.
func (u *user) gateOf(l *leg, s State) Gate {
	switch {
	case s == StateEnded:
	case u.in() && l.id == u.device:
		if s == StateActive && u.state == UserJoined {
			return Open
		}
		return Gated
	case u.pending() && u.early && l.rung:
		return Gated
	}
	return Closed
}

// memory is the last commands of one device, oldest first.
type memory []remembered

type remembered struct {
	id      string
	verb    Verb
	refusal *Refusal
}

func (m memory) find(id string) *remembered {
	for i := range m {
		if m[i].id == id {
			return &m[i]
		}
	}
	return nil
}

func (m *memory) add(r remembered, limit int) {
	if len(*m) >= limit {
		*m = slices.Delete(*m, 0, len(*m)-limit+1)
	}
	*m = append(*m, r)
}
