package downlink

import (
	"encoding/binary"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
)

const (
	// Repair before loss pays where asking again takes longer than a picture
	// may stand still unnoticed, and where the link itself loses packets: what
	// overflows a queue is not helped by sending more. Two thresholds each.
	protectFrom, protectUntil         = 200 * time.Millisecond, 150 * time.Millisecond
	protectLossFrom, protectLossUntil = 0.01, 0.005
	// protectedLosses is how many losses are expected in a group of packets that
	// share one repair packet: with so few, two in a group are rare.
	protectedLosses = 0.15
	minGroup        = 2
	maxGroup        = 8
	// A repair packet is of no use long after what it repairs: a quarter of the
	// round trip, within these bounds.
	minGroupAge = 40 * time.Millisecond
	maxGroupAge = 200 * time.Millisecond
	// repairBuffers is how many repair packets of a slot may wait in the pacer.
	repairBuffers = 4
)

// protection makes repair packets for the key frames and base layers of a slot.
type protection struct {
	encoder  fec.Encoder
	group    int       // packets for each repair packet; 0 = none is sent
	due      time.Time // when a group that is not full is closed; zero = it is empty
	sequence uint16
	stamp    uint32 // timestamp of the newest protected packet
	scratch  [4 + 4 + 3*(2+255)]byte
	waiting  [repairBuffers]repairPacket
}

// repairPacket is one that waits in the pacer.
type repairPacket struct {
	used    bool
	size    int
	payload [1500]byte
}

// judgeProtection decides whether the slots are protected, and how densely.
func (d *Downlink) judgeProtection() {
	if d.repairs != RepairAhead {
		return
	}
	rtt, loss := d.roundTrip(), d.bwe.Stats().LinkLoss
	for i := range d.slots {
		s := &d.slots[i]
		if s.cfg.FECSSRC == 0 && !s.cfg.older() || s.cfg.Named && !s.reported {
			continue
		}
		on := s.protection != nil && s.protection.group > 0 || s.within != nil && s.within.density > 0
		switch {
		case d.reliable || rtt < protectUntil || loss < protectLossUntil:
			on = false
		case rtt >= protectFrom && loss >= protectLossFrom:
			on = true
		}
		density := 0
		if on {
			density = min(max(int(protectedLosses/loss), minGroup), maxGroup)
		}
		s.setProtection(density)
	}
}

// setProtection says for how many packets one repair packet is sent; 0 for none. A
// slot that never needs it costs nothing.
func (s *slot) setProtection(density int) {
	switch {
	case s.cfg.older():
		if s.within == nil && density > 0 {
			s.within = &within{group: 1}
		}
		if s.within != nil {
			s.within.density = density
		}
	default:
		if s.protection == nil && density > 0 {
			s.protection = &protection{}
		}
		if s.protection != nil {
			s.protection.group = density
		}
	}
}

// protect adds a packet that leaves to its slot's next repair packet.
func (d *Downlink) protect(now time.Time, s *slot, v *queued, out *Outgoing) {
	g := s.protection
	p := v.packet
	if g == nil || g.group == 0 || p.Info.Temporal > 0 || p.Info.Discardable {
		return
	}
	if !g.encoder.Fits(out.Sequence) {
		d.repairPacket(now, s)
	}
	second := out.PayloadType
	if out.Marker {
		second |= 0x80
	}
	extension, first := s.headerBytes(g.scratch[:0], out, d.transportWide)
	if !g.encoder.Add(&fec.Packet{
		First: first, Second: second, Sequence: out.Sequence, Timestamp: out.Timestamp,
		Extension: extension, Payload: out.Payload,
	}) {
		return
	}
	g.stamp = out.Timestamp
	switch {
	case g.encoder.Count() >= g.group:
		d.repairPacket(now, s)
	case g.due.IsZero():
		g.due = now.Add(min(max(d.roundTrip()/4, minGroupAge), maxGroupAge))
	}
}

// closeGroups sends repair packets for groups that do not fill.
func (d *Downlink) closeGroups(now time.Time) {
	for i := range d.slots {
		if g := d.slots[i].protection; g != nil && due(now, g.due) {
			d.repairPacket(now, &d.slots[i])
		}
	}
}

// repairPacket queues the repair packet of a slot's group, within what
// retransmission may spend.
func (d *Downlink) repairPacket(now time.Time, s *slot) {
	g := s.protection
	g.due = time.Time{}
	size := d.wireSize(g.encoder.Size(), false, false, nil)
	d.earnRepair(now)
	index := -1
	for i := range g.waiting {
		if !g.waiting[i].used {
			index = i
		}
	}
	if index < 0 || g.group == 0 || d.repair.tokens <= 0 || g.encoder.Size() > len(g.waiting[0].payload) {
		g.encoder.Reset()
		return
	}
	d.repair.tokens -= size
	w := &g.waiting[index]
	w.used = true
	w.size = len(g.encoder.Append(w.payload[:0], s.cfg.SSRC))
	v := queued{purpose: protecting, bytes: uint8(index)}
	v.output.Timestamp = g.stamp
	d.queue.Push(now, pacing.Item[queued]{Priority: pacing.Retransmission, Size: size, Flow: s.index, Frame: g.stamp, Value: v})
	d.settleDrops(now)
}

// repairOut fills out with a repair packet.
func (s *slot) repairOut(v *queued, out *Outgoing) bool {
	g := s.protection
	w := &g.waiting[v.bytes]
	w.used = false
	out.protects = true
	out.SSRC, out.PayloadType = s.cfg.FECSSRC, s.cfg.FECPayloadType
	out.Sequence = g.sequence
	out.Payload = w.payload[:w.size]
	g.sequence++
	return true
}

// headerBytes appends what stands between the fixed header and the payload of
// a packet: its contributing source and its header extension (RFC 8285), as
// whoever writes it will put them, with the transport-wide number zero. first is
// the first byte of the header without the version.
func (s *slot) headerBytes(dst []byte, out *Outgoing, transportWide bool) (b []byte, first byte) {
	if out.Source != 0 {
		dst = binary.BigEndian.AppendUint32(dst, out.Source)
		first = 1
	}
	x := &s.cfg.Extensions
	long := x.Descriptor != 0 && len(out.Descriptor) > 16
	var elements [3]struct {
		id    uint8
		value []byte
	}
	n := 0
	add := func(id uint8, value []byte) {
		if id != 0 && len(value) > 0 {
			elements[n].id, elements[n].value = id, value
			long = long || id > 14
			n++
		}
	}
	if transportWide {
		add(x.TransportWide, zeroes[:])
	}
	orientation := [1]byte{out.Orientation}
	if out.HasOrientation {
		add(x.Orientation, orientation[:])
	}
	add(x.Descriptor, out.Descriptor)
	if n == 0 {
		return dst, first
	}
	if long {
		dst = append(dst, 0x10, 0x00, 0, 0)
	} else {
		dst = append(dst, 0xbe, 0xde, 0, 0)
	}
	begin := len(dst)
	for _, e := range elements[:n] {
		if long {
			dst = append(dst, e.id, byte(len(e.value)))
		} else {
			dst = append(dst, e.id<<4|byte(len(e.value)-1))
		}
		dst = append(dst, e.value...)
	}
	for (len(dst)-begin)%4 != 0 {
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint16(dst[begin-2:], uint16((len(dst)-begin)/4))
	return dst, first | 0x10
}

var zeroes [2]byte
