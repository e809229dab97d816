package call

import "time"

// endFor carries out a command to end the call for all.
func (c *call) endFor(now time.Time, m *Command) *Refusal {
	if !m.From.Backend() {
		u, refusal := c.member(m.From)
		if refusal != nil {
			return refusal
		}
		if m.From != c.creator {
			return refuse(CodeNotPermitted, "")
		}
		if m.Usage != nil {
			u.leg(m.From.ID).usage.merge(*m.Usage)
		}
	}
	why := m.Reason
	if why == "" {
		why = ReasonEnded
	}
	c.end(now, m.From, why, "", m.Payload)
	return nil
}

// settle ends the call if nothing holds it any longer. why is what has just
// happened.
func (c *call) settle(now time.Time, from Device, why Reason) {
	in, pending := 0, 0
	for _, u := range c.users {
		if u.in() {
			in++
		} else if u.pending() {
			pending++
		}
	}
	switch {
	case in > 1 || (in == 1 && pending > 0):
	case c.state == StateRinging && in == 1:
		c.end(now, from, c.outcome(), "", nil)
	case c.state != StateActive && why == ReasonHangup:
		c.end(now, from, ReasonCancelled, "", nil)
	default:
		c.end(now, from, why, "", nil)
	}
}

// outcome is why nobody answered: the most telling of what those rung have said,
// so that the order in which they did makes no difference.
func (c *call) outcome() Reason {
	for _, s := range []UserState{UserDeclined, UserBusy, UserMissed} {
		for _, u := range c.users {
			if u.state == s {
				return s.reason()
			}
		}
	}
	return ReasonCancelled
}

// end ends the call for everybody. into is the call that goes on, after glare.
func (c *call) end(now time.Time, from Device, why Reason, into string, payload []byte) {
	ring := why
	if ring == ReasonMissed {
		ring = ReasonCancelled // those still rung have not missed it
	}
	for _, u := range c.users {
		if u.pending() {
			c.stop(now, u, from, ring, into, payload)
		}
	}
	var to []Device
	for _, u := range c.users {
		if u.in() {
			c.depart(now, u)
		}
		for _, l := range u.legs {
			if l.answered {
				to = append(to, Device{u.name, l.id})
			}
		}
	}
	c.state, c.reason, c.ended = StateEnded, why, now
	c.gates(now)
	c.tell(now, Event{Kind: OnEnded, To: to, From: from, Reason: why, Into: into, Payload: payload, Summary: c.summary()})
}

// gates tells every device whose gate has changed.
func (c *call) gates(now time.Time) {
	for _, u := range c.users {
		for _, l := range u.legs {
			if g := u.gateOf(l, c.state); g != l.gate {
				l.gate = g
				c.tell(now, Event{Kind: OnGate, To: []Device{{u.name, l.id}}, User: u.name, Gate: g})
			}
		}
	}
}

func (c *call) summary() *Summary {
	s := &Summary{Created: c.created, Answered: c.answered, Ended: c.ended, Group: c.group}
	if !c.answered.IsZero() {
		s.Duration = c.ended.Sub(c.answered)
	}
	var scored []Usage
	count := func(u Usage) {
		s.Sent += u.Sent
		s.Received += u.Received
		if u.MOS != 0 {
			scored = append(scored, u)
		}
	}
	for _, u := range c.users {
		s.Users = append(s.Users, UserSummary{u.name, u.state, u.talked})
		count(u.past)
		for _, l := range u.legs {
			count(l.usage)
		}
	}
	s.score(scored)
	return s
}

// score sums up what devices heard. Scores of different scales must not be mixed:
// those of the scale that most devices have count, of equals the first device's.
func (s *Summary) score(all []Usage) {
	most := 0
	for _, one := range all {
		n, sum, worst := 0, 0.0, one.MOS
		for _, u := range all {
			if u.Scale == one.Scale {
				n++
				sum += u.MOS
				worst = min(worst, u.MOS)
			}
		}
		if n > most {
			most, s.MOS, s.Worst, s.Scale = n, sum/float64(n), worst, one.Scale
		}
	}
}

// next is when the call must be looked at again.
func (c *call) next() time.Time {
	switch c.state {
	case StateCreated:
		return c.created.Add(c.config.CreateLifetime)
	case StateEnded:
		return c.ended.Add(c.config.Linger)
	}
	at := c.answered.Add(c.config.MaxDuration)
	if c.state == StateRinging {
		at = time.Time{} // somebody is being rung
	}
	for _, u := range c.users {
		if u.pending() && (at.IsZero() || u.deadline.Before(at)) {
			at = u.deadline
		}
	}
	return at
}

// expire does what is due by now in a call that has not ended.
func (c *call) expire(now time.Time) {
	switch {
	case c.state == StateCreated:
		c.end(now, Device{}, ReasonExpired, "", nil)
		return
	case c.state == StateActive && !now.Before(c.answered.Add(c.config.MaxDuration)):
		c.end(now, Device{}, ReasonTooLong, "", nil)
		return
	}
	for _, u := range c.users {
		if u.pending() && !now.Before(u.deadline) {
			c.stop(now, u, Device{}, ReasonMissed, "", nil)
		}
	}
	c.settle(now, Device{}, ReasonMissed)
	c.gates(now)
}
