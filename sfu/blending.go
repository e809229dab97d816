package sfu

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/mix"
	"github.com/rivulet-rtc/rivulet/sfu/blend"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// mixedVoices is how many voices are mixed at once: three that a receiver may
// hear, and his own, which is left out for him.
const mixedVoices = 4

// noCodec is why voices are not mixed where they should be.
const noCodec = "the path does not carry two voices, and they cannot be mixed: one is forwarded"

// blending is in which shape the voices of a room reach one member.
type blending struct {
	planner blend.Planner
	plan    blend.Plan
	// single forwards one voice, the loudest, where mixing is not possible.
	single bool
}

// blendVoices decides for each member how voices reach it, and has mixed what is
// to be mixed.
func (r *room) blendVoices(now time.Time) {
	if r.engine.cfg.PlainVoice {
		return
	}
	changed := false
	for _, m := range r.members {
		need, ok := r.blendNeed(m)
		if !ok {
			m.blend.planner.Hold()
			continue
		}
		plan := m.blend.planner.Update(now, need)
		single := plan.Kind != blend.Separate && !r.mayMix()
		if single {
			plan.Kind, plan.Rate, plan.PacketTime, plan.Reason = blend.Separate, 0, 0, noCodec
		}
		if was := m.blend.plan; was.Kind != plan.Kind || was.Rate != plan.Rate || was.PacketTime != plan.PacketTime || m.blend.single != single {
			changed = true
			m.session.send(r.voicesEvent(plan.Kind, single))
			// What is thinner now costs less than what is wanted: the path is to
			// be asked whether it carries that again.
			m.peer.SetVoiceWish(wishOf(plan, need))
		}
		m.blend.plan, m.blend.single = plan, single
	}
	if changed {
		r.assignAll()
	}
}

// voicesEvent is what a member is told of the shape in which voices come.
func (r *room) voicesEvent(kind blend.Kind, single bool) *signal.VoicesChanged {
	switch {
	case single && r.encrypted():
		return &signal.VoicesChanged{Kind: signal.VoicesSingle, Reason: signal.VoicesEncrypted}
	case single:
		return &signal.VoicesChanged{Kind: signal.VoicesSingle, Reason: signal.VoicesNoCodec}
	case kind == blend.Mixed:
		return &signal.VoicesChanged{Kind: signal.VoicesMixed}
	case kind == blend.Thinned:
		return &signal.VoicesChanged{Kind: signal.VoicesThinned}
	}
	return &signal.VoicesChanged{Kind: signal.VoicesSeparate}
}

func wishOf(p blend.Plan, n blend.Need) units.Rate {
	if p.Kind == blend.Separate {
		return 0
	}
	need := n.Separately()
	return need + need*blend.Margin/100
}

// blendNeed is what is known of a member; false when it is not known yet.
func (r *room) blendNeed(m *member) (blend.Need, bool) {
	if m.peer == nil || m.state != peer.Connected || !m.receives() {
		return blend.Need{}, false
	}
	stats, ok := m.peer.Stats()
	if !ok || !stats.Heard || stats.Decision.State == bwe.Blackout {
		return blend.Need{}, false // a path that was never measured, or is gone, is not thin
	}
	need := blend.Need{Budget: stats.Budget, Overhead: stats.VoiceOverhead}
	for _, t := range r.voices(m) {
		need.Voices++
		need.Payload = max(need.Payload, t.payload())
	}
	return need, true
}

// payload is at which rate a voice is published; 0 when that is not known.
func (t *track) payload() units.Rate {
	if t.owner.voice == nil {
		return 0
	}
	return t.owner.voice.Ask().MaxRate
}

// voices are the microphones that a member may hear.
func (r *room) voices(m *member) (all []*track) {
	for _, other := range r.members {
		if t := other.track(signal.Microphone); t != nil && other != m && !t.info.Muted && !other.grants.Hidden {
			all = append(all, t)
		}
	}
	return all
}

// mayMix says whether this server can decode what is said here: it has a codec,
// and nothing is encrypted end to end.
func (r *room) mayMix() bool {
	return r.engine.mixes && !r.noMix && !r.encrypted()
}

// encrypted says whether something here is encrypted end to end.
func (r *room) encrypted() bool {
	for _, t := range r.tracks {
		if t.info.Encrypted {
			return true
		}
	}
	return false
}

