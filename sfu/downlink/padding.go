package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// maxPadding is the most that RTP padding can add to a packet: its last byte
// counts it (RFC 3550 §5.1).
const maxPadding = 255

// paddingChunk is how much padding gathers before a packet of it is sent: a
// packet of a few bytes is all header.
const paddingChunk units.Size = 300

// probe is the cluster of packets that measures the path now. Media and
// retransmissions take part; padding fills what they leave.
type probe struct {
	id    uint16 // 0 = none
	rate  units.Rate
	chunk units.Size // padding comes in: it is the spacing of packets that is measured
	asked units.Size
	left  units.Size // negative when the last packet was larger than what was left
}

// spend charges a packet to the probe and answers the id to mark it with.
func (p *probe) spend(size units.Size) uint16 {
	if p.id == 0 || p.left <= 0 {
		return 0
	}
	p.left -= size
	return p.id
}

// extend lets a probe have grown while it was sent.
func (p *probe) extend(b bwe.Probe) {
	if b.ID == p.id && b.Size > p.asked {
		p.left += b.Size - p.asked
		p.asked = b.Size
	}
}

// active says that packets of the probe are still to be sent.
func (p *probe) active() bool { return p.id != 0 && p.left > 0 }

// padding is what the controller wants sent without content.
type padding struct {
	from   time.Time  // it begins then; zero: it may
	queued bool       // one waits in the pacer: the pacer spaces the next
	credit units.Size // owed for Decision.Padding
	at     time.Time  // when credit was last added
	slot   int        // whose retransmission stream is used
	back   uint16     // how far behind the newest packet the next repetition lies
}

// pad queues one packet of padding when the controller wants it and nothing
// better waits.
func (d *Downlink) pad(now time.Time) {
	d.earnPadding(now)
	want := units.Size(0)
	switch {
	case d.full || d.padding.queued || d.queue.Len() > 0 || now.Before(d.padding.from):
		return
	case d.probe.active():
		want = min(d.probe.left, d.probe.chunk)
	case d.padding.credit >= paddingChunk:
		want = d.padding.credit
	default:
		return
	}
	s := d.paddingSlot()
	if s == nil { // without a retransmission stream there is no place for it
		return
	}
	v, size := d.choosePadding(s, want)
	d.padding.queued = true
	d.queue.Push(now, pacing.Item[queued]{Priority: pacing.Padding, Size: size, Flow: s.index, Value: v})
	d.settleDrops(now)
}

// paddingSlot is a video slot with a retransmission stream: the one that sent
// last, so that its repetitions are of use.
func (d *Downlink) paddingSlot() *slot {
	if s := d.slot(d.padding.slot); s != nil && s.canPad() {
		return s
	}
	for i := range d.slots {
		if s := &d.slots[i]; s.canPad() {
			d.padding.slot = i
			return s
		}
	}
	return nil
}

// canPad says whether the slot has a stream for packets without content.
func (s *slot) canPad() bool { return s.cfg.RTXSSRC != 0 && s.rtxType() != 0 }

// rtxType is the retransmission payload type of the slot's codec, or of any
// when there is no codec yet; 0 = none.
func (s *slot) rtxType() uint8 {
	if s.codec != nil {
		return s.codec.RTXPayloadType
	}
	for i := range s.cfg.Codecs {
		if t := s.cfg.Codecs[i].RTXPayloadType; t != 0 {
			return t
		}
	}
	return 0
}

// repetitions is how many of the newest packets padding chooses among.
const repetitions = 32

// choosePadding repeats a recent packet where one fits, which repairs a loss by
// chance; else it is bytes that mean nothing.
func (d *Downlink) choosePadding(s *slot, want units.Size) (queued, units.Size) {
	if h := &s.history; h.any {
		for range repetitions {
			e := h.find(h.newest - d.padding.back)
			d.padding.back = (d.padding.back + 1) % repetitions
			if e == nil || e.state != held {
				continue
			}
			size := d.wireSize(2+len(e.packet.Payload), false, e.packet.HasOrientation, e.packet.Descriptor)
			if c := s.negotiated(e.packet.Kind); c == nil || c.RTXPayloadType == 0 || size > want {
				continue
			}
			return queued{packet: e.packet.Retain(), output: e.output, source: e.source, purpose: stuffed}, size
		}
	}
	empty := d.wireSize(0, false, false, nil)
	n := min(max(want-empty, 1), maxPadding)
	return queued{purpose: stuffed, bytes: uint8(n)}, empty + n
}

// stuff fills out with padding.
func (d *Downlink) stuff(s *slot, v *queued, out *Outgoing) bool {
	d.padding.queued = false
	if v.packet != nil {
		if !d.again(s, v, out) {
			return false
		}
	} else {
		out.SSRC, out.PayloadType = s.cfg.RTXSSRC, s.rtxType()
		out.Sequence = s.rtx
		out.Timestamp, _ = s.stream.SenderReport(d.clock)
		out.Padding = v.bytes
		s.rtx++
	}
	out.Kind = bwe.Padding
	return true
}

// earnPadding adds what Decision.Padding owes since the last call. What media
// takes is charged in Sent, so padding only fills the difference.
func (d *Downlink) earnPadding(now time.Time) {
	rate := d.decision.Padding
	if rate <= 0 {
		d.padding.credit, d.padding.at = 0, now
		return
	}
	earned := rate.In(now.Sub(d.padding.at))
	if earned <= 0 {
		return // less than a byte yet: its time is not lost
	}
	most := max(rate.In(100*time.Millisecond), 1500)
	d.padding.credit = min(max(d.padding.credit+earned, -most), most)
	d.padding.at = d.padding.at.Add(earned.At(rate))
}

// paddingNext is when padding has to be queued; zero when none is wanted.
func (d *Downlink) paddingNext() time.Time {
	if d.full || d.padding.queued || d.queue.Len() > 0 || d.paddingSlot() == nil {
		return time.Time{}
	}
	if d.probe.active() {
		return d.clock
	}
	if d.decision.Padding > 0 {
		owed := max(paddingChunk-d.padding.credit, 0)
		return d.padding.at.Add(owed.At(d.decision.Padding))
	}
	return time.Time{}
}
