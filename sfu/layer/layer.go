// Package layer decides which packets of a track go on to one subscriber.
//
// Input are the packets of all simulcast layers of the track and the target
// that the allocator granted; output is a Decision for each packet. The rule
// is that a subscriber never gets a frame that it cannot decode: another
// simulcast layer begins with the first packet of a key frame (each layer is a
// stream of its own), a higher temporal layer begins at a switch-up point, and
// a lower one at any frame start, at once.
//
// Temporal layers are those of VP8 (RFC 7741 §4.2, TID and Y) and VP9 (RFC 9628
// §4.2, TID and U). The package is pure: it is told the time.
package layer

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// Target is what a subscriber shall get of a track.
type Target struct {
	Spatial  int8 // simulcast layer, 0 is the smallest; -1 is paused
	Temporal int8 // highest temporal layer, 0 is the base
}

// Paused is the target of a subscriber that gets nothing.
var Paused = Target{Spatial: -1}

// Decision is what becomes of one packet.
type Decision uint8

// Decisions.
const (
	Drop    Decision = iota
	Forward          // goes on
	Switch           // goes on, and is the first of another layer or after a pause
)

// String names the decision.
func (d Decision) String() string {
	switch d {
	case Forward:
		return "forward"
	case Switch:
		return "switch"
	}
	return "drop"
}

// Selector chooses among the layers of one track for one subscriber. The zero
// value is not ready: use New. It belongs to one goroutine.
type Selector struct {
	kind    codec.Kind
	target  Target
	current Target
}

// New answers a selector for tracks of a kind; its target is Paused.
func New(kind codec.Kind) Selector {
	return Selector{kind: kind, target: Paused, current: Paused}
}

// Reset makes the selector as new, for tracks of a kind.
func (s *Selector) Reset(kind codec.Kind) { *s = New(kind) }

// SetTarget says what the subscriber shall get. It takes effect at the next
// frame start or key frame that allows it.
func (s *Selector) SetTarget(t Target) { s.target = t }

// Target is what was last asked for.
func (s *Selector) Target() Target { return s.target }

// Current is what the subscriber gets now: Spatial -1 when nothing goes on.
func (s *Selector) Current() Target { return s.current }

// SourceChanged says that the packets to come are of another track: nothing
// goes on until one of its key frames. The target stays.
func (s *Selector) SourceChanged() { s.current = Paused }

// FrameLost says that p, which had been let through, was thrown away behind the
// selector (by the pacer), so that its frame will not be whole at the
// subscriber. A lost frame of a higher temporal layer costs that layer until
// its next switch-up point, a lost base frame costs everything until a key
// frame. Packets of a layer that is no longer current are ignored.
func (s *Selector) FrameLost(p *packet.Packet) { s.current = Paused }

// WantsKeyframe answers the simulcast layer that a key frame is needed of to
// come closer to the target.
func (s *Selector) WantsKeyframe() (layer uint8, ok bool) {
	if s.target.Spatial < 0 || s.current.Spatial == s.target.Spatial {
		return 0, false
	}
	return uint8(s.target.Spatial), true
}

// Decide says what becomes of p. Every packet of every layer of the track is to
// be offered, in the order of arrival; now is the time of the call. It
// allocates nothing. Sound always goes on.
func (s *Selector) Decide(now time.Time, p *packet.Packet) Decision {
	if s.kind.Audio() {
		return Forward
	}
	if s.target.Spatial < 0 {
		s.current = Paused
		return Drop
	}
	layer := int8(min(p.Layer, 127))
	if layer == s.target.Spatial && layer != s.current.Spatial && p.Info.Keyframe && p.Info.FrameStart {
		s.current = s.target
		return Switch
	}
	if layer != s.current.Spatial {
		return Drop
	}
	return Forward
}
