// Package layer decides which packets of a track go on to one subscriber.
//
// Input are the packets of all simulcast layers of the track and the target
// that the allocator granted; output is a Decision for each packet. The rule
// is that a subscriber never gets a frame that it cannot decode. A track of
// several streams is simulcast, and its spatial layers are those streams; the
// spatial layers of a track of one stream are inside it.
//
// Among streams: another one begins with the first packet of a key frame.
//
//	paused ──target──> waiting ──key frame of any layer up to the target──> running
//	   ^                  ^                                                 │  │ ^
//	   └──target -1───────┼──── at the next frame start ────────────────────┘  │ │ key frame of
//	                      └──── FrameLost(base), source or SSRC changed ───────┘ └─the layer wanted
//
// The layer wanted is the target's, or, while that one does not exist or has
// fallen silent, the largest living one below it. Until its key frame comes the
// current layer goes on; if that is larger than the target, only its base
// temporal layer does, because the budget is already overdrawn.
//
// Inside a stream the choice is made once for each picture, at its first packet:
//
//	exact     dependency descriptors, of whatever codec: decode targets and chains
//	spatial   VP9 without them: RFC 9628 §4.2, SID, D and Z
//	temporal  VP8 (RFC 7741 §4.2, TID and Y), VP9 (TID and U), H.265 (RFC 7798 §1.1.4)
//
// A higher temporal layer begins at a switch-up point, a lower one at any
// picture, at once. The package is pure: it is told the time.
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

const (
	// maxLayers bounds the simulcast layers of a track. Browsers send three;
	// packets of a layer beyond are dropped.
	maxLayers = 8

	// aliveFor is how long a layer may be silent, while other layers are not,
	// before it counts as switched off. A second is five frames of the thinnest
	// video that is worth sending.
	aliveFor = time.Second

	// longestStep bounds how much one packet moves the track's own clock, by
	// which silence is measured: when the whole track was silent, no layer
	// fell silent beside the others.
	longestStep = 250 * time.Millisecond

	// adoptAfter is how long a layer's SSRC must be silent before packets of
	// another SSRC are taken for its successor and not for stragglers.
	adoptAfter = 100 * time.Millisecond
)

// Selector chooses among the layers of one track for one subscriber. The zero
// value is not ready: use New. It belongs to one goroutine.
type Selector struct {
	kind    codec.Kind
	target  Target
	current int8 // layer that goes on, -1 for none

	now    time.Time     // of the last packet offered
	active time.Duration // the track's own clock, see longestStep
	layers [maxLayers]source

	first     int64 // extended sequence number with which the current layer began
	simulcast bool  // packets of more than one stream have come
	described bool  // the current stream carries dependency descriptors
	exact     exact // if it does
	spatial   spatial
	temporal  temporal
}

// New answers a selector for tracks of a kind; its target is Paused.
func New(kind codec.Kind) Selector {
	return Selector{kind: kind, target: Paused, current: -1}
}

// Reset makes the selector as new, for tracks of a kind.
func (s *Selector) Reset(kind codec.Kind) { *s = New(kind) }

// SetTarget says what the subscriber shall get. It takes effect at the next
// frame start or key frame that allows it. A negative Spatial pauses.
func (s *Selector) SetTarget(t Target) { s.target = t }

// Target is what was last asked for.
func (s *Selector) Target() Target { return s.target }

// Current is what the subscriber gets now: Spatial is -1 when nothing goes on,
// be it paused or waiting for a key frame. For sound it is always layer 0.
func (s *Selector) Current() Target {
	switch {
	case s.kind.Audio():
		return Target{}
	case s.current < 0:
		return Paused
	}
	inside := Target{Spatial: s.spatial.layer(s.active), Temporal: s.temporal.highest()}
	if s.described {
		inside = s.exact.layers()
	}
	if s.simulcast {
		inside.Spatial = s.current
	}
	return inside
}

// Stream is the simulcast layer that goes on; -1 for none.
func (s *Selector) Stream() int8 { return s.current }

// SourceChanged says that the packets to come are of another track: nothing
// goes on until one of its key frames. The target stays.
func (s *Selector) SourceChanged() {
	target := s.target
	*s = New(s.kind)
	s.target = target
}

// FrameLost says that p, which had been let through, was thrown away behind the
// selector (by the pacer), so that its frame will not be whole at the
// subscriber. A lost frame of a higher temporal layer costs that layer until
// its next switch-up point, a lost base frame costs everything until a key
// frame, and a frame that no other refers to costs nothing more. Packets of
// before the last switch are ignored.
func (s *Selector) FrameLost(p *packet.Packet) {
	if s.current < 0 || int(p.Layer) != int(s.current) || p.SSRC != s.layers[s.current].ssrc || p.Extended < s.first {
		return
	}
	if p.Info.Discardable {
		return
	}
	if s.described {
		s.exact.lose(p)
		if p.Placement.Indication(s.exact.target) == codec.DiscardOnly {
			return
		}
	}
	if p.Info.Temporal == 0 {
		s.stop()
		return
	}
	s.temporal.leave(p.Info.Temporal)
}

// WantsKeyframe answers the stream (simulcast layer) that a key frame is needed
// of to come closer to the target. The caller asks the publisher and throttles.
func (s *Selector) WantsKeyframe() (layer uint8, ok bool) {
	if s.kind.Audio() || s.target.Spatial < 0 {
		return 0, false
	}
	wanted := s.wanted()
	return uint8(wanted), wanted != s.current || s.stuck()
}

// stuck says whether the spatial layer wanted inside the current stream begins
// at a key frame only.
func (s *Selector) stuck() bool {
	if s.described {
		return s.exact.wantsKeyframe()
	}
	x := &s.spatial
	return x.wanted > x.current || x.wanted < x.current && x.wanted < x.highest(s.active)
}

