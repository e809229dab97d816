package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
)

// holeLife is how long a packet that never came from its publisher is waited
// for, from the subscriber's first request on, where the publisher is near. The
// uplink's own requests have been answered by then, or will not be: it is two
// round trips to the publisher and a half where that is more, up to maxHoleLife.
const (
	holeLife    = 500 * time.Millisecond
	maxHoleLife = 3 * time.Second
)

// hole is the place of a packet that a subscriber lacks and that nobody can
// send it. A decoder waits at it: browsers for three seconds until they ask for
// a key frame. We know sooner that the packet will not come, and ask for them.
type hole struct {
	sequence uint16
	due      time.Time // when it is given up; zero: there is none
}

// lacks notes a request for a packet that is not in the history. One hole is
// enough: the key frame that closes it closes the others.
func (d *Downlink) lacks(now time.Time, s *slot, sequence uint16) {
	h := &s.history
	switch {
	case s.cfg.Kind != Video || !h.any || int16(sequence-h.newest) >= 0:
		// Nothing was sent, or not so far.
	case int16(sequence-h.oldest) <= 0: // forgotten: it will not come
		d.giveUp(now, s, sequence)
	case s.hole.due.IsZero():
		s.hole = hole{sequence: sequence, due: now.Add(s.waits())}
	}
}

// waits is how long a hole is waited for.
func (s *slot) waits() time.Duration { return min(max(holeLife, s.sourceRTT*5/2), maxHoleLife) }

// SetSourceRTT tells the round trip between the server and the source of a slot;
// 0 = not known.
func (d *Downlink) SetSourceRTT(index int, rtt time.Duration) {
	if s := d.slot(index); s != nil && s.source.ID != 0 {
		s.sourceRTT = rtt
	}
}

// closeHole gives a hole up once it is due.
func (d *Downlink) closeHole(now time.Time, s *slot) {
	if !due(now, s.hole.due) {
		return
	}
	sequence := s.hole.sequence
	s.hole = hole{}
	if s.history.find(sequence) == nil {
		d.giveUp(now, s, sequence)
	}
}

// giveUp asks for a key frame in place of a packet that the subscriber will
// not get, unless it can do without.
func (d *Downlink) giveUp(now time.Time, s *slot, sequence uint16) {
	stream := s.selector.Stream()
	if stream < 0 || s.source.ID == 0 || s.superseded(sequence) || !s.needs(sequence) {
		return
	}
	s.stats.GivenUp++
	d.askKeyframe(now, s, stream)
}

// needs says whether other frames refer to what a packet carried, as far as
// its neighbours tell. When in doubt they do.
func (s *slot) needs(sequence uint16) bool {
	if e := s.history.find(sequence); e != nil {
		return e.state != ours && (e.packet == nil || !e.packet.Info.Discardable)
	}
	a, b := s.history.find(sequence-1), s.history.find(sequence+1)
	for back := uint16(2); a != nil && a.state == ours && back <= mostWithin+1; back++ {
		a = s.history.find(sequence - back) // repair packets stand between frames
	}
	if a == nil || b == nil || a.packet == nil || b.packet == nil {
		return true
	}
	x, y := &a.packet.Info, &b.packet.Info
	switch {
	case a.output.Timestamp == b.output.Timestamp, !a.packet.Marker: // of the frame before it
		return !x.Discardable
	case !y.FrameStart: // of the frame behind it
		return !y.Discardable
	case a.packet.Kind == codec.VP8 && x.HasTL0PICIDX && y.HasTL0PICIDX:
		// A whole frame. Base frames are counted (RFC 7741 §4.2), so one that is
		// missing shows. What refers to another layer only waits for the next
		// base frame.
		bases := y.TL0PICIDX - x.TL0PICIDX
		return y.Temporal == 0 && bases != 1 || y.Temporal > 0 && bases != 0
	}
	return true
}

// superseded says whether a key frame was sent behind a packet. One that is
// further back than the history reaches says nothing any more: numbers wrap.
func (s *slot) superseded(sequence uint16) bool {
	h := &s.history
	return s.keyed && h.any && h.newest-s.refreshed < uint16(h.size) && int16(sequence-s.refreshed) < 0
}

// refresh notes that a key frame begins at a sequence number: what is missing
// before it is missed no more.
func (s *slot) refresh(sequence uint16) {
	s.refreshed, s.keyed = sequence, true
	if int16(s.hole.sequence-sequence) < 0 {
		s.hole = hole{}
	}
}
