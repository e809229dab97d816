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
	for _, m := range r.members {
		r.assign(m)
	}
}

func (r *room) assign(m *member) {
	if m.peer == nil || !m.grants.Subscribe {
		return
	}
	changed := m.fill(downlink.Audio, r.wantedAudio(m))
	changed = append(changed, m.fill(downlink.Video, r.wantedVideo(m))...)
	if len(changed) > 0 {
		m.session.send(&signal.SlotsChanged{Slots: changed})
	}
}

// wantedAudio ranks what m should hear: sound of shared screens first, then
// who speaks, as the detector ranks them, then the others as they joined.
func (r *room) wantedAudio(m *member) []*track {
	rank := make(map[uint32]int)
	for i, id := range r.speakers.Top(len(r.tracks)) {
		rank[id] = i + 1
	}
	return r.wanted(m, false, func(t *track) int {
		switch {
		case t.info.Muted:
			return 1 << 30
		case t.source == signal.ScreenAudio:
			return 0
		case rank[t.short] > 0:
			return rank[t.short]
		}
		return 1 << 20
	})
}

// wantedVideo ranks what m should see: its view, or shared screens and then
// who spoke last.
func (r *room) wantedVideo(m *member) []*track {
	if m.viewed {
		return r.viewedTracks(m)
	}
	speech := make(map[*member]int)
	for i, id := range r.speakers.Top(len(r.tracks)) {
		if t := r.byShort[id]; t != nil && speech[t.owner] == 0 {
			speech[t.owner] = i + 1
		}
	}
	return r.wanted(m, true, func(t *track) int {
		switch {
		case t.info.Muted:
			return 1 << 30
		case t.source == signal.Screen:
			return 0
		case speech[t.owner] > 0:
			return speech[t.owner]
		}
		return 1 << 20
	})
}

// viewedTracks are the tracks of m's view that exist, most important first.
func (r *room) viewedTracks(m *member) []*track {
	var tracks []*track
	for _, v := range m.view {
		if t := r.tracks[v.Track]; t != nil && t.owner != m && t.source.Video() {
			tracks = append(tracks, t)
		}
	}
	slices.SortStableFunc(tracks, func(a, b *track) int {
		return cmp.Compare(m.priority(b), m.priority(a))
	})
	return tracks
}

// wanted lists the others' tracks of a kind by rank, least first.
func (r *room) wanted(m *member, video bool, rank func(*track) int) []*track {
	var tracks []*track
	for _, other := range r.members {
		if other == m {
			continue
		}
		for _, t := range other.tracks {
			if t.source.Video() == video {
				tracks = append(tracks, t)
			}
		}
	}
	slices.SortStableFunc(tracks, func(a, b *track) int { return cmp.Compare(rank(a), rank(b)) })
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
		if !placed[t] {
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
	m.slots[slot].track = t
	a := signal.Assignment{Slot: slot}
	if t == nil {
		m.peer.Assign(slot, nil, downlink.Source{})
		return a
	}
	m.peer.Assign(slot, t.media, t.downlinkSource())
	if t.source.Video() {
		m.peer.SetView(slot, m.downlinkView(t))
	}
	a.Track, a.Participant, a.Source = t.id, t.owner.id, t.short
	return a
}
