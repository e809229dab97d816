// Package speaker decides who speaks in a room: the ranking of its audio
// sources that fills the few audio slots of every subscriber, and the levels
// that a client shows.
//
// Input is one observation per audio packet: its level in -dBov with the voice
// activity flag (RFC 6464 §3), or only its size when the sender attaches no
// level. Output is a ranking, whose first n are the sources to forward, and a
// list of levels.
//
//	Observe -> voicing (is this speech, and for how long)
//	        -> loudness (fast: for the meter, slow: for the contest)
//	Update  -> ranking: speaking before silent, recent before old, and louder
//	           before quieter only where the difference is clear and lasts
//
// The ranking is made to change rarely, because every change of the first n
// costs a listener the beginning of somebody's word:
//
//   - A source counts as speaking after Onset of speech and until its pauses
//     have used that up again, so a cough or a slammed door takes no slot.
//   - A silent source keeps its place until a speaking one needs it, and of
//     several silent ones the one that has been silent longest goes first.
//   - Among speaking sources a challenger takes a place only when it is louder
//     by Margin for Hold without a break.
//   - Noise is no speech: it lacks the voice activity flag, or, from a sender
//     that never sets the flag, it does not rise above its own noise floor.
//
// The package is pure and deterministic: equal observations give equal
// rankings, and no map is ever iterated.
package speaker

import (
	"slices"
	"time"
)

// Config tunes a Detector. Zero fields take the default.
type Config struct {
	// Onset is how much speech, less the pauses in it, makes a source count
	// as speaking. Default 300 ms.
	Onset time.Duration
	// Release is how long silence must last at most until a source no longer
	// counts as speaking. Default 800 ms: pauses between words are shorter.
	Release time.Duration
	// Hold is how long a challenger must be clearly louder than a speaking
	// source to take its place. Default 400 ms.
	Hold time.Duration
	// Margin is what "clearly louder" means, in dB. Default 6.
	Margin float64
	// Minimum is the quietest level, in -dBov, that can be speech. Default 60.
	Minimum uint8
	// SilentSize is the largest payload in bytes that counts as silence where
	// there is no level: an Opus packet of discontinuous transmission or of
	// comfort noise. Default 8.
	SilentSize int
}

func (c Config) withDefaults() Config {
	if c.Onset <= 0 {
		c.Onset = 300 * time.Millisecond
	}
	if c.Release <= 0 {
		c.Release = 800 * time.Millisecond
	}
	if c.Release < c.Onset {
		c.Release = c.Onset
	}
	if c.Hold <= 0 {
		c.Hold = 400 * time.Millisecond
	}
	if c.Margin <= 0 {
		c.Margin = 6
	}
	if c.Minimum == 0 || c.Minimum > silence {
		c.Minimum = 60
	}
	if c.SilentSize <= 0 {
		c.SilentSize = 8
	}
	return c
}

// Level is what a client is told of one source.
type Level struct {
	ID       uint32
	DBov     uint8 // -dBov over about 100 ms: 0 is loudest, 127 silence
	Speaking bool
}

// Detector ranks the audio sources of one room. One goroutine owns it.
type Detector struct {
	cfg    Config
	byID   []*source // ascending id, for look-up and for output
	ranked []*source // best first
}

// New answers a detector without sources.
func New(cfg Config) *Detector { return &Detector{cfg: cfg.withDefaults()} }

// Observe takes note of one audio packet of source id, which begins to exist
// with its first packet. level is -dBov, 0 to 127, and active the voice
// activity flag; both count only if hasLevel. size is the payload in bytes.
func (d *Detector) Observe(now time.Time, id uint32, level uint8, hasLevel, active bool, size int) {
	i, found := d.find(id)
	if !found {
		s := newSource(id, now)
		d.byID = slices.Insert(d.byID, i, s)
		d.ranked = append(d.ranked, s)
	}
	d.byID[i].observe(now, &d.cfg, level, hasLevel, active, size)
}

// Remove forgets source id.
func (d *Detector) Remove(id uint32) {
	i, found := d.find(id)
	if !found {
		return
	}
	s := d.byID[i]
	d.byID = slices.Delete(d.byID, i, i+1)
	if j := slices.Index(d.ranked, s); j >= 0 {
		d.ranked = slices.Delete(d.ranked, j, j+1)
	}
}

// Update ages what was observed and ranks anew. It answers whether the ranking
// changed, or who counts as speaking. Call it about every 100 ms, and after
// Remove.
func (d *Detector) Update(now time.Time) (changed bool) {
	for _, s := range d.byID {
		if s.update(now, &d.cfg) {
			changed = true
		}
	}
	return d.rank(now) || changed
}

// Top answers the first n sources, best first. A room has at least one more
// slot's worth to ask for than its subscribers have slots, since nobody hears
// himself. The order within is no reason to move anybody between slots.
func (d *Detector) Top(n int) []uint32 { return d.AppendTop(nil, n) }

// AppendTop appends what Top answers to dst.
func (d *Detector) AppendTop(dst []uint32, n int) []uint32 {
	for _, s := range d.ranked[:max(0, min(n, len(d.ranked)))] {
		dst = append(dst, s.id)
	}
	return dst
}

// Speakers answers the level of every source as of now, by ascending id.
func (d *Detector) Speakers(now time.Time) []Level { return d.AppendSpeakers(now, nil) }

// AppendSpeakers appends what Speakers answers to dst.
func (d *Detector) AppendSpeakers(now time.Time, dst []Level) []Level {
	for _, s := range d.byID {
		dst = append(dst, Level{ID: s.id, DBov: s.meter(now), Speaking: s.speaking})
	}
	return dst
}

// find answers where source id is in byID, or where it belongs.
func (d *Detector) find(id uint32) (int, bool) {
	return slices.BinarySearchFunc(d.byID, id, func(s *source, id uint32) int {
		switch {
		case s.id < id:
			return -1
		case s.id > id:
			return 1
		}
		return 0
	})
}

// rank moves every source up past those that it beats. Sources rise from the
// top of the list to its end, so one pass settles everything that is not a
// matter of holding out.
func (d *Detector) rank(now time.Time) (changed bool) {
	for i := 1; i < len(d.ranked); i++ {
		s := d.ranked[i]
		place := i
		for place > 0 && s.outranks(d.ranked[place-1]) {
			place--
		}
		if place == 0 || !s.louder(d.ranked[place-1], d.cfg.Margin) {
			s.rival, s.challenging = nil, false
		} else if above := d.ranked[place-1]; !s.challenging || s.rival != above {
			s.rival, s.challenging, s.since = above, true, now
		} else if now.Sub(s.since) >= d.cfg.Hold {
			for place > 0 && s.louder(d.ranked[place-1], d.cfg.Margin) {
				place--
			}
			s.rival, s.challenging = nil, false
		}
		if place < i {
			copy(d.ranked[place+1:i+1], d.ranked[place:i])
			d.ranked[place] = s
			changed = true
		}
	}
	return changed
}
