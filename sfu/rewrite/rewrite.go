// Package rewrite makes one continuous outgoing RTP stream out of many sources,
// layers and drops.
//
// Input are the packets that go on (Rewrite), those that deliberately do not
// (Drop), and the places where another source or layer begins (Switch). Output
// are the sequence number, timestamp and, by codec, picture id and TL0PICIDX or
// frame number that a packet gets on its way out, so that a receiver sees one
// stream:
//
//   - sequence numbers never repeat, and have gaps only where packets were lost
//     on their way in, so that the receiver asks again for exactly those;
//   - timestamps never go back, and keep real time across switches;
//   - VP8 picture ids and TL0PICIDX (RFC 7741 §4.2) are continuous;
//   - VP9 picture ids and TL0PICIDX (RFC 9628 §4.2) and the frame numbers of
//     dependency descriptors (AV1 RTP specification, Appendix A.8.1) go on where
//     another source begins, and keep their distances within it: frames refer to
//     each other by them, so what is dropped leaves its gap.
//
// Each is an amount that is added to what came in, and that
// changes only at a drop or a switch:
//
//	in   s1:10 11 12 13(drop) 14 15 | s2:700 (switch) 701
//	add      0  0  0           -1 -1 |       -685      -685
//	out     10 11 12           13 14 |         15        16
//
// A packet that comes late takes the amounts of the place where it was missed. A
// packet of our own (Insert) adds one for all that follow.
//
// Specification: RFC 3550 §5.1 and §6.4.1, RFC 7741 §4.2, RFC 9628 §4.2, "RTP
// Payload Format For AV1" v1.0 Appendix A. The package is pure.
package rewrite

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// Config describes an outgoing stream. The caller chooses the initial values at
// random (RFC 3550 §5.1).
type Config struct {
	ClockRate uint32 // Hz; 48000 for sound, 90000 for pictures; 0 is 90000
	Sequence  uint16 // of the first packet
	Timestamp uint32 // of the first packet
	PictureID uint16 // of the first VP8 or VP9 picture; 15 bits
	TL0PICIDX uint8  // of the first VP8 or VP9 picture

	// Captured, if not nil, answers when the frame of a source's timestamp was
	// captured, on the server's clock, as far as the source's sender reports
	// tell. It makes a switch between two sources that both have reports exact
	// and keeps lips and voice together; otherwise arrival times serve.
	Captured func(ssrc, timestamp uint32) (time.Time, bool)
}

// Output is what a packet gets on its way out. PictureID and TL0PICIDX mean
// something only if the packet is VP8 or VP9 and has those fields
// (codec.PatchPicture writes them), Frame if it has a dependency descriptor
// (codec.PatchDescriptor).
type Output struct {
	Sequence  uint16
	Timestamp uint32
	PictureID uint16
	TL0PICIDX uint8
	Frame     uint16
}

// Stream is one outgoing stream. It belongs to one goroutine.
type Stream struct {
	started  bool
	ssrc     uint32 // of the current source
	first    int64  // extended number from which the current source is taken
	highest  int64  // highest extended number of it sent or dropped
	next     uint16 // outgoing number after the highest one used
	shift    shift  // for packets after highest
	places   places
	pictures pictures
	clock    clock

	// Of the packet numbered highest.
	timestamp uint32
	dropped   bool
}

// shift is what is added to a packet's numbers, modulo their size.
type shift struct {
	sequence uint16
	picture  uint16
	tl0      uint8
	frame    uint16
}

// maxLeap is the largest step in extended sequence numbers within one source;
// an uplink leaps further only when its source began anew (RFC 3550 A.1,
// MAX_DROPOUT).
const maxLeap = 3000

// New answers a stream that has sent nothing.
func New(cfg Config) *Stream {
	if cfg.ClockRate == 0 {
		cfg.ClockRate = codec.VP8.ClockRate()
	}
	return &Stream{
		next:     cfg.Sequence,
		pictures: newPictures(cfg.PictureID, cfg.TL0PICIDX),
		clock:    newClock(cfg.ClockRate, cfg.Timestamp, cfg.Captured),
	}
}

// Switch says that the next packets come from another source or layer, or from
// the same one after a pause, beginning with p, which must then be given to
// Rewrite. Everything before p, of the old and of the new source, is refused
// from now on.
func (s *Stream) Switch(now time.Time, p *packet.Packet) {
	s.clock.change(now, p, s.started && p.SSRC == s.ssrc)
	s.started = true
	s.ssrc = p.SSRC
	s.first = p.Extended
	s.highest = p.Extended - 1
	s.shift.sequence = s.next - uint16(p.Extended)
	s.dropped = false
	s.pictures.change(p, &s.shift)
}

// Rewrite answers what p gets on its way out. It is false when p must not go
// out: it is older than the last switch, too old to know its place, was sent or
// dropped before, belongs to a frame whose beginning was dropped, or is of
// another source than the current one. The first packet of all needs no
// Switch. It allocates nothing.
func (s *Stream) Rewrite(now time.Time, p *packet.Packet) (Output, bool) {
	if !s.started {
		s.Switch(now, p)
	}
	if p.SSRC != s.ssrc || p.Extended < s.first {
		return Output{}, false
	}
	if p.Extended <= s.highest {
		return s.rewriteLate(p)
	}
	if p.Extended-s.highest > maxLeap {
		s.clock.change(now, p, true)
	}
	s.skip(p)
	if p.Kind == codec.VP8 && !s.pictures.send(p) {
		s.close(p)
		return Output{}, false
	}
	s.places.set(p.Extended, place{state: sent})
	s.advance(p, false)
	out := s.numbers(p, s.shift)
	out.Timestamp = s.clock.next(now, p)
	s.use(p, out)
	return out, true
}

