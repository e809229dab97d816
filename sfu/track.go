package sfu

import (
	"slices"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// track is what a member publishes. It belongs to the room's goroutine.
type track struct {
	id     string
	short  uint32
	owner  *member
	source signal.Source
	info   signal.Publish
	media  *peer.Track
	asked  []signal.EncodeLayer // how it is to be sent, as told last
}

func (t *track) describe() signal.Track {
	return signal.Track{
		ID: t.id, Source: t.source, Muted: t.info.Muted, Encrypted: t.info.Encrypted,
		Width: t.info.Width, Height: t.info.Height, Layers: t.info.Layers,
	}
}

// layerSize answers the size of a simulcast layer in pixels, 0 when unknown.
func (t *track) layerSize(layer int) (width, height int) {
	if layer >= 0 && layer < len(t.info.Layers) {
		return t.info.Layers[layer].Width, t.info.Layers[layer].Height
	}
	if len(t.info.Layers) == 0 {
		return t.info.Width, t.info.Height
	}
	return 0, 0
}

// downlinkSource describes the track to a downlink.
func (t *track) downlinkSource() downlink.Source {
	return downlink.Source{
		ID: t.short, Kind: t.media.Kind(), Screen: t.source == signal.Screen,
		Muted: t.info.Muted, Opaque: t.info.Encrypted, Layers: t.media.Layers,
	}
}

// tokenSources are the names by which tokens grant what may be published.
var tokenSources = map[signal.Source]token.Source{
	signal.Microphone: token.Microphone, signal.Camera: token.Camera,
	signal.Screen: token.ScreenShare, signal.ScreenAudio: token.ScreenAudio,
}

func mayPublish(g token.Grants, source signal.Source) bool {
	return g.MayPublish(tokenSources[source])
}

// publish starts a track of m. Publishing a source again ends its old track.
func (r *room) publish(m *member, p *signal.Publish) (*track, error) {
	if !mayPublish(m.grants, p.Source) {
		return nil, signal.Errorf(signal.NotPermitted, "the token does not allow publishing %s", p.Source)
	}
	mid := m.sections[p.Source]
	if mid == "" || m.peer == nil {
		return nil, signal.Errorf(signal.BadMessage, "the offer has no section for %s: name it in send when joining", p.Source)
	}
	if old := m.track(p.Source); old != nil {
		r.unpublish(m, old)
	}
	short := r.shortID()
	if short == 0 {
		return nil, signal.Errorf(signal.RoomFull, "this room has %d tracks already", maxShortID)
	}
	t := &track{id: randomID("t_"), short: short, owner: m, source: p.Source, info: *p}
	cfg := peer.TrackConfig{ID: short, Video: p.Source.Video(), Screen: p.Source == signal.Screen, Obeys: m.encodes}
	for i, l := range p.Layers {
		cfg.MaxRates = append(cfg.MaxRates, units.Rate(l.MaxRate))
		cfg.RIDs = append(cfg.RIDs, l.RID)
		cfg.Layers = append(cfg.Layers, downlink.LayerInfo{Spatial: int8(i), Width: uint16(l.Width), Height: uint16(l.Height)})
	}
	if len(p.Layers) == 0 && p.Source.Video() {
		cfg.Layers = []downlink.LayerInfo{{Width: uint16(p.Width), Height: uint16(p.Height)}}
	}
	media, ok := m.peer.Publish(mid, cfg)
	if !ok {
		return nil, signal.Errorf(signal.BadMessage, "the offer sends nothing of that kind on section %q, or something else is sent there", mid)
	}
	media.SetMuted(p.Muted)
	t.media = media
	m.tracks = append(m.tracks, t)
	r.tracks[t.id] = t
	r.byShort[t.short] = t
	return t, nil
}

// unpublish ends a track and fills the slots that it had with others.
func (r *room) unpublish(m *member, t *track) {
	m.tracks = slices.DeleteFunc(m.tracks, func(o *track) bool { return o == t })
	r.dropTrack(t)
	r.assignAll()
	m.unpublish(t)
	r.tellOthers(m, &signal.TrackUnpublished{Participant: m.id, Track: t.id})
}

// dropTrack forgets a track in the room's books.
func (r *room) dropTrack(t *track) {
	delete(r.tracks, t.id)
	delete(r.byShort, t.short)
	r.speakers.Remove(t.short)
}

// mute stops or resumes a track.
func (r *room) mute(m *member, t *track, muted bool) {
	if t.info.Muted == muted {
		return
	}
	t.info.Muted = muted
	t.media.SetMuted(muted)
	if muted {
		r.speakers.Remove(t.short) // who is muted does not speak
		r.tellSpeakers()
	}
	r.tellOthers(m, &signal.TrackMuted{Participant: m.id, Track: t.id, Muted: muted})
	for _, other := range r.members {
		for i, s := range other.slots {
			if s.track == t && s.media != nil {
				other.peer.Assign(i, r.mediaOf(other, t), t.downlinkSource())
			}
		}
	}
	r.assignAll()
}