// Decide says what becomes of p. Every packet of every layer of the track is to
// be offered, in the order of arrival; now is the time of the call. It
// allocates nothing. Sound always goes on.
func (s *Selector) Decide(now time.Time, p *packet.Packet) Decision {
	if s.kind.Audio() {
		return Forward
	}
	if p.Layer >= maxLayers {
		return Drop
	}
	s.tick(now)
	l := &s.layers[p.Layer]
	if l.known && l.ssrc != p.SSRC {
		start := p.Info.Keyframe && p.Info.FrameStart
		if !start && s.active-l.seen < adoptAfter {
			return Drop
		}
		*l = source{}
		if int8(p.Layer) == s.current {
			s.stop()
		}
	}
	s.simulcast = s.simulcast || p.Layer > 0
	place := l.observe(s.active, p)
	if len(p.Payload) == 0 { // padding uses up a number, no more
		return Drop
	}
	if place == restarted && int8(p.Layer) == s.current {
		s.stop()
	}
	if int8(p.Layer) != s.current {
		if s.mayStart(place, p) {
			s.start(p)
			return Switch
		}
		return Drop
	}
	if !s.described {
		s.spatial.observe(s.active, p)
	}
	if (place == nextFrame || place == nextFrameAfterGap) && !s.next(p) {
		s.stop()
		return Drop
	}
	if place == late && p.Extended < s.first || !s.passes(p) {
		return Drop
	}
	return Forward
}

// next decides at the first packet seen of a picture what goes on from here;
// false when nothing does.
func (s *Selector) next(p *packet.Packet) bool {
	if s.target.Spatial < 0 {
		return false
	}
	inside := s.inside()
	switch {
	case s.described && !p.Placement.Known():
		return false // of another structure, whose key frame has not come
	case s.described:
		return s.exact.next(p, inside)
	}
	s.spatial.next(s.active, p, inside)
	s.temporal.frame(s.kind, p, uint8(inside.Temporal))
	return true
}

// passes says whether p, of the current stream, goes on.
func (s *Selector) passes(p *packet.Packet) bool {
	if s.described {
		return p.Placement.Known() && s.exact.passes(p)
	}
	return s.spatial.passes(p) && s.temporal.passes(p)
}

// Last says whether p, which was let through, ends its picture as the
// subscriber gets it: what follows of the picture does not go on.
func (s *Selector) Last(p *packet.Packet) bool {
	if !p.Info.FrameEnd || s.current < 0 || int8(p.Layer) != s.current {
		return p.Marker
	}
	if s.described {
		f := s.exact.frames.find(p.Placement.Number)
		return p.Marker || f != nil && f.last
	}
	return p.Marker || s.kind == codec.VP9 && p.Info.Spatial == s.spatial.current
}

// Targets answers the decode targets that the subscriber gets from p's picture
// on (bit 0 is target 0), or 0 if the stream does not number them.
func (s *Selector) Targets(p *packet.Packet) uint32 {
	if !s.described || s.current < 0 || p.Placement.Structure != s.exact.structure {
		return 0
	}
	return s.exact.mask
}

// tick moves the track's own clock.
func (s *Selector) tick(now time.Time) {
	if step := now.Sub(s.now); step > 0 {
		if !s.now.IsZero() {
			s.active += min(step, longestStep)
		}
		s.now = now
	}
}

// mayStart says whether the subscriber may go over to p's layer with p.
func (s *Selector) mayStart(place place, p *packet.Packet) bool {
	// A key frame whose first packet comes after others of it, which are gone
	// by now, could not be completed.
	if place < nextFrame || !p.Info.Keyframe || !p.Info.FrameStart {
		return false
	}
	layer := int8(p.Layer)
	if layer > s.target.Spatial {
		return false
	}
	// The lost packet before an IDR slice may hold its parameter sets.
	if place == nextFrameAfterGap && !p.Info.Parameters && (s.kind == codec.H264 || s.kind == codec.H265) {
		return false
	}
	// With nothing on the screen any picture will do.
	return s.current < 0 || layer == s.wanted()
}

// start makes p's layer the current one, beginning with p.
func (s *Selector) start(p *packet.Packet) {
	s.current = int8(p.Layer)
	s.first = p.Extended
	s.temporal = temporal{}
	s.described = p.Placement.Known()
	inside := s.inside()
	if s.described {
		s.exact = exact{}
		s.exact.begin(p, inside)
		s.exact.passes(p)
		return
	}
	s.spatial = spatial{}
	s.spatial.begin(s.active, inside)
	s.spatial.observe(s.active, p)
	s.temporal.frame(s.kind, p, uint8(inside.Temporal))
}

// stop lets nothing on until a key frame.
func (s *Selector) stop() { s.current = -1 }

// inside is the target within the current stream: all spatial layers if it is
// one of several streams.
func (s *Selector) inside() Target {
	t := Target{Spatial: s.target.Spatial, Temporal: min(max(s.target.Temporal, 0), maxTemporal-1)}
	if s.simulcast {
		if s.current > s.target.Spatial {
			t.Temporal = 0 // the budget is overdrawn
		}
		t.Spatial = maxSpatial - 1
	}
	return t
}

// wanted is the layer that comes closest to the target: the target's own, or
// the largest living one below it if that one is silent. The target must not
// be paused.
func (s *Selector) wanted() int8 {
	top := min(s.target.Spatial, maxLayers-1)
	for l := top; l >= 0; l-- {
		if s.alive(l) {
			return l
		}
	}
	return top
}

// alive says whether the layer sends, as far as is known.
func (s *Selector) alive(l int8) bool {
	return s.layers[l].known && s.active-s.layers[l].seen <= aliveFor
}
