package sfu

import (
	"maps"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Control carries out a backend's command on a room of its tenant, or answers
// its question about one: *signal.RoomControl or *signal.RoomQuery.
func (e *Engine) Control(tenant string, body signal.Body) (signal.Reply, error) {
	if err := body.Validate(); err != nil {
		return nil, err
	}
	name := ""
	switch c := body.(type) {
	case *signal.RoomControl:
		name = c.Room
	case *signal.RoomQuery:
		name = c.Room
	}
	e.mu.Lock()
	r := e.rooms[roomKey{tenant, name}]
	e.mu.Unlock()
	unknown := signal.Errorf(signal.UnknownRoom, "nobody is in a room of that name")
	if r == nil {
		return nil, unknown
	}
	var reply signal.Reply
	var err error
	if !r.call(func(now time.Time) {
		if r.ended {
			err = unknown
			return
		}
		reply, err = r.control(now, nil, body)
	}) {
		return nil, unknown
	}
	return reply, err
}

// control carries out a command of a member, or of a backend if by is nil; on
// the room's goroutine.
func (r *room) control(now time.Time, by *member, body signal.Body) (signal.Reply, error) {
	c, ok := body.(*signal.RoomControl)
	if !ok {
		return r.state(by), nil
	}
	if err := r.mayControl(by, c); err != nil {
		return nil, err
	}
	switch c.Verb {
	case signal.RoomLock:
		if r.locked != c.Locked {
			r.locked = c.Locked
			r.tellAll(&signal.RoomLocked{Locked: c.Locked})
		}
		return &signal.Done{}, nil
	case signal.RoomEnd:
		r.end(now, signal.Ended, "the call was ended for everybody", false)
		return &signal.Done{}, nil
	case signal.RoomMessage:
		return r.message(by, c)
	}
	m := by
	if c.Participant != "" {
		m = r.find(c.Participant)
	}
	if m == nil {
		return nil, signal.Errorf(signal.UnknownParticipant, "there is no such participant in the room")
	}
	switch c.Verb {
	case signal.RoomRemove:
		r.engine.bans.add(now, roomKey{r.tenant, r.name}, m.identity, time.Duration(c.BanMS)*time.Millisecond)
		r.remove(now, m, signal.Removed, "you were removed from the call", false)
	case signal.RoomMute:
		t := m.track(c.Source)
		if t == nil {
			return nil, signal.Errorf(signal.UnknownTrack, "the participant publishes no %s", c.Source)
		}
		r.mute(m, t, c.Muted)
		if m != by {
			// Its own client must learn of it, to show it and to stop sending.
			m.session.send(&signal.TrackMuted{Participant: m.id, Track: t.id, Muted: c.Muted})
		}
	case signal.RoomPermit:
		r.permit(m, *c.Permissions)
	case signal.RoomAttributes:
		return r.setAttributes(m, c.Attributes)
	}
	return &signal.Done{}, nil
}

// mayControl says whether a member may do that. Everybody may send messages and
// set attributes of its own; the rest is a moderator's.
func (r *room) mayControl(by *member, c *signal.RoomControl) error {
	if by == nil || by.grants.Admin {
		return nil
	}
	own := c.Participant == "" || c.Participant == by.id
	if (c.Verb == signal.RoomAttributes && own) || (c.Verb == signal.RoomMessage && by.shown && !by.grants.Hidden) {
		return nil
	}
	return signal.Errorf(signal.NotPermitted, "%s is for moderators of the room", c.Type())
}

// find answers the member with an id, or the first with an identity.
func (r *room) find(name string) *member {
	for _, m := range r.members {
		if m.id == name {
			return m
		}
	}
	for _, m := range r.members {
		if m.identity == name {
			return m
		}
	}
	return nil
}

func (r *room) state(by *member) *signal.RoomState {
	s := &signal.RoomState{Room: r.name, Locked: r.locked, Participants: []signal.Participant{}}
	for _, m := range r.members {
		if by == nil || m == by || !m.hidden() {
			s.Participants = append(s.Participants, m.describe())
		}
	}
	return s
}

// message passes data on. Who is not there is not told of; nothing is kept.
func (r *room) message(by *member, c *signal.RoomControl) (signal.Reply, error) {
	ev := &signal.Message{Topic: c.Topic, Payload: slices.Clone(c.Payload)}
	if by != nil {
		if !by.mayTalk(time.Now()) {
			return nil, signal.Errorf(signal.RateLimited, "too many messages; at most %d a second", messageRate)
		}
		ev.From = by.id
	}
	found := 0
	for _, m := range r.members {
		wanted := len(c.To) == 0 || slices.Contains(c.To, m.id) || slices.Contains(c.To, m.identity)
		if m == by || !m.shown || !wanted {
			continue
		}
		found++
		m.session.send(ev)
	}
	if found == 0 && len(c.To) > 0 {
		return nil, signal.Errorf(signal.UnknownParticipant, "none of those whom the message is for is in the room")
	}
	return &signal.Done{}, nil
}

// messageRate bounds the messages of one participant a second, and how many may
// come at once: each costs every other participant as many bytes of a thin link.
const messageRate = 10

// mayTalk is a token bucket over a member's messages.
func (m *member) mayTalk(now time.Time) bool {
	return m.talk.Take(now, messageRate, messageRate, 1)
}

// permit replaces what a member may do; what it may publish no longer ends.
func (r *room) permit(m *member, p signal.Permissions) {
	m.grants.Publish, m.grants.Subscribe, m.grants.Admin = p.Publish, p.Subscribe, p.Admin
	m.grants.Sources = nil
	for _, s := range p.Sources {
		m.grants.Sources = append(m.grants.Sources, tokenSources[s])
	}
	for _, t := range slices.Clone(m.tracks) {
		if !mayPublish(m.grants, t.source) {
			r.unpublish(m, t)
			m.session.send(&signal.TrackUnpublished{Participant: m.id, Track: t.id})
		}
	}
	r.assignAll()
	m.session.send(&signal.ParticipantUpdated{Participant: m.id, Attributes: m.attributes, Permissions: m.permissions()})
}

func (m *member) permissions() *signal.Permissions {
	p := &signal.Permissions{Publish: m.grants.Publish, Subscribe: m.grants.Subscribe, Admin: m.grants.Admin}
	for _, s := range m.grants.Sources {
		for source, name := range tokenSources {
			if name == s {
				p.Sources = append(p.Sources, source)
			}
		}
	}
	return p
}

func (r *room) setAttributes(m *member, set map[string]string) (signal.Reply, error) {
	all := maps.Clone(m.attributes)
	if all == nil {
		all = make(map[string]string)
	}
	for key, value := range set {
		if value == "" {
			delete(all, key)
		} else {
			all[key] = value
		}
	}
	if len(all) > signal.MaxAttributes {
		return nil, signal.Errorf(signal.BadMessage, "a participant has at most %d attributes", signal.MaxAttributes)
	}
	m.attributes = all
	ev := &signal.ParticipantUpdated{Participant: m.id, Attributes: all}
	m.session.send(ev)
	r.tellOthers(m, ev)
	return &signal.Done{}, nil
}