// rewriteLate answers the numbers that were kept free for p.
func (s *Stream) rewriteLate(p *packet.Packet) (Output, bool) {
	at, ok := s.places.missing(p.Extended)
	if !ok || p.Kind == codec.VP8 && s.pictures.wasDropped(p) {
		return Output{}, false
	}
	s.places.set(p.Extended, place{state: sent})
	out := s.numbers(p, at)
	out.Timestamp = s.lateTimestamp(p, out.Sequence)
	s.use(p, out)
	return out, true
}

// Drop says that p deliberately does not go out: later packets close the gap.
// Packets that the uplink saw but nobody may forward (padding) are dropped too.
// To call it for packets of other sources is harmless. It allocates nothing.
//
// fill is true when p came so late that its number had been kept free for it:
// the receiver sees a hole there and will ask for it. The caller may close it
// with an empty packet that carries out's sequence number and timestamp.
func (s *Stream) Drop(p *packet.Packet) (out Output, fill bool) {
	if !s.started || p.SSRC != s.ssrc || p.Extended < s.first {
		return Output{}, false
	}
	if p.Extended <= s.highest {
		at, ok := s.places.missing(p.Extended)
		if !ok {
			return Output{}, false
		}
		s.places.set(p.Extended, place{state: dropped})
		out.Sequence = uint16(p.Extended) + at.sequence
		out.Timestamp = s.lateTimestamp(p, out.Sequence)
		if s.newest(out.Sequence) {
			s.next = out.Sequence + 1
		}
		return out, true
	}
	// What is missing inside a frame that is dropped would be dropped as well.
	if gap := p.Extended - s.highest - 1; gap > 0 && gap < ringSize && s.dropped && p.Timestamp == s.timestamp {
		for e := s.highest + 1; e < p.Extended; e++ {
			s.places.set(e, place{state: dropped})
		}
		s.highest += gap
		s.shift.sequence -= uint16(gap)
	}
	s.skip(p)
	if p.Kind == codec.VP8 && len(p.Payload) > 0 {
		s.pictures.drop(p, &s.shift)
	}
	s.close(p)
	return Output{}, false
}

// Insert takes the number behind all that went out, for a packet of our own in
// the middle of the stream; what follows goes on behind it. ok is false when
// that number is not the next one: nothing went out yet, or packets that are
// still missing come first. Where it is called within a frame, receivers that
// put frames together by number cannot: call it behind the last packet of one.
func (s *Stream) Insert() (sequence uint16, ok bool) {
	if sequence = uint16(s.highest+1) + s.shift.sequence; !s.started || sequence != s.next {
		return 0, false
	}
	s.shift.sequence++
	s.next++
	return sequence, true
}

// SenderReport answers the timestamp that belongs to now on the outgoing
// stream's clock, for the sender report (RFC 3550 §6.4.1). ok is false before
// the first packet.
func (s *Stream) SenderReport(now time.Time) (rtpTimestamp uint32, ok bool) {
	return s.clock.at(now)
}

// skip keeps numbers free for what is missing between highest and p, which is
// newer. More than the ring holds is too much to ask for again: one number
// stands for all of it.
func (s *Stream) skip(p *packet.Packet) {
	gap := p.Extended - s.highest - 1
	if gap >= ringSize {
		s.shift.sequence -= uint16(gap - 1)
		s.first = p.Extended
		s.highest = p.Extended - 1
		return
	}
	for e := s.highest + 1; e < p.Extended; e++ {
		s.places.set(e, place{state: missing, shift: s.shift})
	}
	s.highest += gap
}

// close takes p, the newest packet, out of the numbering.
func (s *Stream) close(p *packet.Packet) {
	s.places.set(p.Extended, place{state: dropped})
	s.advance(p, true)
	s.shift.sequence--
}

// newest says whether a number is beyond all that went out. A number that was
// only kept free, beyond the newest, is nothing that the receiver could miss: a
// switch takes it back.
func (s *Stream) newest(sequence uint16) bool { return int16(sequence-s.next) >= 0 }

// lateTimestamp is that of a packet which came late. All that came before it
// may have been dropped; then it is the newest nevertheless.
func (s *Stream) lateTimestamp(p *packet.Packet, sequence uint16) uint32 {
	if s.newest(sequence) {
		return s.clock.catchUp(p)
	}
	return s.clock.late(p)
}

// use notes that p goes out.
func (s *Stream) use(p *packet.Packet, out Output) {
	if !s.newest(out.Sequence) {
		return
	}
	s.next = out.Sequence + 1
	s.pictures.use(p, out)
}

// advance makes p the newest packet.
func (s *Stream) advance(p *packet.Packet, dropped bool) {
	s.highest = p.Extended
	s.timestamp = p.Timestamp
	s.dropped = dropped
}

// numbers adds a shift to p's numbers.
func (s *Stream) numbers(p *packet.Packet, by shift) Output {
	out := Output{Sequence: uint16(p.Extended) + by.sequence}
	if p.Kind == codec.VP8 || p.Kind == codec.VP9 {
		out.PictureID = (p.Info.PictureID + by.picture) & pictureMask(&p.Info)
		out.TL0PICIDX = p.Info.TL0PICIDX + by.tl0
	}
	if len(p.Descriptor) > 0 {
		out.Frame = p.Placement.Number + by.frame
	}
	return out
}
