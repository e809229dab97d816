package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// voiceLayers fills s.layers with the ladder of voice modes.
//
// A mode costs what it costs while somebody speaks, times the share of time in
// which that is so. But one that would not fit the whole budget while somebody
// speaks is not taken in a silence either: the first word would drown the path.
func (d *Downlink) voiceLayers(now time.Time, s *slot) {
	a := s.sound
	a.overhead = d.wireSize(0, false, d.audioLevel, nil)
	c := d.conditions(s)
	a.steps = voice.AppendLadder(a.steps, c)
	for n := len(a.steps) - 1; n > 0 && d.declines(now, a.steps[n-1], a.steps[n], c.Published); n-- {
		a.steps = a.steps[:n]
	}
	a.step = place(a.steps, a.want, c.Shape)
	if d.holdsVoice(now) {
		a.steps = append(a.steps[:0], a.steps[a.step])
		a.step = 0
	}
	duty := a.duty()
	for i, step := range a.steps {
		needs := step.Rate
		if i > a.step {
			needs = allocator.WithHeadroom(needs)
		}
		rate := step.Rate
		if needs <= d.budget {
			rate = max(rate.Scale(duty), 1)
		}
		s.layers = append(s.layers, allocator.Layer{Spatial: int8(i), Rate: rate})
	}
}

// conditions are those of the slot's voice now.
func (d *Downlink) conditions(s *slot) voice.Conditions {
	return voice.Conditions{
		Shape: s.sound.shape(s.sound.overhead), Loss: d.voiceLoss(), Repair: d.repairsVoice(s),
		Redundant: s.negotiated(codec.RED) != nil, Opaque: s.source.Opaque || d.plainVoice,
	}
}

// measureRooms reckons for each voice how much payload there would be room for:
// what the other voices leave, or a share of the path where there are pictures.
func (d *Downlink) measureRooms() {
	var spoken units.Rate
	pictures := false
	for i := range d.grants {
		if d.demands[i].Kind == allocator.Voice {
			spoken += d.grants[i].Rate
		} else {
			pictures = pictures || len(d.demands[i].Layers) > 0 && !d.demands[i].Muted
		}
	}
	far, path := d.roundTrip() >= farVoice, d.bwe.Stats()
	for i := range d.slots {
		s := &d.slots[i]
		if s.sound == nil || len(s.sound.steps) == 0 {
			continue
		}
		if d.decision.State == bwe.Blackout && s.sound.room != 0 {
			continue // the path is gone, and not thin
		}
		share := d.budget - (spoken - d.grants[i].Rate)
		if pictures {
			share = min(share, d.budget.Scale(besidePictures))
		}
		if far {
			share = share.Scale(farShare)
		}
		s.sound.room = d.conditions(s).Room(max(share, 0))
		most := units.Rate(0)
		switch {
		case !d.reported():
		case far && !d.heard:
			most = farPayload
		case far && path.Capacity == 0 && d.roundTrip() >= veryFar:
			most = veryFarPayload
		case !d.heard || far && path.Capacity == 0:
			most = unheardPayload
		}
		if most > 0 && (s.sound.room == 0 || s.sound.room > most) {
			s.sound.room = most
		}
	}
}

// declines says whether a step up the ladder is not wanted even where it fits.
func (d *Downlink) declines(now time.Time, from, to voice.Step, published time.Duration) bool {
	if !d.heard && d.reported() && max(to.Mode.Packet, published) < unheard {
		return true
	}
	if d.roundTrip() >= farVoice {
		capacity, most := d.bwe.Stats().Capacity, farRate
		if !d.heard || now.Sub(d.heardAt) < freshPath {
			most = freshRate
		}
		if max(to.Mode.Packet, published) < unheard && capacity < 2*to.Rate || capacity == 0 && to.Rate > most {
			return true
		}
	}
	return d.mode == Low && from.Impairment-to.Impairment < worthData
}

// reported says whether the receiver reports packets one by one.
func (d *Downlink) reported() bool { return d.transportWide || d.streams != nil }

// holdsVoice says whether voice keeps its mode although the path is silent:
// reports are lost, too, and where packets are lost the thinnest mode is the
// worst. A path that stays silent carries the floor only.
func (d *Downlink) holdsVoice(now time.Time) bool {
	if d.decision.State != bwe.Blackout {
		d.silent = time.Time{}
		return false
	}
	if d.silent.IsZero() {
		d.silent = now
	}
	return now.Sub(d.silent) < holdVoice
}

// place is where a mode stands on a ladder: if it is not on it, the best step
// that costs no more.
func place(steps []voice.Step, m voice.Mode, shape voice.Shape) int {
	rate, at := m.Rate(shape), 0
	for i, step := range steps {
		if step.Mode == m {
			return i
		}
		if step.Rate <= rate {
			at = i
		}
	}
	return at
}

// keepModes tells the allocator where on their new ladders the modes stand that
// were granted before.
func (d *Downlink) keepModes(granted []allocator.Grant) {
	for i := range granted {
		if s := d.slot(granted[i].Slot); s != nil && s.sound != nil && granted[i].Active() && len(s.sound.steps) > 0 {
			granted[i].Spatial = int8(s.sound.step)
		}
	}
}

// SetVoiceWish says what voices would cost on the wire if the path carried them
// as they are, while they are sent thinner or mixed; 0 when they are not.
func (d *Downlink) SetVoiceWish(now time.Time, wish units.Rate) {
	if wish != d.voiceWish {
		d.voiceWish = wish
		d.allocateSoon(now, 0)
	}
}

// VoiceRoom is the payload rate at which the voice of a slot would fit the path
// well; 0 = any, or no voice.
func (d *Downlink) VoiceRoom(index int) units.Rate {
	s := d.slot(index)
	if s == nil || s.sound == nil || len(s.sound.steps) == 0 {
		return 0
	}
	return s.sound.room
}
