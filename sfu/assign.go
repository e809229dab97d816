package sfu

import (
	"cmp"
	"slices"

	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// assignAll fills everybody's slots anew. A track that keeps its place among
// the wanted keeps its slot, so that nothing changes that need not.
func (r *room) assignAll() {
	ranked := r.rank()
	r.thinOut(ranked)
	for _, m := range r.members {
		r.assign(m, ranked)
	}
}

func (r *room) assign(m *member, by ranking) {
	if m.peer == nil {
		return
	}
	if !m.receives() {
		by = ranking{}
	}
	changed := m.fill(downlink.Audio, m.heard(without(m, by.audio)))
	changed = append(changed, r.blendSlots(m)...)
	if m.viewed && m.receives() {
		changed = append(changed, m.fill(downlink.Video, r.viewedTracks(m))...)
	} else {
		changed = append(changed, m.fill(downlink.Video, without(m, by.video))...)
	}
	if len(changed) > 0 {
		m.session.send(&signal.SlotsChanged{Slots: changed})
	}
}

// ranking is what anybody should hear and see who has not said otherwise, most
// wanted first.
type ranking struct{ audio, video []*track }

// Places of tracks that no speech ranks.
const (
	rankFirst  = 0       // sound and picture of shared screens
	rankSilent = 1 << 20 // who has not spoken yet, as they joined
	rankMuted  = 1 << 30
)

// rank orders all tracks: shared screens first, then who speaks, as the
// detector ranks them, then the others as they joined, muted ones last.
func (r *room) rank() ranking {
	spoken := make(map[*member]int)
	for i, id := range r.speakers.Top(len(r.tracks)) {
		if t := r.byShort[id]; t != nil && spoken[t.owner] == 0 {
			spoken[t.owner] = i + 1
		}
	}
	place := func(t *track) int {
		switch {
		case t.info.Muted:
			return rankMuted
		case t.source == signal.Screen || t.source == signal.ScreenAudio:
			return rankFirst
		case spoken[t.owner] > 0:
			return spoken[t.owner]
		}
		return rankSilent
	}
	var by ranking
	for _, m := range r.members {
		if m.grants.Hidden || m.gated {
			continue
		}
		for _, t := range m.tracks {
			if t.source.Video() {
				by.video = append(by.video, t)
			} else {
				by.audio = append(by.audio, t)
			}
		}
	}
	for _, tracks := range [][]*track{by.audio, by.video} {
		slices.SortStableFunc(tracks, func(a, b *track) int { return cmp.Compare(place(a), place(b)) })
	}
	return by
}

// without answers the tracks of everybody but m.
func without(m *member, tracks []*track) []*track {
	others := make([]*track, 0, len(tracks))
	for _, t := range tracks {
		if t.owner != m {
			others = append(others, t)
		}
	}
	return others
}

// viewedTracks are the tracks of m's view that exist, most important first.
func (r *room) viewedTracks(m *member) []*track {
	var tracks []*track
	for _, v := range m.view {
		t := r.tracks[v.Track]
		if t != nil && t.owner != m && !t.owner.grants.Hidden && !t.owner.gated && t.source.Video() && !slices.Contains(tracks, t) {
			tracks = append(tracks, t)
		}
	}
	slices.SortStableFunc(tracks, func(a, b *track) int {
		return cmp.Compare(m.priority(b), m.priority(a))
	})
	return tracks
}

// fill puts the first of the wanted tracks into the slots of a kind and answers
// what changed.
func (m *member) fill(kind downlink.SlotKind, wanted []*track) (changed []signal.Assignment) {
	var free []int
	slots := 0
	for i := range m.slots {
		if m.slots[i].kind == kind {
			slots++
		}
	}
	wanted = wanted[:min(slots, len(wanted))]
	placed := make(map[*track]bool)
	for i := range m.slots {
		s := &m.slots[i]
		if s.kind != kind {
			continue
		}
		if s.track != nil && slices.Contains(wanted, s.track) {
			placed[s.track] = true
			continue
		}
		free = append(free, i)
	}
	for _, t := range wanted {
		if len(free) > 0 && !placed[t] {
			placed[t] = true
			changed = append(changed, m.put(free[0], t))
			free = free[1:]
		}
	}
	for _, i := range free {
		if m.slots[i].track != nil {
			changed = append(changed, m.put(i, nil))
		}
	}
	return changed
}

// put puts a track (nil for none) into a slot.
func (m *member) put(slot int, t *track) signal.Assignment {
	s := &m.slots[slot]
	s.track, s.media, s.mixed = t, nil, false
	a := signal.Assignment{Slot: slot}
	if t == nil {
		m.peer.Assign(slot, nil, downlink.Source{})
		return a
	}
	if !m.deaf || !t.source.Video() {
		m.carry(slot)
	}
	a.Track, a.Participant, a.Source = t.id, t.owner.id, t.short
	return a
}

// carry sends the track of a slot.
func (m *member) carry(slot int) {
	s := &m.slots[slot]
	t := s.track
	s.media = t.media
	m.peer.Assign(slot, t.media, t.downlinkSource())
	if t.source.Video() {
		m.peer.SetView(slot, m.downlinkView(t))
	}
}

// listens sends the pictures that waited for the client to listen.
func (m *member) listens() {
	if !m.deaf {
		return
	}
	m.deaf = false
	for i, s := range m.slots {
		if s.kind == downlink.Video && s.track != nil {
			m.carry(i)
		}
	}
}
