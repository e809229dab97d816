package call

import "time"

// answer carries out what a rung device says.
func (c *call) answer(now time.Time, m *Command) *Refusal {
	u := c.user(m.From.User)
	if u == nil {
		return refuse(CodeNotInvited, "")
	}
	if !u.pending() {
		return u.late(m)
	}
	l := u.leg(m.From.ID)
	if l == nil || !l.rung {
		if len(u.devices("")) >= c.config.MaxDevices {
			return refuse(CodeFull, "")
		}
		l = c.turnUp(now, u, m.From)
	}
	switch m.Verb {
	case Ringing:
		if !l.alerted {
			l.alerted, u.state = true, UserAlerting
			c.tell(now, Event{Kind: OnRinging, To: c.members(), From: m.From, User: u.name, Payload: m.Payload})
		}
	case Accept:
		c.accept(now, u, m.From, "", m.Payload)
	case Decline:
		c.reject(now, u, m, UserDeclined, OnDeclined)
	case Busy:
		c.reject(now, u, m, UserBusy, OnBusy)
	}
	return nil
}

// turnUp adds a device that the ring did not name, and rings it too.
func (c *call) turnUp(now time.Time, u *user, d Device) *leg {
	l := u.leg(d.ID)
	if l == nil {
		l = &leg{id: d.ID}
		u.legs = append(u.legs, l)
	}
	l.rung = true
	c.invite(now, u, Device{}, []Device{d})
	return l
}

// late answers a device of a user who is not rung (any longer). What it says is
// no error if the user has said the same through it.
func (u *user) late(m *Command) *Refusal {
	own := u.device == m.From.ID
	switch u.state {
	case UserJoined, UserHeld:
		if !own {
			return refuse(CodeElsewhere, ReasonAccepted)
		}
		if m.Verb == Accept {
			return nil
		}
		return refuse(CodeJoined, "")
	case UserDeclined, UserBusy:
		if !own {
			return refuse(CodeElsewhere, u.state.reason())
		}
		if (u.state == UserDeclined && m.Verb == Decline) || (u.state == UserBusy && m.Verb == Busy) {
			return nil
		}
	}
	return refuse(CodeOver, u.state.reason())
}

// accept makes a device the one that answers for its user. why is empty, or
// glare.
func (c *call) accept(now time.Time, u *user, d Device, why Reason, payload []byte) {
	u.state, u.device, u.since, u.payload = UserJoined, d.ID, now, nil
	u.leg(d.ID).answered = true
	if c.state == StateRinging {
		c.state, c.answered = StateActive, now
	}
	to := c.members()
	c.tell(now, Event{Kind: OnAccepted, To: to, From: d, User: u.name, Reason: why, Payload: payload})
	c.elsewhere(now, u, d, ReasonAccepted)
	if len(to) > 2 && !c.group {
		c.group = true
		c.tell(now, Event{Kind: OnUpgraded, To: to, From: d, User: u.name})
	}
}

// reject ends the ring of a user with a no.
func (c *call) reject(now time.Time, u *user, m *Command, s UserState, kind EventKind) {
	u.state, u.device, u.payload = s, m.From.ID, nil
	c.tell(now, Event{Kind: kind, To: c.members(), From: m.From, User: u.name, Reason: s.reason(), Payload: m.Payload})
	c.elsewhere(now, u, m.From, s.reason())
	c.settle(now, m.From, s.reason())
}

// elsewhere tells the user's other devices that one has answered.
func (c *call) elsewhere(now time.Time, u *user, d Device, answer Reason) {
	if others := u.devices(d.ID); len(others) > 0 {
		c.tell(now, Event{Kind: OnElsewhere, To: others, From: d, User: u.name, Reason: answer})
	}
}
