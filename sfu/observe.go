package sfu

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/quality"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Observation is what the call plane and backends learn of rooms.
type Observation struct {
	Tenant string
	// Session is the participant's, where the event is about one.
	Session string
	Event   signal.RoomEvent
}

const (
	// voiceRate is what browsers send voice at.
	voiceRate = 25 * units.Kbps
	// voiceDelay is what codec, packet and a calm jitter buffer add one way.
	voiceDelay = 80 * time.Millisecond
)

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
		ev.Sent, ev.Received, ev.MOS = int64(u.Sent), int64(u.Received), u.MOS
	}
	r.observe(now, m.session.id, ev)
}

// Usage is what a participant's connection has carried, as this node counts it:
// bytes of IP packets that the participant has sent and received, and how voice
// must have sounded to it, 1 to 5 (ITU-T G.107), 0 where unknown.
type Usage struct {
	Sent, Received units.Size
	MOS            float64
}

// Usage answers what a participant has used so far; false when its session is gone.
func (e *Engine) Usage(session string) (Usage, bool) {
	s := e.session(session)
	if s == nil {
		return Usage{}, false
	}
	return s.member.usage(), true
}

// usage may be asked by any goroutine. One way is taken as half the round trip.
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
	if path.Packets > 0 {
		codec := quality.Opus(opuspkt.Fullband, voiceRate, false)
		u.MOS = quality.Estimate(codec, quality.Path{Delay: path.RTT/2 + voiceDelay, Loss: path.Path.Loss}).MOS()
	}
	return u
}
