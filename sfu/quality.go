package sfu

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Bounds of the qualities: loss as a share of packets after the link, round
// trip as a person in a conversation notices it (ITU-T G.114: 150 ms one way is
// good, 400 ms the limit).
const (
	goodLoss, poorLoss = 0.02, 0.08
	goodRTT, poorRTT   = 300 * time.Millisecond, 800 * time.Millisecond
	// maxSpeakers bounds the speakers that an event names.
	maxSpeakers = 8
)

// listen takes the levels since the last tick and tells who speaks.
func (r *room) listen(now time.Time) {
	for _, m := range r.members {
		for _, t := range m.tracks {
			if t.source != signal.Microphone {
				continue
			}
			if l := t.media.TakeLevel(); l.Packets > 0 && !t.info.Muted {
				r.speakers.Observe(now, t.short, l.Level, l.HasLevel, l.Active, l.PayloadSize)
			}
		}
	}
	if !r.speakers.Update(now) {
		return
	}
	r.assignAll()
	r.tellSpeakers()
}

// tellSpeakers tells everybody who speaks now, if that has changed.
func (r *room) tellSpeakers() {
	speaking := []signal.Speaker{}
	for _, l := range r.speakers.Speakers(time.Now()) {
		if t := r.byShort[l.ID]; t != nil && l.Speaking && !t.owner.hidden() && !t.owner.gated {
			speaking = append(speaking, signal.Speaker{Participant: t.owner.id, Level: 127 - int(l.DBov)})
		}
	}
	slices.SortStableFunc(speaking, func(a, b signal.Speaker) int { return b.Level - a.Level })
	speaking = speaking[:min(len(speaking), maxSpeakers)]
	same := slices.EqualFunc(speaking, r.speaking, func(a, b signal.Speaker) bool { return a.Participant == b.Participant })
	if same {
		return
	}
	r.speaking = speaking
	r.tellAll(&signal.SpeakersChanged{Speakers: speaking})
}

// judgeQuality tells everybody whose quality changed.
func (r *room) judgeQuality(now time.Time) {
	var changed []signal.ParticipantQuality
	for _, m := range r.members {
		if q := m.judge(now); q != m.quality {
			m.quality = q
			if !m.hidden() {
				changed = append(changed, signal.ParticipantQuality{Participant: m.id, Quality: q})
			}
		}
	}
	if len(changed) > 0 {
		r.tellAll(&signal.QualityChanged{Participants: changed})
	}
}

// judge answers the quality of a member's connection, the worse of both directions.
func (m *member) judge(now time.Time) signal.Quality {
	if m.peer == nil {
		return signal.Good
	}
	if m.state == peer.Connecting {
		return m.quality
	}
	if m.state != peer.Connected {
		return signal.Lost
	}
	var loss float64
	var rtt time.Duration
	if s, ok := m.peer.Stats(); ok {
		loss, rtt = s.Path.Loss, s.RTT
	}
	for _, u := range m.peer.Uplinks() {
		loss = max(loss, u.FractionLost)
	}
	switch {
	case loss > poorLoss || rtt > poorRTT:
		return signal.Poor
	case loss > goodLoss || rtt > goodRTT:
		return signal.Good
	}
	return signal.Excellent
}
