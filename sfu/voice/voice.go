// Package voice decides how the sound of one source is put into packets for one
// subscriber: its voice mode.
//
// A mode is a packet time and a redundancy. A packet of 20 ms costs 50 to 70
// bytes beside 15 to 60 of sound, so on a thin link packet time saves more than
// the coder can; and where packets are lost, a copy in the packet after it
// (RFC 2198) repairs more than anything else that costs as much.
//
// Input is the measured payload rate of the source with what a packet costs on
// the wire (Shape), the loss of this subscriber's path (Loss), and the packets
// of the source, Opus or RED, as they come. Output is the ladder of modes with
// their wire rates, from which the allocator chooses, and the packets to send:
//
//	Push -> RED taken apart, lost frames recovered -> silence left out
//	     -> frames gathered by timestamp until the packet time is full
//	     -> runs that follow each other merged (codec/opuspkt), the copies put
//	        before them (codec/red) -> Pop
//
// What leaves is frame by frame what came in, in order, each once, with the
// timestamp of its first frame, so a mode may change between any two packets and
// nobody hears it. A window of frames is closed early by another configuration
// of the coder, by silence, and by time: what does not come is not waited for.
//
// Specifications: RFC 6716 (Opus), RFC 7587 (its RTP payload), RFC 2198
// (redundancy), RFC 6464 (levels); the impairments that modes are ranked by
// follow ITU-T G.107.
//
// The package is pure, and allocates nothing for each packet: merged packets are
// made in buffers of the pool that the source's packets came from.
package voice

import (
	"strconv"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// MaxRedundancy is how many earlier packets one packet can repeat.
const MaxRedundancy = 2

// Mode is how sound is put into packets. The zero Mode passes packets on as
// they were published.
type Mode struct {
	// Packet is how much sound goes into one packet, at most 120 ms (RFC 6716
	// §3.2.5); 0 = as published.
	Packet time.Duration
	// Redundancy is how many earlier packets each packet repeats, 0 to
	// MaxRedundancy.
	Redundancy int
}

// String is the mode as operators read it: "60ms+1", "published".
func (m Mode) String() string {
	s := "published"
	if m.Packet > 0 {
		s = strconv.Itoa(int(m.Packet/time.Millisecond)) + "ms"
	}
	if m.Redundancy > 0 {
		s += "+" + strconv.Itoa(m.Redundancy)
	}
	return s
}

// Shape is what a source costs, apart from the mode.
type Shape struct {
	// Payload is the rate of Opus payload while the source speaks, without any
	// header; see Meter.
	Payload units.Rate
	// Published is the packet time of the source; 0 counts as 20 ms.
	Published time.Duration
	// Overhead is what one packet adds on the wire: IP, UDP, RTP header and
	// extensions, SRTP tag, a relay's framing.
	Overhead units.Size
}

// usualPacket is the packet time of most senders (RFC 7587 §6.1).
const usualPacket = 20 * time.Millisecond

const (
	// codedSizes is what a merged packet adds for the size of each frame
	// (RFC 6716 §3.2.5), and codedHead for the count of them.
	codedSizes = 1
	codedHead  = 1
	// redBlock and redPrimary are the headers of RFC 2198 §3.
	redBlock   = 4
	redPrimary = 1
)

func (s Shape) published() time.Duration {
	if s.Published <= 0 {
		return usualPacket
	}
	return s.Published
}

// packet is the packet time of a mode with this source.
func (s Shape) packet(m Mode) time.Duration { return max(m.Packet, s.published()) }

// Rate is the wire rate of the source in a mode, while it speaks.
func (m Mode) Rate(s Shape) units.Rate {
	packet := s.packet(m)
	each := s.Overhead
	if n := int(packet / s.published()); n > 1 {
		// The frames' own first bytes become one.
		each += units.Size(codedHead + n*codedSizes - (n - 1))
	}
	rate := s.Payload
	if m.Redundancy > 0 {
		rate += s.Payload * units.Rate(m.Redundancy)
		each += units.Size(redPrimary + m.Redundancy*redBlock)
	}
	return rate + each.Over(packet)
}
