package call

import (
	"time"
)

// State is where a call stands.
type State string

// The states of a call, as drawn in the package comment.
const (
	StateCreated State = "created"
	StateRinging State = "ringing"
	StateActive  State = "active"
	StateEnded   State = "ended"
)

// call is one call. Its users are in the order of their first ring, the creator
// first.
type call struct {
	id      string
	config  *Config
	emit    func(Event)
	creator Device
	state   State
	users   []*user
	group   bool
	reason  Reason // ended: why
	backend memory

	sequence                 uint64
	created, answered, ended time.Time

	index int       // in the exchange's queue
	due   time.Time // its deadline there
}

func (c *call) user(name string) *user {
	for _, u := range c.users {
		if u.name == name {
			return u
		}
	}
	return nil
}

// memory is where the commands of a device are kept; nil for a stranger.
func (c *call) memory(d Device) *memory {
	if d.Backend() {
		return &c.backend
	}
	if u := c.user(d.User); u != nil {
		if l := u.leg(d.ID); l != nil {
			return &l.memory
		}
	}
	return nil
}

// know makes room for what a device of a user of the call has said, even where
// that was refused: its repeat must not answer a later ring.
func (c *call) know(d Device) {
	if u := c.user(d.User); u != nil && u.leg(d.ID) == nil && len(u.legs) < 2*c.config.MaxDevices {
		u.legs = append(u.legs, &leg{id: d.ID})
	}
}

// members lists the devices in the call.
func (c *call) members() (list []Device) {
	for _, u := range c.users {
		if u.in() {
			list = append(list, u.winner())
		}
	}
	return list
}

// tell emits one event of the call.
func (c *call) tell(now time.Time, e Event) {
	c.sequence++
	e.Call, e.Sequence, e.At = c.id, c.sequence, now
	c.emit(e)
}

// do carries out one command that is valid and no repeat.
func (c *call) do(now time.Time, m *Command) *Refusal {
	if c.state == StateEnded {
		return refuse(CodeOver, c.reason)
	}
	var refusal *Refusal
	switch m.Verb {
	case Ring:
		refusal = c.ring(now, m)
	case Ringing, Accept, Decline, Busy:
		refusal = c.answer(now, m)
	case Cancel:
		refusal = c.cancel(now, m)
	case Hold, Resume:
		refusal = c.hold(now, m)
	case Take:
		refusal = c.take(now, m)
	case Leave:
		refusal = c.leave(now, m)
	case End:
		refusal = c.endFor(now, m)
	case Report:
		refusal = c.report(m)
	}
	c.gates(now)
	return refusal
}

// member finds the user whose device is in the call.
func (c *call) member(d Device) (*user, *Refusal) {
	u := c.user(d.User)
	switch {
	case u == nil:
		return nil, refuse(CodeNotInvited, "")
	case u.pending():
		return nil, refuse(CodeNotJoined, "")
	case !u.in():
		return nil, refuse(CodeOver, u.state.reason())
	case u.device != d.ID:
		return nil, refuse(CodeElsewhere, ReasonAccepted)
	}
	return u, nil
}

// ring begins to ring the targets that are neither rung nor in the call yet. All
// fit, or none is rung.
func (c *call) ring(now time.Time, m *Command) *Refusal {
	if !m.From.Backend() {
		if _, refusal := c.member(m.From); refusal != nil {
			return refusal
		}
	}
	strangers := 0
	for _, t := range m.Targets {
		if c.user(t.User) == nil {
			strangers++
		}
	}
	if len(c.users)+strangers > c.config.MaxUsers {
		return refuse(CodeFull, "")
	}
	lifetime := m.Lifetime
	if lifetime == 0 {
		lifetime = c.config.RingLifetime
	}
	deadline := now.Add(min(max(lifetime, c.config.MinRing), c.config.MaxRing))
	for _, t := range m.Targets {
		u := c.user(t.User)
		if u == nil {
			u = &user{name: t.User}
			c.users = append(c.users, u)
		} else if u.pending() || u.in() {
			continue
		}
		u.ring(t.Devices, 2*c.config.MaxDevices)
		u.by, u.early, u.payload, u.deadline = m.From.User, m.Early, m.Payload, deadline
		if c.state == StateCreated {
			c.state = StateRinging
		}
		c.invite(now, u, m.From, u.devices(""))
	}
	return nil
}

// invite tells devices of a user that it is rung.
func (c *call) invite(now time.Time, u *user, from Device, to []Device) {
	c.tell(now, Event{Kind: OnRing, To: to, From: from, User: u.name,
		Expires: u.deadline, Early: u.early, Payload: u.payload})
}

