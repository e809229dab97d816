package downlink

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

const (
	// maxEvents bounds what waits for Events; a worker that never asks loses
	// the rest.
	maxEvents = 256
	// keyframeRetry is how long a key frame is waited for before it is asked
	// for once more; keyframePause is the least time between two requests for
	// the same layer. The uplink merges the requests of all subscribers.
	keyframeRetry = 500 * time.Millisecond
	keyframePause = 200 * time.Millisecond
)

// keyframe is what was asked of a slot's source.
type keyframe struct {
	asked   bool
	layer   int8
	at      time.Time // when it was asked for last
	told    time.Time // when the subscriber asked last and was heard
	retryAt time.Time // zero = nothing is waited for
}

// Events appends what has happened since the last call to dst.
func (d *Downlink) Events(dst []Event) []Event {
	dst = append(dst, d.events...)
	d.events = d.events[:0]
	return dst
}

func (d *Downlink) tell(ev Event) {
	if len(d.events) < maxEvents && !slices.Contains(d.events, ev) {
		d.events = append(d.events, ev)
	}
}

// wantKeyframe asks for the key frame that the selector waits for, once, and
// again after keyframeRetry.
func (d *Downlink) wantKeyframe(now time.Time, s *slot) {
	wanted, ok := s.selector.WantsKeyframe()
	if !ok || s.source.ID == 0 {
		s.keyframe.retryAt = time.Time{}
		return
	}
	k := &s.keyframe
	if !k.retryAt.IsZero() && k.layer == int8(wanted) && k.retryAt.After(now) {
		return
	}
	d.askKeyframe(now, s, int8(wanted))
	k.retryAt = now.Add(keyframeRetry)
}

// askKeyframe asks for a key frame of a layer unless it was just asked for.
func (d *Downlink) askKeyframe(now time.Time, s *slot, layer int8) {
	k := &s.keyframe
	if k.asked && k.layer == layer && now.Sub(k.at) < keyframePause {
		return
	}
	k.asked, k.layer, k.at = true, layer, now
	s.stats.Keyframes++
	d.tell(Event{Kind: KeyframeWanted, Slot: s.index, Source: s.source.ID, Spatial: layer})
}

// noticeLayer tells when another layer is sent than before.
func (d *Downlink) noticeLayer(s *slot) {
	current := s.selector.Current()
	if current == s.current {
		return
	}
	s.current = current
	d.wishes++
	if current.Spatial >= 0 {
		d.tellLayer(s)
	}
}

// tellLayer tells which layer is sent now, and why not more.
func (d *Downlink) tellLayer(s *slot) {
	s.tell(d, Event{
		Kind: LayerChanged, Slot: s.index, Source: s.source.ID, Reason: s.grant.Reason,
		Spatial: s.current.Spatial, Temporal: s.current.Temporal,
	})
}

// tell tells of a slot what was not told last: a still picture stays one,
// however often it is refreshed.
func (s *slot) tell(d *Downlink, ev Event) {
	if s.grant.Still && s.told.Kind != Paused {
		s.told.Kind = ev.Kind
	}
	if ev != s.told {
		s.told = ev
		d.tell(ev)
	}
}

// noticeGrant tells when a picture is paused or comes back, or is paused for
// another reason than before.
func (d *Downlink) noticeGrant(s *slot, was, is allocator.Grant) {
	if s.cfg.Kind != Video {
		return
	}
	ev := Event{Slot: s.index, Source: s.source.ID, Spatial: is.Spatial, Temporal: is.Temporal, Reason: is.Reason}
	switch {
	case is.Active() && !was.Active():
		ev.Kind = Resumed
	case !is.Active() && (was.Active() || is.Reason != was.Reason) && is.Reason != allocator.NoSource:
		ev.Kind = Paused
	case is.Still && !was.Still:
		ev.Kind = LayerChanged
	default:
		if is.Active() && is.Reason != was.Reason && s.current.Spatial >= 0 {
			d.tellLayer(s)
		}
		return
	}
	s.tell(d, ev)
}
