package sfu

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Observation is what the call plane and backends learn of rooms.
type Observation struct {
	Tenant string
	// Session is the participant's, where the event is about one.
	Session string
	Event   signal.RoomEvent
}

// voiceDelay is what codec, packet and a calm jitter buffer add one way.
const voiceDelay = 80 * time.Millisecond

// observe tells the observer, if there is one; on the room's goroutine.
func (r *room) observe(now time.Time, session string, ev signal.RoomEvent) {
	if r.engine.cfg.Observer == nil {
		return
	}
	ev.Room, ev.At = r.name, now.UnixMilli()
	r.engine.cfg.Observer(Observation{Tenant: r.tenant, Session: session, Event: ev})
}

func (r *room) observeJoined(now time.Time, m *member) {
	r.observe(now, m.session.id, signal.RoomEvent{Kind: signal.RoomJoined, Participant: m.id, Identity: m.identity})
}

func (r *room) observeLeft(now time.Time, m *member, code signal.Code) {
	ev := signal.RoomEvent{Kind: signal.RoomParted, Participant: m.id, Identity: m.identity, Reason: code}
	if r.engine.cfg.Observer != nil {
		u := m.usage()
		ev.Sent, ev.Received, ev.MOS, ev.Scale = int64(u.Sent), int64(u.Received), u.MOS, u.Scale
	}
	r.observe(now, m.session.id, ev)
}

// Usage is what a participant's connection has carried, as this node counts it:
// bytes of IP packets that the participant has sent and received, and how voices
// must have sounded to it on their way from here, by their codec as it is sent, the
// delay, and the loss that is left after every repair with its burstiness: 1 to 4.5
// (ITU-T G.107), 0 where unknown. MOS is the mean over the call on the scale that
// was heard most; those of different scales must not be compared.
type Usage struct {
	Sent, Received units.Size
	MOS            float64
	Scale          string // narrowband, wideband, fullband; "" where unknown
}

// Usage answers what a participant has used so far; false when its session is gone.
func (e *Engine) Usage(session string) (Usage, bool) {
	s := e.session(session)
	if s == nil {
		return Usage{}, false
	}
	return s.member.usage(), true
}

// usage may be asked by any goroutine.
func (m *member) usage() (u Usage) {
	if m.peer == nil {
		return u
	}
	for _, stream := range m.peer.Uplinks() {
		u.Sent += stream.Bytes
	}
	path, known := m.peer.Stats()
	if !known {
		return u
	}
	u.Received = units.Size(path.Bytes)
	if u.MOS, u.Scale = m.opinion.mean(); u.MOS == 0 { // it was never asked
		var now opinion
		for i := range path.Slots {
			now.add(received(&path, i))
		}
		u.MOS, u.Scale = now.mean()
	}
	return u
}
