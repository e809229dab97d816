package codec

import "math/bits"

// bitReader reads big-endian bits. Beyond the end it answers zeros and remembers
// that it failed.
type bitReader struct {
	bytes  []byte
	at     int // next bit
	failed bool
}

// read answers the next n bits, 0 to 32.
func (r *bitReader) read(n int) uint32 {
	if r.at+n > len(r.bytes)*8 {
		r.failed = true
		r.at = len(r.bytes) * 8
		return 0
	}
	var v uint32
	for n > 0 {
		left := 8 - r.at&7
		take := min(left, n)
		b := uint32(r.bytes[r.at>>3]) >> (left - take) & (1<<take - 1)
		v = v<<take | b
		r.at += take
		n -= take
	}
	return v
}

// flag answers the next bit.
func (r *bitReader) flag() bool { return r.read(1) != 0 }

// nonSymmetric answers a number below n in the shortest form (AV1 bitstream
// specification §4.10.7, ns(n)); n is at least 1.
func (r *bitReader) nonSymmetric(n uint32) uint32 {
	width := bits.Len32(n)
	short := uint32(1)<<width - n
	v := r.read(width - 1)
	if v < short {
		return v
	}
	return v<<1 - short + r.read(1)
}

// bitWriter writes big-endian bits into bytes that are all zero. What does not
// fit makes it fail.
type bitWriter struct {
	bytes  []byte
	at     int
	failed bool
}

// write adds the low n bits of v, 0 to 32.
func (w *bitWriter) write(v uint32, n int) {
	if w.at+n > len(w.bytes)*8 {
		w.failed = true
		return
	}
	for n > 0 {
		left := 8 - w.at&7
		take := min(left, n)
		n -= take
		w.bytes[w.at>>3] |= byte(v>>n&(1<<take-1)) << (left - take)
		w.at += take
	}
}

// copy adds the bits of r from its place up to the bit at end.
func (w *bitWriter) copy(r *bitReader, end int) {
	for r.at < end {
		n := min(32, end-r.at)
		w.write(r.read(n), n)
	}
}
