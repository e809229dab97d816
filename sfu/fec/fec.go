// Package fec makes and uses repair packets for RTP: from a few packets of a
// stream one more, out of which any one of them that is lost can be had again
// without asking for it.
//
// Input of an Encoder are packets as they go out; output is the payload of a
// repair packet for those since the last one. Input of a Decoder are packets as
// they come, of both kinds; output are packets that were lost. Whether repair
// is worth its price is decided elsewhere (sfu/downlink).
//
// There are two forms, which protect the same: FlexFEC in a stream of its own,
// and the older ULPFEC within the protected stream (see AppendULP), for receivers
// that know nothing else.
//
// Specification: FlexFEC in the form that WebRTC uses, one protected stream and
// masks of up to 46 packets (draft-ietf-payload-flexible-fec-scheme-03 §4.2 and
// §6):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	|R|F|P|X|  CC   |M| PT recovery |         length recovery       |
//	|                          TS recovery                          |
//	|   SSRCCount   |                    reserved                   |
//	|                             SSRC_i                            |
//	|           SN base_i           |k|          Mask [0-14]        |
//	|k|                   Mask [15-45] (optional)                   |
//
// What is protected of a packet is everything behind its first 12 bytes, with
// the transport-wide sequence number of its header extension taken for zero: it
// is given after the repair packet was computed. A packet that is had again
// carries that zero.
//
// The package is pure and never panics on hostile input.
package fec

import "encoding/binary"

const (
	// Fixed is the length of an RTP header before contributing sources (RFC 3550
	// §5.1), in bytes: what stands there is recovered by fields of its own.
	Fixed = 12

	// MaxSpan is how many sequence numbers a repair packet can reach over.
	MaxSpan = 46

	shortMask   = 15
	shortHeader = 20
	longHeader  = 24

	// maxBody is the longest part of a packet behind its first 12 bytes.
	maxBody = 1500 - Fixed
)

// Packet is what is protected of one RTP packet.
type Packet struct {
	First     byte // P, X and CC: the first byte without the version
	Second    byte // M and PT
	Sequence  uint16
	Timestamp uint32
	Extension []byte // contributing sources and header extension, as on the wire
	Payload   []byte // with padding
}

// Encoder makes repair packets for one stream. The zero value is ready.
type Encoder struct {
	count     int
	base      uint16
	mask      uint64 // bit i is sequence number base+i
	first     byte
	second    byte
	length    uint16
	timestamp uint32
	body      [maxBody]byte
	size      int
}

// Count is how many packets the next repair packet would protect.
func (e *Encoder) Count() int { return e.count }

// Fits says whether a packet of that number can be protected together with
// those that wait.
func (e *Encoder) Fits(sequence uint16) bool {
	return e.count == 0 || sequence-e.base < MaxSpan
}

// Add protects one more packet; false when it does not fit, by its number or by
// its size.
func (e *Encoder) Add(p *Packet) bool {
	size := len(p.Extension) + len(p.Payload)
	if size > maxBody || !e.Fits(p.Sequence) {
		return false
	}
	if e.count == 0 {
		e.base = p.Sequence
	}
	e.count++
	e.mask |= 1 << (p.Sequence - e.base)
	e.first ^= p.First & 0x3f
	e.second ^= p.Second
	e.length ^= uint16(size)
	e.timestamp ^= p.Timestamp
	xor(e.body[:], p.Extension)
	xor(e.body[len(p.Extension):], p.Payload)
	e.size = max(e.size, size)
	return true
}

// Append appends the payload of the repair packet for what was added, for a
// stream of that SSRC, and begins anew. Nothing added makes nothing.
func (e *Encoder) Append(dst []byte, ssrc uint32) []byte {
	if e.count == 0 {
		return dst
	}
	header := [longHeader]byte{0: e.first, 1: e.second, 8: 1}
	binary.BigEndian.PutUint16(header[2:], e.length)
	binary.BigEndian.PutUint32(header[4:], e.timestamp)
	binary.BigEndian.PutUint32(header[12:], ssrc)
	binary.BigEndian.PutUint16(header[16:], e.base)
	size := shortHeader
	var mask uint16
	for i := range shortMask {
		mask |= uint16(e.mask>>i&1) << (14 - i)
	}
	if e.mask>>shortMask == 0 {
		mask |= 0x8000
	} else {
		size = longHeader
		long := uint32(1) << 31
		for i := shortMask; i < MaxSpan; i++ {
			long |= uint32(e.mask>>i&1) << (45 - i)
		}
		binary.BigEndian.PutUint32(header[20:], long)
	}
	binary.BigEndian.PutUint16(header[18:], mask)
	dst = append(append(dst, header[:size]...), e.body[:e.size]...)
	e.Reset()
	return dst
}

// Size is how many bytes Append would append.
func (e *Encoder) Size() int {
	switch {
	case e.count == 0:
		return 0
	case e.mask>>shortMask == 0:
		return shortHeader + e.size
	}
	return longHeader + e.size
}

// Reset forgets what was added.
func (e *Encoder) Reset() {
	clear(e.body[:e.size])
	e.count, e.mask, e.first, e.second, e.length, e.timestamp, e.size = 0, 0, 0, 0, 0, 0, 0
}

func xor(dst, src []byte) {
	for i := range src {
		dst[i] ^= src[i]
	}
}

// repair is a repair packet as it came.
type repair struct {
	base          uint16
	mask          uint64
	first, second byte
	length        uint16
	timestamp     uint32
	body          []byte
}

// Protected answers the stream that the payload of a repair packet is for; false
// when it is no repair packet.
func Protected(payload []byte) (ssrc uint32, ok bool) {
	if len(payload) < shortHeader {
		return 0, false
	}
	ssrc = binary.BigEndian.Uint32(payload[12:])
	var r repair
	return ssrc, r.parse(payload, ssrc)
}

// parse reads the payload of a repair packet for a stream; false when it is
// malformed, for another stream, or reaches further than MaxSpan.
func (r *repair) parse(b []byte, ssrc uint32) bool {
	// R and F clear: flexible masks; one protected stream.
	if len(b) < shortHeader || b[0]&0xc0 != 0 || b[8] != 1 || binary.BigEndian.Uint32(b[12:]) != ssrc {
		return false
	}
	*r = repair{
		first: b[0] & 0x3f, second: b[1], length: binary.BigEndian.Uint16(b[2:]),
		timestamp: binary.BigEndian.Uint32(b[4:]), base: binary.BigEndian.Uint16(b[16:]),
	}
	mask := binary.BigEndian.Uint16(b[18:])
	for i := range shortMask {
		r.mask |= uint64(mask>>(14-i)&1) << i
	}
	r.body = b[shortHeader:]
	if mask&0x8000 == 0 {
		if len(b) < longHeader || b[20]&0x80 == 0 {
			return false
		}
		long := binary.BigEndian.Uint32(b[20:])
		for i := shortMask; i < MaxSpan; i++ {
			r.mask |= uint64(long>>(45-i)&1) << i
		}
		r.body = b[longHeader:]
	}
	return r.mask != 0 && len(r.body) <= maxBody
}