// cancel ends the ring of those targets whom the sender may cancel.
func (c *call) cancel(now time.Time, m *Command) *Refusal {
	any := m.From.Backend() || m.From == c.creator
	if !m.From.Backend() {
		if _, refusal := c.member(m.From); refusal != nil && !c.calledOff(m) {
			return refusal
		}
	}
	if c.state == StateCreated && any {
		c.end(now, m.From, ReasonCancelled, "", m.Payload)
		return nil
	}
	found, barred := false, false
	for _, u := range c.users {
		switch {
		case !u.pending() || !m.targets(u.name):
		case !any && u.by != m.From.User:
			barred = true
		default:
			found = true
			c.stop(now, u, m.From, ReasonCancelled, "", m.Payload)
		}
	}
	switch {
	case found:
		c.settle(now, m.From, ReasonCancelled)
		return nil
	case barred:
		return refuse(CodeNotPermitted, "")
	}
	return refuse(CodeWrongState, "")
}

// calledOff says whether a cancel is of a user who rang somebody and left.
func (c *call) calledOff(m *Command) bool {
	u := c.user(m.From.User)
	return u != nil && u.state == UserLeft && u.device == m.From.ID
}

// targets says whether a command names a user, or none and so means all.
func (m *Command) targets(user string) bool {
	for _, t := range m.Targets {
		if t.User == user {
			return true
		}
	}
	return len(m.Targets) == 0
}

// stop ends the ring of one user without an answer.
func (c *call) stop(now time.Time, u *user, from Device, why Reason, into string, payload []byte) {
	kind := OnCancelled
	u.state = UserCancelled
	if why == ReasonMissed {
		kind, u.state = OnMissed, UserMissed
	}
	u.payload = nil
	c.tell(now, Event{Kind: kind, To: append(u.devices(""), c.members()...), From: from,
		User: u.name, Reason: why, Into: into, Payload: payload})
}

// hold takes a device out of the flow of media, or back into it.
func (c *call) hold(now time.Time, m *Command) *Refusal {
	u, refusal := c.member(m.From)
	switch {
	case refusal != nil:
		return refusal
	case c.state != StateActive:
		return refuse(CodeWrongState, "")
	}
	state, kind := UserHeld, OnHeld
	if m.Verb == Resume {
		state, kind = UserJoined, OnResumed
	}
	if u.state != state {
		u.state = state
		c.tell(now, Event{Kind: kind, To: c.members(), From: m.From, User: u.name, Payload: m.Payload})
	}
	return nil
}

// take puts a device in the place of another one of its user. Held stays held,
// and what the creator may its new device may.
func (c *call) take(now time.Time, m *Command) *Refusal {
	u := c.user(m.From.User)
	switch {
	case u == nil:
		return refuse(CodeNotInvited, "")
	case u.pending():
		return refuse(CodeNotJoined, "")
	case !u.in():
		return refuse(CodeOver, u.state.reason())
	case u.device == m.From.ID:
		return nil
	}
	l := u.leg(m.From.ID)
	if l == nil {
		if len(u.legs) >= 2*c.config.MaxDevices {
			return refuse(CodeFull, "")
		}
		l = &leg{id: m.From.ID}
		u.legs = append(u.legs, l)
	}
	to := append(c.members(), m.From)
	if c.creator == u.winner() {
		c.creator = m.From
	}
	u.device, l.answered = m.From.ID, true
	c.tell(now, Event{Kind: OnTaken, To: to, From: m.From, User: u.name, Payload: m.Payload})
	return nil
}

func (c *call) leave(now time.Time, m *Command) *Refusal {
	u, refusal := c.member(m.From)
	if refusal != nil {
		return refusal
	}
	if m.Usage != nil {
		u.leg(m.From.ID).usage.merge(*m.Usage)
	}
	why := m.Reason
	if why == "" {
		why = ReasonHangup
	}
	to := c.members()
	c.depart(now, u)
	c.tell(now, Event{Kind: OnLeft, To: to, From: m.From, User: u.name, Reason: why, Payload: m.Payload})
	c.settle(now, m.From, why)
	return nil
}

// depart takes a user out of the call.
func (c *call) depart(now time.Time, u *user) {
	if c.state == StateActive {
		u.talked += now.Sub(later(u.since, c.answered))
	}
	u.state = UserLeft
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// report notes what a device has used, which is or was in the call.
func (c *call) report(m *Command) *Refusal {
	u := c.user(m.From.User)
	if u == nil {
		return refuse(CodeNotInvited, "")
	}
	l := u.leg(m.From.ID)
	if l == nil || !l.answered {
		return refuse(CodeNotJoined, "")
	}
	if m.Usage != nil {
		l.usage.merge(*m.Usage)
	}
	return nil
}
