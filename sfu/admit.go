package sfu

import (
	"context"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// Admission is a join that somebody else has judged: the call plane.
type Admission struct {
	Grants token.Grants
	// Device tells apart the devices of one identity that are in the room at
	// the same time: while a call rings, each of them may build its media.
	Device string
	// Gated holds media back until Gate opens it, and hides the participant
	// from the others so long.
	Gated bool
}

// Admit lets a participant in whom no token need prove. c.Body must be a
// *signal.Join.
func (e *Engine) Admit(ctx context.Context, c signal.Command, a Admission) (*signal.Joined, error) {
	j := c.Body.(*signal.Join)
	if err := j.Validate(); err != nil {
		return nil, err
	}
	joined, err := e.admit(ctx, c, j, func(time.Time) (Admission, error) { return a, nil })
	if err != nil {
		e.counts.refused.add(signal.AsError(err).Code)
	}
	return joined, err
}

// Gate opens a participant's gate, so that media flows and the others see it,
// or closes it again (hold), which the others do not see but for the silence.
// A session that is gone is no error.
func (e *Engine) Gate(session string, open bool) {
	if s := e.session(session); s != nil {
		m := s.member
		m.home.Load().post(func(time.Time) { m.gate(open) })
	}
}

// Dismiss ends a participant's session for a reason.
func (e *Engine) Dismiss(session string, code signal.Code, why string) {
	if s := e.session(session); s != nil {
		m := s.member
		r := m.home.Load()
		r.post(func(now time.Time) { r.remove(now, m, code, why, false) })
	}
}

// gate is Gate on the room's goroutine.
func (m *member) gate(open bool) {
	r := m.home.Load()
	if m.gated == !open {
		return
	}
	m.gated = !open
	if open && !m.shown {
		for _, other := range r.members {
			if other != m && !other.hidden() {
				m.session.send(&signal.ParticipantJoined{Participant: other.describe()})
			}
		}
		m.shown = true
		r.tellOthers(m, &signal.ParticipantJoined{Participant: m.describe()})
		r.tellNewcomer(m)
	}
	for _, t := range m.tracks {
		r.speakers.Remove(t.short)
	}
	r.assignAll()
	r.tellSpeakers()
}

// hidden says whether others know nothing of the member.
func (m *member) hidden() bool { return m.grants.Hidden || !m.shown }

// receives says whether anything may be sent to the member.
func (m *member) receives() bool { return m.grants.Subscribe && !m.gated }
