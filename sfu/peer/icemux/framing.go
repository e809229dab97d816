package icemux

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	// frameHeader is the length in front of each packet (RFC 4571 §2).
	frameHeader = 2
	// maxFrame is the longest packet taken from a stream. The ICE agent reads
	// into 8192 bytes; a client that sends more is not speaking ICE.
	maxFrame = 8192
)

var errFrameTooLong = errors.New("icemux: frame longer than 8192 bytes")

// readFrame reads one packet into a buffer of pool. Empty frames, which some
// send to keep a connection open, are skipped. The caller owns the buffer; it
// is nil on error.
func readFrame(r io.Reader, pool *bufferPool, limit int) (*buffer, int, error) {
	b := pool.take()
	for {
		// The header goes where the packet will be: nothing is allocated.
		if _, err := io.ReadFull(r, b.data[:frameHeader]); err != nil {
			pool.give(b)
			return nil, 0, err
		}
		n := int(binary.BigEndian.Uint16(b.data))
		if n == 0 {
			continue
		}
		if n > limit {
			pool.give(b)
			return nil, 0, errFrameTooLong
		}
		if n > len(b.data) {
			pool.give(b)
			b = pool.takeSize(n)
		}
		if _, err := io.ReadFull(r, b.data[:n]); err != nil {
			pool.give(b)
			return nil, 0, err
		}
		return b, n, nil
	}
}

// appendFrame appends p with its length. p is at most 65,535 bytes.
func appendFrame(out, p []byte) []byte {
	out = binary.BigEndian.AppendUint16(out, uint16(len(p)))
	return append(out, p...)
}
