package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/rewrite"
)

// purpose tells why a packet is in the queue.
type purpose uint8

const (
	media      purpose = iota // its first transmission
	again                     // a retransmission of packet
	filling                   // closes a sequence number whose packet will never come
	stuffed                   // padding
	protecting                // a repair packet; bytes is its place
	covering                  // a repair packet within the stream that it protects
)

// queued is what waits in the pacer. It owns one reference to packet.
type queued struct {
	packet  *packet.Packet // nil for filling and for padding without content
	output  stamped
	source  uint16
	purpose purpose
	bytes   uint8 // of padding, when stuffed without content
}

// stamped is what a packet carries on its way out in place of what it came with.
type stamped struct {
	rewrite.Output
	marker  bool   // it ends its picture as the subscriber gets it
	targets uint32 // decode targets to tell the subscriber of; 0 = none
	group   uint8  // in which it is protected within its stream; 0 = none
}

// Forward offers one packet of the slot's source, of every simulcast layer and
// in order of arrival. What is kept is retained; the caller keeps its own
// reference.
func (d *Downlink) Forward(now time.Time, index int, p *packet.Packet) Verdict {
	s := d.slot(index)
	if s == nil {
		return DroppedEmpty
	}
	d.clock = now
	v := d.forward(now, s, p)
	s.stats.Verdicts[v]++
	return v
}

func (d *Downlink) forward(now time.Time, s *slot, p *packet.Packet) Verdict {
	if s.source.ID == 0 {
		return DroppedEmpty
	}
	kind := p.Kind
	if kind == codec.RED { // it is taken apart
		kind = codec.Opus
	}
	if s.codec == nil || kind != s.codec.Kind {
		if was := s.unsupported; !s.adopt(kind) {
			if !was {
				d.allocateSoon(now, 0) // the grant says why nothing comes
			}
			return DroppedCodec
		}
	}
	if s.cfg.Kind == Audio {
		return d.forwardVoice(now, s, p)
	}
	return d.forwardVideo(now, s, p)
}

func (d *Downlink) forwardVideo(now time.Time, s *slot, p *packet.Packet) Verdict {
	d.passStill(now, s, p)
	d.noticeCrowd(s)
	decision := s.selector.Decide(now, p)
	d.noticeLayer(s)
	if decision == layer.Drop {
		d.skip(now, s, p)
		d.wantKeyframe(now, s)
		return DroppedLayer
	}
	if len(p.Payload) == 0 {
		d.skip(now, s, p)
		return DroppedEmpty
	}
	arrival := arrivalOf(now, p)
	if decision == layer.Switch {
		s.stream.Switch(arrival, p)
		d.wantKeyframe(now, s) // it may have been a step on the way
	}
	output, ok := s.stream.Rewrite(arrival, p)
	if !ok {
		return DroppedLate
	}
	if p.Info.Keyframe && p.Info.FrameStart {
		s.refresh(output.Sequence)
	}
	out := stamped{Output: output, marker: s.selector.Last(p), targets: s.tellTargets(p)}
	out.group = s.within.plan(now, p, output.Sequence, units.Size(len(p.Payload)+len(p.Descriptor)+headerMargin))
	verdict := d.enqueue(now, s, p, out, pacing.Video)
	switch {
	case verdict != Forwarded:
		s.within.abandon()
	case out.marker:
		d.followFrame(now, s, p, out)
	}
	return verdict
}

// tellTargets answers the decode targets that the subscriber is to be told of
// with p, 0 for none: once whenever they are others than it must believe.
func (s *slot) tellTargets(p *packet.Packet) uint32 {
	if len(p.Descriptor) == 0 || !p.Info.FrameStart || !p.Placement.Known() {
		return 0
	}
	if p.Info.Keyframe || p.Placement.Active != s.active { // its descriptor says so itself
		s.active = p.Placement.Active
		s.believed = s.active
	}
	targets := s.selector.Targets(p)
	if targets == 0 || targets == s.believed {
		return 0
	}
	s.believed = targets
	return targets
}

// skip closes the gap that a packet leaves which deliberately does not go on.
// Where its number was kept free already, the receiver would ask for it: an
// empty packet takes its place, and again if that is lost.
func (d *Downlink) skip(now time.Time, s *slot, p *packet.Packet) {
	output, fill := s.stream.Drop(p)
	if !fill || s.codec == nil || s.cfg.Kind == Audio {
		return
	}
	if s.cfg.NACK {
		s.history.store(entry{output: stamped{Output: output}, state: void, at: d.since(now)})
	}
	d.queue.Push(now, pacing.Item[queued]{
		Priority: pacing.Retransmission,
		Size:     d.wireSize(0, false, false, nil),
		Flow:     s.index,
		Value:    queued{output: stamped{Output: output}, purpose: filling},
	})
	d.settleDrops(now)
}

