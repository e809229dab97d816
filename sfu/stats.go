package sfu

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

type engineCounters struct {
	joins   atomic.Uint64
	refused refusals
}

// refusals counts refused commands by code; the codes are a closed list.
type refusals struct {
	mu sync.Mutex
	by map[signal.Code]uint64
}

func (r *refusals) add(code signal.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = make(map[signal.Code]uint64)
	}
	r.by[code]++
}

func (r *refusals) all() map[signal.Code]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.by)
}

// Stats are the engine's totals.
type Stats struct {
	Rooms, Sessions int
	Joins           uint64
	Refused         map[signal.Code]uint64
	Draining        bool
	Media           peer.Stats
	Voices          VoiceScores
}

// Stats answers the totals.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	rooms, sessions := len(e.rooms), len(e.sessions)
	e.mu.Unlock()
	return Stats{
		Rooms: rooms, Sessions: sessions, Joins: e.counts.joins.Load(), Refused: e.counts.refused.all(),
		Draining: e.draining.Load(), Media: e.media.Stats(), Voices: e.scores.all(),
	}
}

// RoomSnapshot is one room for operators. It carries ids, not names.
type RoomSnapshot struct {
	Room         string                `json:"room"`
	Participants []ParticipantSnapshot `json:"participants"`
}

// ParticipantSnapshot is one participant for operators.
type ParticipantSnapshot struct {
	ID       string             `json:"id"`
	Client   string             `json:"client,omitempty"`
	State    string             `json:"state"`
	Quality  signal.Quality     `json:"quality"`
	DataMode signal.DataMode    `json:"dataMode"`
	Tracks   []TrackSnapshot    `json:"tracks,omitempty"`
	Slots    []SlotSnapshot     `json:"slots,omitempty"`
	Path     *downlink.Stats    `json:"path,omitempty"`
	Uplinks  []peer.UplinkStats `json:"uplinks,omitempty"`
	// Voice is how the microphone is to be encoded; nil for a client that
	// obeys nothing.
	Voice *VoiceSnapshot `json:"voice,omitempty"`
	// Said is how its voice must sound as it comes to the server.
	Said *Hearing `json:"said,omitempty"`
	// Voices is how the voices of the others reach the participant.
	Voices *VoicesSnapshot `json:"voices,omitempty"`
}

// VoicesSnapshot is whether voices come separately, thinned or mixed, and why.
// Rate and PacketTime are those of what is made for it.
type VoicesSnapshot struct {
	Kind       string `json:"kind"`
	Rate       int    `json:"rateBitsPerSecond,omitempty"`
	PacketTime int    `json:"packetTimeMilliseconds,omitempty"`
	Reason     string `json:"reason"`
}

// VoiceSnapshot is what a publisher's voice is asked to be, and why not more.
type VoiceSnapshot struct {
	signal.EncodeAudio
	Reason string `json:"reason"`
}

// TrackSnapshot is one published track for operators.
type TrackSnapshot struct {
	ID     string        `json:"id"`
	Short  uint32        `json:"short"`
	Source signal.Source `json:"source"`
	Codec  string        `json:"codec"`
	Muted  bool          `json:"muted,omitempty"`
	// Encode is how the publisher of a picture was asked to send it last; none
	// for one that obeys nothing.
	Encode []signal.EncodeLayer `json:"encode,omitempty"`
}

// SlotSnapshot is what one slot receives and why.
type SlotSnapshot struct {
	Slot     int    `json:"slot"`
	MID      string `json:"mid"`
	Video    bool   `json:"video,omitempty"`
	Track    string `json:"track,omitempty"`
	Spatial  int8   `json:"spatial"`
	Temporal int8   `json:"temporal"`
	Rate     int64  `json:"rateBitsPerSecond"`
	Reason   string `json:"reason"`
	// Heard is how the voice in it must sound, from the server on.
	Heard *Hearing `json:"heard,omitempty"`
}

// Rooms answers what every slot of every participant receives, and why.
func (e *Engine) Rooms() []RoomSnapshot {
	e.mu.Lock()
	rooms := make([]*room, 0, len(e.rooms))
	for _, r := range e.rooms {
		rooms = append(rooms, r)
	}
	e.mu.Unlock()
	all := []RoomSnapshot{}
	for _, r := range rooms {
		r.call(func(now time.Time) { all = append(all, r.snapshot(now)) })
	}
	return all
}

func (r *room) snapshot(now time.Time) RoomSnapshot {
	s := RoomSnapshot{Room: r.name, Participants: []ParticipantSnapshot{}}
	for _, m := range r.members {
		s.Participants = append(s.Participants, m.snapshot(now))
	}
	at := func(m *member) *ParticipantSnapshot { return &s.Participants[slices.Index(r.members, m)] }
	r.hear(now, func(m *member, h *Hearing) { at(m).Said = h }, func(m *member, slot int, h *Hearing) { at(m).Slots[slot].Heard = h })
	return s
}

func (m *member) snapshot(now time.Time) ParticipantSnapshot {
	p := ParticipantSnapshot{ID: m.id, Client: m.client, State: m.state.String(), Quality: m.quality, DataMode: m.dataMode}
	for _, t := range m.tracks {
		p.Tracks = append(p.Tracks, TrackSnapshot{ID: t.id, Short: t.short, Source: t.source, Codec: t.media.Kind().String(), Muted: t.info.Muted, Encode: t.asked})
	}
	if m.voice != nil {
		p.Voice = &VoiceSnapshot{*encodeAudio(m.voice.Ask()), m.voice.Reason().String()}
	}
	if m.peer == nil {
		return p
	}
	p.Uplinks = m.peer.Uplinks()
	if plan := m.blend.plan; plan.Reason != "" {
		p.Voices = &VoicesSnapshot{plan.Kind.String(), int(plan.Rate), int(plan.PacketTime / time.Millisecond), plan.Reason}
	}
	path, known := m.peer.Stats()
	if known {
		p.Path = &path
	}
	for i, s := range m.slots {
		slot := SlotSnapshot{Slot: i, MID: s.mid, Video: s.kind == downlink.Video, Spatial: -1, Temporal: -1, Reason: "no_source"}
		if s.track != nil {
			slot.Track = s.track.id
		}
		if known && i < len(path.Slots) {
			g := path.Slots[i].Grant
			slot.Spatial, slot.Temporal, slot.Rate, slot.Reason = g.Spatial, g.Temporal, int64(g.Rate), g.Reason.String()
		}
		p.Slots = append(p.Slots, slot)
	}
	return p
}
