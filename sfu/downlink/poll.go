package downlink

import (
	"encoding/binary"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// Poll answers the next packet that may leave now; false when there is none.
// The worker writes it and tells Sent before it polls again.
func (d *Downlink) Poll(now time.Time, out *Outgoing) bool {
	d.clock = now
	d.release()
	d.pad(now)
	for {
		it, ok := d.queue.Pop(now)
		if !ok {
			return false
		}
		s, v := &d.slots[it.Flow], &it.Value
		*out = Outgoing{Slot: it.Flow, Sequence: v.output.Sequence, Timestamp: v.output.Timestamp}
		if v.source != 0 && uint32(v.source) != s.acknowledged {
			out.Source = uint32(v.source)
		}
		switch v.purpose {
		case media:
			out.vital = s.cfg.NACK && s.cfg.Kind == Video && vital(v.packet)
			ok = d.media(now, s, v, out)
		case again:
			ok = d.again(s, v, out)
			out.repeated, out.original = true, v.output.Sequence
		case filling:
			ok = d.fill(s, out)
		case stuffed:
			ok = d.stuff(s, v, out)
		case protecting:
			out.Kind = bwe.Retransmission
			ok = s.repairOut(v, out)
		case covering:
			ok = d.coverOut(now, s, v, out)
		}
		if !ok {
			continue
		}
		d.stamp(now, out)
		return true
	}
}

// media fills out for the first transmission of a packet; the reference goes
// into the history.
func (d *Downlink) media(now time.Time, s *slot, v *queued, out *Outgoing) bool {
	p := v.packet
	c := s.negotiated(p.Kind)
	if c == nil { // cannot be: Forward has looked it up
		p.Release()
		return false
	}
	out.Kind = bwe.Video
	if s.cfg.Kind == Audio {
		out.Kind = bwe.Voice
	}
	out.SSRC, out.PayloadType = s.cfg.SSRC, c.PayloadType
	d.content(p, v, out)
	if v.output.group != 0 {
		d.protectWithin(s, v, out)
	} else {
		d.protect(now, s, v, out)
	}
	if s.cfg.NACK {
		s.history.store(entry{packet: p, output: v.output, source: v.source, state: held, at: d.since(now)})
		// A packet that came too late for the history was released by it;
		// that the payload is still whole needs a reference of our own.
		d.held = p.Retain()
	} else {
		d.held = p
	}
	return true
}

// content fills in what a packet carries. Descriptors are rewritten, in a copy:
// the packet is shared.
func (d *Downlink) content(p *packet.Packet, v *queued, out *Outgoing) {
	out.Marker = v.output.marker
	out.Orientation, out.HasOrientation = p.Orientation, p.HasOrientation
	out.Payload = p.Payload
	if len(p.Descriptor) > 0 {
		out.Descriptor = codec.PatchDescriptor(d.descriptor[:0], p.Descriptor, v.output.Frame, v.output.targets, p.Placement.Structure)
	}
	if (p.Kind == codec.VP8 || p.Kind == codec.VP9) && (p.Info.HasPictureID || p.Info.HasTL0PICIDX) {
		body := d.scratch[2:]
		body = body[:copy(body, p.Payload)]
		codec.PatchPicture(p.Kind, body, p.Info, v.output.PictureID, v.output.TL0PICIDX)
		out.Payload = body
	}
}

// again fills out for a retransmission: in the retransmission stream with the
// original sequence number in front (RFC 4588 §4), or, where none was
// negotiated, as it was.
func (d *Downlink) again(s *slot, v *queued, out *Outgoing) bool {
	out.Kind = bwe.Retransmission
	p := v.packet
	c := s.negotiated(p.Kind)
	if c == nil {
		p.Release()
		return false
	}
	d.content(p, v, out)
	d.held = p
	if s.cfg.RTXSSRC == 0 || c.RTXPayloadType == 0 {
		out.SSRC, out.PayloadType = s.cfg.SSRC, c.PayloadType
		return true
	}
	binary.BigEndian.PutUint16(d.scratch[:], out.Sequence)
	n := len(out.Payload)
	if n > 0 && &out.Payload[0] != &d.scratch[2] {
		n = copy(d.scratch[2:], out.Payload)
	}
	out.Payload = d.scratch[:2+n]
	out.SSRC, out.PayloadType = s.cfg.RTXSSRC, c.RTXPayloadType
	out.Sequence = s.rtx
	s.rtx++
	return true
}

// fill fills out with an empty packet in place of one that will never come, so
// that the receiver stops asking for it.
func (d *Downlink) fill(s *slot, out *Outgoing) bool {
	out.Kind = bwe.Retransmission
	c := s.codec
	if c == nil {
		if len(s.cfg.Codecs) == 0 {
			return false
		}
		c = &s.cfg.Codecs[0]
	}
	out.SSRC, out.PayloadType = s.cfg.SSRC, c.PayloadType
	if s.cfg.RTXSSRC != 0 && c.RTXPayloadType != 0 {
		binary.BigEndian.PutUint16(d.scratch[:], out.Sequence)
		out.Payload = d.scratch[:2]
		out.SSRC, out.PayloadType = s.cfg.RTXSSRC, c.RTXPayloadType
		out.Sequence = s.rtx
		s.rtx++
	}
	return true
}

// stamp gives a packet its place on the path, last of all, so that transport-
// wide numbers leave in order.
func (d *Downlink) stamp(now time.Time, out *Outgoing) {
	out.transport = d.sequence
	d.sequence++
	out.TransportSequence, out.HasTransportSequence = uint16(out.transport), d.transportWide
	out.Size = d.wireSize(len(out.Payload)+int(out.Padding), out.Source != 0,
		out.HasOrientation || out.Kind == bwe.Voice && d.audioLevel, out.Descriptor)
	wasProbing := d.probe.active()
	out.probe = d.probe.spend(out.Size)
	if wasProbing && !d.probe.active() {
		d.pace(now)
	}
	out.appLimited = out.probe == 0 && d.queue.Len() == 0
}

// repeats says whether a packet goes out a second time under its own number, as
// sound does, which has no stream for retransmissions. A report by stream (RFC
// 8888 §3.1) cannot tell the two apart: what it says of the first would be taken
// for a path on which packets arrive sooner than they were sent. So the
// controller is told of the first alone, and that it was lost: where all that is
// lost comes again it would else see no loss.
func (d *Downlink) repeats(out *Outgoing) bool {
	return d.streams != nil && out.Kind == bwe.Retransmission && !out.protects && out.Slot < len(d.slots) && out.SSRC == d.slots[out.Slot].cfg.SSRC
}

// Sent tells what became of the packet that Poll answered last: ok is false
// when the write took nothing, as on a full socket. Then its transport-wide
// number is used again for the next packet.
func (d *Downlink) Sent(now time.Time, out *Outgoing, ok bool) {
	if !ok {
		if out.transport == d.sequence-1 {
			d.sequence--
		}
		d.failed++
		if out.repeated && out.Slot < len(d.slots) {
			d.slots[out.Slot].moveDebt(now, out.original, owing, 0)
		}
		return
	}
	switch {
	case d.repeats(out):
		if out.transport == d.sequence-1 {
			d.sequence--
		}
		if path, known := d.streams.sent.Repeat(out.SSRC, out.Sequence); known {
			d.noteMissed(now, path)
			d.bwe.OnLost(now, path)
		}
	default:
		if d.streams != nil {
			d.streams.sent.Note(out.SSRC, out.Sequence, out.transport)
		}
		d.bwe.OnSent(now, bwe.SentPacket{
			Sequence: out.transport, Size: out.Size, Kind: out.Kind,
			Probe: out.probe, AppLimited: out.appLimited,
		})
		if out.probe != 0 && d.probe.id == out.probe {
			was := d.probe.active()
			d.probe.extend(d.bwe.Decision().Probe)
			if d.probe.active() != was {
				d.pace(now)
			}
		}
	}
	d.gate()
	d.packets++
	d.bytes += uint64(out.Size)
	d.allowance.spend(out.Size)
	d.padding.credit -= out.Size
	if out.Slot >= len(d.slots) {
		return
	}
	s := &d.slots[out.Slot]
	switch {
	case out.repeated:
		s.moveDebt(now, out.original, flying, out.transport)
	case out.vital:
		s.expect(out.transport, out.Sequence)
	}
	switch out.Kind {
	case bwe.Padding:
		d.paddingBytes += uint64(out.Size)
	case bwe.Retransmission:
		if out.protects {
			s.stats.Repairs++
			s.stats.RepairBytes += uint64(out.Size)
		} else {
			s.stats.Retransmissions++
			s.stats.RetransmissionBytes += uint64(out.Size)
		}
		d.repair.meter += out.Size
	default:
		s.stats.Packets++
		s.stats.Bytes += uint64(out.Size)
	}
	if out.SSRC == s.cfg.SSRC {
		d.countForReport(now, s, out)
	}
}

// release gives back what the last Poll handed out.
func (d *Downlink) release() {
	if d.held != nil {
		d.held.Release()
		d.held = nil
	}
}

// since is a time as the history keeps it.
func (d *Downlink) since(now time.Time) time.Duration { return now.Sub(d.epoch) }

// size of an empty packet of the retransmission stream.
func (d *Downlink) emptySize() units.Size { return d.wireSize(2, false, false, nil) }
