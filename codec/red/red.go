// Package red writes and reads the redundancy of RFC 2198 around Opus, and
// recovers from it what was lost.
//
// Input and output are payloads. One holds blocks, oldest first, and then the
// primary; the headers of all of them come first:
//
//	 0                   1                    2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	|1|   block PT  |  timestamp offset (14)    | block length (10)   |
//	|0|   block PT  |                                    the primary
//
// An offset is 16383 at most (341 ms at 48 kHz), a redundant block 1023 bytes.
// A block costs 4 bytes, the primary 1.
//
// The package is pure and allocates nothing. Nothing that the network sends
// makes it panic: browsers send empty payloads, and empty primaries.
package red

import "errors"

// Bounds of the format (RFC 2198 §3), and our own on the number of blocks: 16
// blocks of 20 ms use the whole offset up.
const (
	MaxOffset    = 1<<14 - 1 // RTP clock units
	MaxLength    = 1<<10 - 1 // bytes of a redundant block
	MaxRedundant = 16

	blockHeader   = 4
	primaryHeader = 1
)

// What Parse answers.
var (
	// ErrEmpty is a payload without a single byte: padding, no mistake.
	ErrEmpty = errors.New("red: empty payload")
	// ErrMalformed is a payload shorter than its headers say, or with more
	// than MaxRedundant redundant blocks.
	ErrMalformed = errors.New("red: malformed payload")
)

// Block is one redundant block.
type Block struct {
	PayloadType uint8  // 0 to 127
	Offset      uint16 // how much older than the primary, 0 to MaxOffset
	Data        []byte // 0 to MaxLength bytes
}

// Packet is a parsed payload. It refers to the payload, which must not change
// while it is in use.
type Packet struct {
	PayloadType uint8  // of the primary, 0 to 127
	Primary     []byte // may be empty
	count       int
	redundant   [MaxRedundant]Block
}

// Redundant answers the redundant blocks in the order of the payload: oldest
// first, if the sender obeys RFC 2198 §3.
func (p *Packet) Redundant() []Block { return p.redundant[:p.count] }

// Parse reads a payload. The error is ErrEmpty or ErrMalformed.
func Parse(payload []byte) (p Packet, err error) {
	if len(payload) == 0 {
		return Packet{}, ErrEmpty
	}
	rest, sizes := payload, [MaxRedundant]int{}
	for rest[0]&0x80 != 0 {
		// The next header follows in any case, if only the primary's byte.
		if len(rest) <= blockHeader || p.count == MaxRedundant {
			return Packet{}, ErrMalformed
		}
		p.redundant[p.count] = Block{
			PayloadType: rest[0] & 0x7f,
			Offset:      uint16(rest[1])<<6 | uint16(rest[2])>>2,
		}
		sizes[p.count] = int(rest[2]&3)<<8 | int(rest[3])
		p.count++
		rest = rest[blockHeader:]
	}
	p.PayloadType = rest[0]
	rest = rest[primaryHeader:]
	for i, size := range sizes[:p.count] {
		if size > len(rest) {
			return Packet{}, ErrMalformed
		}
		p.redundant[i].Data = rest[:size:size]
		rest = rest[size:]
	}
	p.Primary = rest
	return p, nil
}

// Fits says whether a block can be written: 0 < length <= MaxLength, offset at
// most MaxOffset. An empty block would say nothing.
func (b Block) Fits() bool {
	return len(b.Data) > 0 && len(b.Data) <= MaxLength && b.Offset <= MaxOffset
}

// Size is the length of the payload that Append makes of the same arguments.
func Size(primary []byte, redundant ...Block) int {
	n := primaryHeader + len(primary)
	for i, b := range redundant {
		if i < MaxRedundant && b.Fits() {
			n += blockHeader + len(b.Data)
		}
	}
	return n
}

// Append appends a payload to dst: the redundant blocks, given oldest first, and
// the primary with its payload type. Blocks that do not fit, and those after the
// first MaxRedundant, are left out: redundancy is a help and never an error.
func Append(dst []byte, payloadType uint8, primary []byte, redundant ...Block) []byte {
	redundant = redundant[:min(len(redundant), MaxRedundant)]
	for _, b := range redundant {
		if b.Fits() {
			dst = append(dst, 0x80|b.PayloadType, byte(b.Offset>>6), byte(b.Offset<<2)|byte(len(b.Data)>>8), byte(len(b.Data)))
		}
	}
	dst = append(dst, payloadType&0x7f)
	for _, b := range redundant {
		if b.Fits() {
			dst = append(dst, b.Data...)
		}
	}
	return append(dst, primary...)
}

// Since is the offset of a block with an older timestamp for a primary with a
// newer one, in RTP clock units that may wrap around. It is false if the older
// is not older, or too old to be written.
func Since(older, newer uint32) (offset uint16, ok bool) {
	if d := newer - older; d > 0 && d <= MaxOffset {
		return uint16(d), true
	}
	return 0, false
}
