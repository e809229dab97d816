package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// mostWithin is how many repair packets may follow one frame: a key frame of
// 32 packets at the densest. A larger one is protected in part.
const mostWithin = 16

// within makes repair packets that travel in the stream which they protect
// (ULPFEC in RED, RFC 5109 and 2198), for receivers that know nothing newer.
// They have numbers of it, which are given as packets come in; what a repair
// packet holds is known only when those that it protects have left:
//
//	forward  10 11 12 13 | R14 R15 | 16     groups: 1 1 2 2, behind the frame R1 R2
//	leave    10 11 12 13   1   2     16     14 and 15 protect what left of their groups
//
// They follow the last packet of a frame: receivers put frames together by
// numbers, and know no packet of another kind within one.
type within struct {
	density int // packets for each repair packet; 0 = none is sent

	// As packets come in.
	group   uint8 // that is being filled; never 0
	count   int   // packets in it
	first   uint16
	since   time.Time // when the first of them came
	largest units.Size
	ended   time.Time // when the last frame did
	full    [mostWithin]uint8
	filled  int // of full: groups whose repair packets follow the frame

	// As packets leave.
	encoder fec.Encoder
	leaving uint8 // the group that is in the encoder
	scratch [4 + 4 + 3*(2+255)]byte
	made    [mostWithin]madeRepair
}

// headerMargin is about what a repair packet holds of the header of a packet, in
// bytes, beside the descriptor: its source and its extensions.
const headerMargin = 16

// madeRepair is a repair packet that waits for its turn, RED's header included.
type madeRepair struct {
	group   uint8 // 0 = none
	size    int
	payload [fec.REDHeader + 1500]byte
}

// older says whether a receiver takes repair packets in the older form only.
func (s *SlotConfig) older() bool {
	return s.FECSSRC == 0 && s.REDPayloadType != 0 && s.ULPPayloadType != 0
}

// plan says in which group a packet that goes out with a number is protected; 0
// for none.
func (w *within) plan(now time.Time, p *packet.Packet, sequence uint16, size units.Size) uint8 {
	if w == nil || w.density == 0 || p.Info.Temporal > 0 || p.Info.Discardable {
		return 0
	}
	if w.count > 0 && sequence-w.first >= fec.MaxSpan {
		w.close()
	}
	if w.count == 0 {
		w.first, w.since, w.largest = sequence, now, 0
	}
	group := w.group
	w.count++
	w.largest = max(w.largest, size)
	if w.count >= w.density {
		w.close()
	}
	return group
}

// close ends the group: its repair packet follows the frame.
func (w *within) close() {
	if w.filled < len(w.full) {
		w.full[w.filled] = w.group
		w.filled++
	}
	w.count = 0
	if w.group++; w.group == 0 {
		w.group = 1
	}
}

// abandon forgets what was planned, for its packets do not leave.
func (w *within) abandon() {
	if w != nil {
		if w.count > 0 {
			w.close()
		}
		w.filled = 0
	}
}

// followFrame queues the repair packets of the groups that are full behind the
// last packet of a frame, within what retransmission may spend. A group that
// would be too old by the end of the next frame counts as full.
func (d *Downlink) followFrame(now time.Time, s *slot, p *packet.Packet, output stamped) {
	w := s.within
	if w == nil {
		return
	}
	age := min(max(d.roundTrip()/4, minGroupAge), maxGroupAge)
	if w.count > 0 && now.Sub(w.since)+now.Sub(w.ended) > age {
		w.close()
	}
	w.ended = now
	d.earnRepair(now)
	for _, group := range w.full[:w.filled] {
		if d.repair.tokens <= 0 {
			break
		}
		sequence, ok := s.stream.Insert()
		if !ok {
			break // the frame has a hole at its end: no number is free behind it
		}
		size := d.wireSize(fec.REDHeader+18+int(w.largest), false, false, nil)
		d.repair.tokens -= size
		v := queued{purpose: covering, output: stamped{Output: output.Output, group: group}}
		v.output.Sequence = sequence
		d.queue.Push(now, pacing.Item[queued]{
			Priority: pacing.Video, Size: size, Flow: s.index, Frame: output.Timestamp, Keyframe: p.Info.Keyframe, Value: v,
		})
		d.settleDrops(now)
	}
	w.filled = 0
}

// protectWithin adds a packet that leaves to its group, and puts RED around it.
func (d *Downlink) protectWithin(s *slot, v *queued, out *Outgoing) {
	w := s.within
	if v.output.group != w.leaving {
		w.finish(&s.cfg)
		w.leaving = v.output.group
	}
	second := out.PayloadType
	if out.Marker {
		second |= 0x80
	}
	extension, first := s.headerBytes(w.scratch[:0], out, d.transportWide)
	w.encoder.Add(&fec.Packet{
		First: first, Second: second, Sequence: out.Sequence, Timestamp: out.Timestamp,
		Extension: extension, Payload: out.Payload,
	})
	n := len(out.Payload)
	if n > 0 && &out.Payload[0] != &d.scratch[2] {
		n = copy(d.scratch[2:], out.Payload)
	}
	d.scratch[2-fec.REDHeader] = out.PayloadType
	out.Payload = d.scratch[2-fec.REDHeader : 2+n]
	out.PayloadType = s.cfg.REDPayloadType
}

// finish makes the repair packet of what has left of a group.
func (w *within) finish(cfg *SlotConfig) {
	m := &w.made[w.leaving%mostWithin]
	if w.encoder.SizeULP() == 0 || fec.REDHeader+w.encoder.SizeULP() > len(m.payload) {
		w.encoder.Reset()
		return
	}
	m.group = w.leaving
	m.payload[0] = cfg.ULPPayloadType
	m.size = len(w.encoder.AppendULP(m.payload[:fec.REDHeader]))
}

// coverOut fills out with the repair packet whose turn has come. Where nothing of
// its group has left, it is empty: its number is given.
func (d *Downlink) coverOut(now time.Time, s *slot, v *queued, out *Outgoing) bool {
	w := s.within
	out.Kind = bwe.Retransmission
	out.protects = true
	out.SSRC, out.PayloadType = s.cfg.SSRC, s.cfg.REDPayloadType
	if w.leaving == v.output.group {
		w.finish(&s.cfg)
	}
	if m := &w.made[v.output.group%mostWithin]; m.group == v.output.group {
		m.group = 0
		out.Payload = m.payload[:m.size]
	} else if s.codec != nil {
		out.PayloadType = s.codec.PayloadType
	}
	s.spend(v, d.since(now))
	return true
}

// spend notes the number of a repair packet. Whoever asks for it is told that it
// is empty: what it would repair is asked for by itself.
func (s *slot) spend(v *queued, at time.Duration) {
	if s.cfg.NACK {
		s.history.store(entry{output: v.output, state: ours, at: at})
	}
}
