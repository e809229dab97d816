package sfu

import (
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/codec/quality"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// Hearing is how one leg of a voice must sound, by what is measured of it and the
// E-model (ITU-T G.107 and its extensions): that from the speaker to here, or that
// from here to a listener. Scores of different scales must not be compared.
type Hearing struct {
	MOS   float64 `json:"mos"`   // 1 to 4.5
	Scale string  `json:"scale"` // narrowband, wideband, fullband: of the codec's bandwidth
	// Share is the rating's share of the best of its scale, 0 to 1.
	Share float64 `json:"share"`
	// Loss is the share of sound, 0 to 1, that is lost after every repair, and Burst
	// the mean length of its runs against that of random loss; Delay is the leg's,
	// with what coder, packets and a calm jitter buffer add.
	Loss  float64 `json:"loss"`
	Burst float64 `json:"burst"`
	Delay int     `json:"delayMilliseconds"`
}

// bestRating is the best of each scale (G.107 §7.1, G.107.1 §6.2, G.107.2 §6.2).
var bestRating = map[quality.Scale]float64{quality.Narrowband: 93.2, quality.Wideband: 129, quality.Fullband: 148}

// hearing reckons a leg's score; nil before anybody spoke.
func hearing(v *downlink.VoiceStats, path quality.Path) *Hearing {
	if v.Payload == 0 || v.Published == 0 {
		return nil
	}
	s := quality.Estimate(quality.Opus(v.Bandwidth, v.Payload, false), path)
	return &Hearing{
		MOS: s.MOS(), Scale: s.Scale().String(), Share: s.Rating() / bestRating[s.Scale()],
		Loss: path.Loss, Burst: path.Burst, Delay: int(path.Delay / time.Millisecond),
	}
}

// received is how the voice in a slot must sound, from here on.
func received(path *downlink.Stats, i int) *Hearing {
	if i >= len(path.Slots) || path.Slots[i].Kind != downlink.Audio || path.Slots[i].Source == 0 {
		return nil
	}
	v := &path.Slots[i].Voice
	return hearing(v, quality.Path{Delay: path.RTT/2 + path.Path.QueueDelay + voiceDelay + v.Wait, Loss: v.Lost, Burst: v.Burst})
}

// said is how a participant's voice must sound as it comes to here: coded as its
// receivers see it. nil while nobody receives it.
func (r *room) said(now time.Time, m *member, paths map[*member]*downlink.Stats) *Hearing {
	t := m.track(signal.Microphone)
	if t == nil || m.peer == nil {
		return nil
	}
	up, ok := m.peer.VoiceUplink(now, m.sections[signal.Microphone])
	if !ok || up.Received == 0 {
		return nil
	}
	loss := float64(up.Lost) / float64(up.Received+up.Lost)
	var ask voice.Ask // of who obeys none: as it likes
	if m.voice != nil {
		ask = m.voice.Ask()
	}
	lost, burst, wait := voice.Conditions{Shape: voice.Shape{Published: ask.Packet}, Loss: loss, Redundant: true}.Heard(voice.Mode{Redundancy: ask.Redundancy})
	way := quality.Path{Delay: up.RTT/2 + up.Queue + voiceDelay + wait, Loss: lost, Burst: burst}
	for other, path := range paths {
		for i, s := range other.slots {
			if s.track == t && i < len(path.Slots) && path.Slots[i].Source == t.short {
				if h := hearing(&path.Slots[i].Voice, way); h != nil {
					return h
				}
			}
		}
	}
	return nil
}

// hear scores all voices of a room: what members say, and what is in slots.
func (r *room) hear(now time.Time, said func(*member, *Hearing), heard func(m *member, slot int, h *Hearing)) {
	paths := make(map[*member]*downlink.Stats)
	for _, m := range r.members {
		if m.peer == nil {
			continue
		}
		path, known := m.peer.Stats()
		if !known {
			continue
		}
		paths[m] = &path
		for i := range m.slots {
			if h := received(&path, i); h != nil {
				heard(m, i, h)
			}
		}
	}
	for _, m := range r.members {
		if h := r.said(now, m, paths); h != nil {
			said(m, h)
		}
	}
}

// opinion is what a participant must have thought of the voices in a call so far.
// The zero value has heard none. It may be asked by any goroutine.
type opinion struct {
	mu sync.Mutex // a leaf
	by map[string]VoiceScore
}

// add takes one voice at one moment; nil is none.
func (o *opinion) add(h *Hearing) {
	if h == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by == nil {
		o.by = make(map[string]VoiceScore)
	}
	o.by[h.Scale] = o.by[h.Scale].with(VoiceScore{1, h.MOS, h.MOS})
}

// mean answers the mean on the scale that was heard most; 0 and "" for none.
func (o *opinion) mean() (mos float64, scale string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	most := 0
	for name, s := range o.by {
		if s.Voices > most || s.Voices == most && name < scale {
			most, mos, scale = s.Voices, s.MOS, name
		}
	}
	return mos, scale
}

// VoiceScore are the scores of several voices on one scale.
type VoiceScore struct {
	Voices int
	MOS    float64 // their mean
	Worst  float64
}

// VoiceScores are those of all voices by direction, and by scale: as they come
// from speakers, and as they go to listeners.
type VoiceScores struct{ Sent, Received map[string]VoiceScore }

func (v VoiceScore) with(o VoiceScore) VoiceScore {
	if v.Voices == 0 {
		return o
	}
	n := v.Voices + o.Voices
	mean := (v.MOS*float64(v.Voices) + o.MOS*float64(o.Voices)) / float64(n)
	return VoiceScore{n, mean, min(v.Worst, o.Worst)}
}

// scores keeps each room's, for totals. Rooms write, anybody reads.
type scores struct {
	mu sync.Mutex
	by map[*room]VoiceScores
}

func (s *scores) set(r *room, v VoiceScores) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[*room]VoiceScores)
	}
	s.by[r] = v
}

func (s *scores) drop(r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, r)
}

func (s *scores) all() VoiceScores {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := VoiceScores{make(map[string]VoiceScore), make(map[string]VoiceScore)}
	for _, v := range s.by {
		for scale, one := range v.Sent {
			all.Sent[scale] = all.Sent[scale].with(one)
		}
		for scale, one := range v.Received {
			all.Received[scale] = all.Received[scale].with(one)
		}
	}
	return all
}

// scoreVoices notes the scores of a room's voices for the totals.
func (r *room) scoreVoices(now time.Time) {
	if len(r.members) == 0 {
		r.engine.scores.drop(r)
		return
	}
	v := VoiceScores{make(map[string]VoiceScore), make(map[string]VoiceScore)}
	add := func(to map[string]VoiceScore, h *Hearing) {
		to[h.Scale] = to[h.Scale].with(VoiceScore{1, h.MOS, h.MOS})
	}
	r.hear(now, func(_ *member, h *Hearing) { add(v.Sent, h) }, func(m *member, _ int, h *Hearing) {
		add(v.Received, h)
		m.opinion.add(h)
	})
	r.engine.scores.set(r, v)
}
