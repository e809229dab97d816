package media

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Stamp says when and by whom a payload was made. It lies in the body of a
// payload and survives what a forwarder does: rewritten descriptors, merged
// Opus frames, redundancy.
//
//	0      2      6      8                      16              20
//	+------+------+------+----------------------+---------------+
//	| magic|number|source| nanoseconds, Unix    | CRC-32 of 0-15|
//	+------+------+------+----------------------+---------------+
//
// All big endian.
type Stamp struct {
	Sent   time.Time // to the nanosecond, no monotonic reading
	Number uint32    // counts the frames of a source
	Source uint16    // chosen by the sender, to tell streams apart
}

// StampSize is the length of a stamp in bytes.
const StampSize = 20

// stampMagic opens a stamp. It does not occur in the filling pattern.
const stampMagic = 0xD7_4B

// videoStampOffset is where the stamp lies in a video payload: behind everything
// that a forwarder or an end-to-end encryption header looks at.
const videoStampOffset = 32

// Put writes the stamp to the beginning of b and says whether it fits.
func (s Stamp) Put(b []byte) bool {
	if len(b) < StampSize {
		return false
	}
	binary.BigEndian.PutUint16(b, stampMagic)
	binary.BigEndian.PutUint32(b[2:], s.Number)
	binary.BigEndian.PutUint16(b[6:], s.Source)
	binary.BigEndian.PutUint64(b[8:], uint64(s.Sent.UnixNano()))
	binary.BigEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:16]))
	return true
}

// ParseStamp reads the stamp at the beginning of b.
func ParseStamp(b []byte) (s Stamp, ok bool) {
	if len(b) < StampSize || binary.BigEndian.Uint16(b) != stampMagic ||
		binary.BigEndian.Uint32(b[16:]) != crc32.ChecksumIEEE(b[:16]) {
		return Stamp{}, false
	}
	return Stamp{
		Sent:   time.Unix(0, int64(binary.BigEndian.Uint64(b[8:]))),
		Number: binary.BigEndian.Uint32(b[2:]),
		Source: binary.BigEndian.Uint16(b[6:]),
	}, true
}

// FindStamp looks for the first stamp anywhere in b and answers what follows it,
// so that all stamps of a merged payload can be read:
//
//	for s, rest, ok := media.FindStamp(p); ok; s, rest, ok = media.FindStamp(rest) {
//
// It reads every byte once, and the checksum only behind a magic.
func FindStamp(b []byte) (s Stamp, rest []byte, ok bool) {
	for i := 0; i+StampSize <= len(b); i++ {
		if b[i] != stampMagic>>8 {
			continue
		}
		if s, ok = ParseStamp(b[i:]); ok {
			return s, b[i+StampSize:], true
		}
	}
	return Stamp{}, nil, false
}

// VideoStamp reads the stamp of a payload made by [Frame.Packet]; its place does
// not change when the descriptor is rewritten in place. When the descriptor's
// length changed, FindStamp still finds it.
func VideoStamp(payload []byte) (s Stamp, ok bool) {
	if len(payload) < videoStampOffset+StampSize {
		return Stamp{}, false
	}
	return ParseStamp(payload[videoStampOffset:])
}

// MarkSize is the length of a mark in bytes.
const MarkSize = 8

// markSalt keeps what is no mark from being taken for one by its checksum.
const markSalt = 0x6d61726b // "mark"

// putMark writes number and source to the beginning of b, for a payload that is
// too short for a stamp:
//
//	0      2      4              8
//	+------+------+--------------+
//	|number|source| CRC-32, salt |
//	+------+------+--------------+
func putMark(b []byte, number uint32, source uint16) bool {
	if len(b) < MarkSize {
		return false
	}
	binary.BigEndian.PutUint16(b, uint16(number))
	binary.BigEndian.PutUint16(b[2:], source)
	binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b[:4])^markSalt)
	return true
}

// FindVoice looks for the first packet of [Voice] in b, which may have been
// merged with others, and answers its number's lower 16 bits, its source and
// what follows it.
func FindVoice(b []byte) (number, source uint16, rest []byte, ok bool) {
	for i := 0; i+MarkSize <= len(b); i++ {
		if i+StampSize <= len(b) && b[i] == stampMagic>>8 {
			if s, ok := ParseStamp(b[i:]); ok {
				return uint16(s.Number), s.Source, b[i+StampSize:], true
			}
		}
		if crc32.ChecksumIEEE(b[i:i+4])^markSalt == binary.BigEndian.Uint32(b[i+4:]) {
			return binary.BigEndian.Uint16(b[i:]), binary.BigEndian.Uint16(b[i+2:]), b[i+MarkSize:], true
		}
	}
	return 0, 0, nil, false
}