// thinOut has made what the plans of all members want, and answers the source
// of each: mixes by member, thinner copies by track and shape.
func (r *room) thinOut(by ranking) {
	var inputs []*peer.Track
	var outputs []mix.OutputConfig
	r.thin = nil
	want := func(c mix.OutputConfig) {
		if !slices.Contains(outputs, c) && len(outputs) < mix.MaxOutputs {
			outputs = append(outputs, c)
		}
	}
	hear := func(t *track) {
		if !slices.Contains(inputs, t.media) && len(inputs) < mix.MaxInputs {
			inputs = append(inputs, t.media)
		}
	}
	for _, m := range r.members {
		switch m.blend.plan.Kind {
		case blend.Thinned:
			for _, t := range r.voices(m)[:min(1, len(r.voices(m)))] {
				hear(t)
				want(m.thinned(t))
			}
		case blend.Mixed:
			want(m.mixed())
			voices := 0
			for _, t := range by.audio {
				if t.source == signal.Microphone && !t.info.Muted && voices < mixedVoices {
					hear(t)
					voices++
				}
			}
		}
	}
	if r.mix == nil {
		if len(outputs) == 0 {
			return
		}
		m, err := r.engine.media.NewMix()
		if err != nil {
			r.engine.log.Error("voices are not mixed", "error", err)
			r.noMix = true
			return
		}
		r.mix = m
	}
	made := r.mix.Set(inputs, outputs)
	r.thin = make(map[mix.OutputConfig]*peer.Track, len(made))
	for i, c := range outputs {
		r.thin[c] = made[i]
	}
}

func (m *member) thinned(t *track) mix.OutputConfig {
	return mix.OutputConfig{Only: t.short, Rate: m.blend.plan.Rate, PacketTime: m.blend.plan.PacketTime}
}

// mixed is the mix of everybody but m.
func (m *member) mixed() mix.OutputConfig {
	c := mix.OutputConfig{Rate: m.blend.plan.Rate, PacketTime: m.blend.plan.PacketTime}
	if own := m.track(signal.Microphone); own != nil && !own.info.Muted {
		c.Without = own.short
	}
	return c
}

// mediaOf is what of a track m is sent: its packets, or a thinner copy.
func (r *room) mediaOf(m *member, t *track) *peer.Track {
	if m.blend.plan.Kind == blend.Thinned && t.source == signal.Microphone {
		if thin := r.thin[m.thinned(t)]; thin != nil {
			return thin
		}
	}
	return t.media
}

// heard are the sounds that m is to be sent as streams of their own.
func (m *member) heard(ranked []*track) []*track {
	switch {
	case m.blend.plan.Kind == blend.Mixed:
		return nil
	case m.blend.single || m.blend.plan.Kind == blend.Thinned:
		return ranked[:min(1, len(ranked))]
	}
	return ranked
}

// blendSlots puts into m's audio slots what its plan says beside whole tracks: a
// mix into the first one, thinner copies in place of what they are copies of.
func (r *room) blendSlots(m *member) (changed []signal.Assignment) {
	first := true
	for i := range m.slots {
		s := &m.slots[i]
		if s.kind != downlink.Audio {
			continue
		}
		var media *peer.Track
		source := downlink.Source{}
		switch {
		case s.track != nil:
			media, source = r.mediaOf(m, s.track), s.track.downlinkSource()
		case first && m.blend.plan.Kind == blend.Mixed && m.receives():
			if media = r.thin[m.mixed()]; media != nil {
				source = downlink.Source{ID: r.mixID(), Kind: media.Kind()}
			}
		}
		first = false
		mixed := media != nil && s.track == nil
		if s.media == media && s.mixed == mixed {
			continue
		}
		if s.mixed != mixed {
			a := signal.Assignment{Slot: i, Mixed: mixed}
			if mixed {
				a.Source = source.ID
			}
			if s.track == nil {
				changed = append(changed, a)
			}
		}
		s.media, s.mixed = media, mixed
		m.peer.Assign(i, media, source)
	}
	return changed
}

// mixID is the short id under which mixes travel in this room.
func (r *room) mixID() uint32 {
	if r.mixShort == 0 {
		r.mixShort = r.shortID()
	}
	return r.mixShort
}

// endMix ends the room's mixer, if it has one.
func (r *room) endMix() {
	if r.mix != nil {
		r.mix.Close()
		r.mix = nil
	}
}
