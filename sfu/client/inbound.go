package client

import (
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// restartLeap is by how much a stream's numbers leap only when its source
// began anew; see uplink.Stream.Receive.
const restartLeap = 3000

// inbound is one stream that the server sends.
type inbound struct {
	slot   int
	ssrc   uint32
	repair bool     // carries retransmissions
	media  *inbound // what it repairs
	// protects is the stream that this one's repair packets protect; decoder uses
	// them, in the protected stream.
	protects *inbound
	decoder  *fec.Decoder
	stream   *uplink.Stream
	kind     codec.Kind

	// What came, by number, with retransmissions.
	base, highest int64
	numbers       uint64 // different numbers since base
	lostBefore    uint64 // in earlier runs of numbers
	received      uint64 // packets with media
	repaired      uint64 // of them, by repair packets
	givenUp       uint64 // as of the last look
}

// count notes a new number.
func (in *inbound) count(extended int64) {
	switch {
	case in.numbers == 0:
		in.base, in.highest = extended, extended
	case extended > in.highest+restartLeap:
		in.lostBefore = in.lost()
		in.base, in.highest, in.numbers = extended, extended, 0
	}
	in.base, in.highest = min(in.base, extended), max(in.highest, extended)
	in.numbers++
}

// lost is how many numbers never came.
func (in *inbound) lost() uint64 {
	if in.numbers == 0 {
		return in.lostBefore
	}
	return in.lostBefore + uint64(in.highest-in.base+1) - in.numbers
}