// push puts a packet into the pacer, which may throw out others for it.
func (d *Downlink) push(now time.Time, s *slot, p *packet.Packet, output rewrite.Output, priority pacing.Priority) Verdict {
	return d.enqueue(now, s, p, stamped{Output: output, marker: p.Marker}, priority)
}

func (d *Downlink) enqueue(now time.Time, s *slot, p *packet.Packet, output stamped, priority pacing.Priority) Verdict {
	named := s.source.ID != s.acknowledged
	payload := len(p.Payload)
	if output.group != 0 {
		payload += fec.REDHeader
	}
	kept := d.queue.Push(now, pacing.Item[queued]{
		Priority: priority,
		Size:     d.wireSize(payload, named, p.HasOrientation || priority == pacing.Voice && d.audioLevel, p.Descriptor),
		Flow:     s.index,
		Frame:    output.Timestamp,
		Keyframe: p.Info.Keyframe,
		Level:    level(p),
		Value:    queued{packet: p.Retain(), output: output, source: uint16(s.source.ID)},
	})
	d.settleDrops(now)
	if !kept {
		return DroppedQueue
	}
	return Forwarded
}

// onDrop is told by the pacer of each item that will never be popped. It must
// not call the pacer, so what follows from it waits for settleDrops.
func (d *Downlink) onDrop(it pacing.Item[queued]) {
	d.dropped = true
	if it.Flow >= len(d.slots) {
		return
	}
	s, v := &d.slots[it.Flow], it.Value
	if v.purpose == stuffed {
		d.padding.queued = false
	}
	if v.purpose == protecting {
		s.protection.waiting[v.bytes].used = false
	}
	if v.purpose == again {
		s.moveDebt(d.clock, v.output.Sequence, owing, 0)
	}
	if v.purpose == covering {
		s.spend(&v, d.since(d.clock))
	}
	if v.purpose == media {
		s.stats.QueueDrops++
		// The number is spent. Whoever asks for it is told that it is empty.
		if s.cfg.NACK {
			s.history.store(entry{output: v.output, source: v.source, state: void, at: d.since(d.clock)})
		}
		if s.cfg.Kind == Video && v.packet != nil && worse(v.packet, s.lost) {
			if s.lost != nil {
				s.lost.Release()
			}
			s.lost = v.packet.Retain()
		}
	}
	if v.packet != nil {
		v.packet.Release()
	}
}

// worse says whether the loss of p costs more than that of q: more frames
// refer to it.
func worse(p, q *packet.Packet) bool {
	switch {
	case q == nil:
		return true
	case p.Info.Discardable != q.Info.Discardable:
		return q.Info.Discardable
	}
	return p.Info.Temporal < q.Info.Temporal
}

// settleDrops tells selectors what the pacer has thrown away behind them. It
// follows every call that may make the pacer drop.
func (d *Downlink) settleDrops(now time.Time) {
	if !d.dropped {
		return
	}
	d.dropped = false
	for i := range d.slots {
		s := &d.slots[i]
		if s.lost == nil {
			continue
		}
		// A frame that a key frame behind it replaces is not missed.
		if d.queue.Dropped(i) {
			s.selector.FrameLost(s.lost)
			d.noticeLayer(s)
			d.wantKeyframe(now, s)
		}
		s.lost.Release()
		s.lost = nil
	}
}

// arrivalOf is when a packet was received: rewriting keeps the time of the
// media, not that of our own queues.
func arrivalOf(now time.Time, p *packet.Packet) time.Time {
	if p.Arrival.IsZero() || p.Arrival.After(now) {
		return now
	}
	return p.Arrival
}

// wireSize is what an RTP packet weighs on the wire (RFC 3550 §5.1, RFC 8285).
func (d *Downlink) wireSize(payload int, named, orientation bool, descriptor []byte) units.Size {
	size := 12 + payload
	if named {
		size += 4
	}
	// Elements of the one-byte form have a header of one byte and at most 16
	// bytes; a longer one makes all of them two-byte elements.
	head := 1
	if len(descriptor) > 16 {
		head = 2
	}
	elements := 0
	if d.transportWide {
		elements += head + 2
	}
	if orientation {
		elements += head + 1
	}
	if len(descriptor) > 0 {
		elements += head + len(descriptor)
	}
	if elements > 0 {
		size += 4 + (elements+3)/4*4
	}
	return d.overhead + units.Size(size)
}
