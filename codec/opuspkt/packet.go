// Package opuspkt reads, merges and splits Opus packets without decoding them.
//
// Input is the payload of an RTP packet (RFC 7587); output is what its first
// bytes tell (mode, bandwidth, frames, duration, silence, LBRR), or other
// packets with the same frames: fewer and longer ones for a thin link, whose
// headers cost more than the speech, or shorter ones. The decoded audio is the
// same sample for sample, because no frame is touched and none changes its
// place.
//
// The format is RFC 6716 §3. A packet is a TOC byte and one to 48 frames that
// together last 120 ms at most:
//
//	code 0  TOC, frame
//	code 1  TOC, two frames of the same size
//	code 2  TOC, size, frame, frame
//	code 3  TOC, v|p|count, padding size if p, sizes if v, frames, padding
//
// The padding may hold extensions (draft-ietf-mlcodec-opus-extension). They
// belong to single frames, and go with them where packets are merged or split;
// mere padding does not, as it says nothing.
//
// The package is pure, allocates nothing, and refuses what breaks the rules R1
// to R7 of RFC 6716 §3.4.
package opuspkt

import (
	"errors"
	"time"
)

// Bounds of one packet (RFC 6716 §3.2.1, §3.2.5).
const (
	MaxFrames   = 48
	MaxDuration = 120 * time.Millisecond
	MaxFrame    = 1275 // bytes in a frame
)

// What Parse answers.
var (
	// ErrEmpty is a payload without a single byte. Browsers send some as
	// padding: they are no audio and no mistake.
	ErrEmpty = errors.New("opuspkt: empty payload")
	// ErrMalformed is a payload that breaks RFC 6716 §3.4.
	ErrMalformed = errors.New("opuspkt: malformed packet")
)

type span struct{ from, size int32 }

// Packet is a parsed packet. It refers to the payload, which must not change
// while it is in use. The zero value holds no frame.
type Packet struct {
	TOC     TOC
	payload []byte
	padding []byte
	count   int
	frames  [MaxFrames]span
}

// Count is the number of frames, 1 to MaxFrames.
func (p *Packet) Count() int { return p.count }

// Frame is the i-th frame, 0 <= i < Count; empty where nothing was coded (RFC
// 6716 §3.2.1).
func (p *Packet) Frame(i int) []byte {
	if i >= p.count {
		panic("opuspkt: no such frame")
	}
	s := p.frames[i]
	return p.payload[s.from : s.from+s.size : s.from+s.size]
}

// Padding is what follows the last frame of a code 3 packet, nil if nothing.
func (p *Packet) Padding() []byte { return p.padding }

// Duration is how long the packet sounds, at most MaxDuration.
func (p *Packet) Duration() time.Duration {
	return time.Duration(p.count) * p.TOC.FrameDuration()
}

// Silent says whether the packet codes no sound: an encoder with discontinuous
// transmission sends such packets, of two bytes or less when alone, now and then
// while nobody speaks.
func (p *Packet) Silent() bool {
	for i := range p.count {
		if p.frames[i].size > 1 {
			return false
		}
	}
	return true
}

// EndsQuiet says whether nobody speaks in the last frame, as far as the encoder
// told: it holds no sound, or no voice activity bit is set (RFC 6716 §4.2.3).
// What is not sent after such a packet is silence. CELT has no such bits: false.
func (p *Packet) EndsQuiet() bool {
	if p.count == 0 {
		return false
	}
	last := p.frames[p.count-1]
	if last.size <= 1 {
		return true
	}
	if p.TOC.Mode() == CELT {
		return false
	}
	parts := max(1, int(p.TOC.FrameDuration()/(20*time.Millisecond)))
	first := p.payload[last.from]
	active := first >> (8 - parts)
	if p.TOC.Stereo() {
		active |= first >> (7 - 2*parts) & (1<<parts - 1)
	}
	return active == 0
}

// LBRR says whether the first frame repeats, at a low rate, the sound of the
// frame before it (RFC 6716 §2.1.7), so that a decoder can make up for its loss.
//
// The flags are the first symbols of a SILK frame: for each channel a voice
// activity bit for every 20 ms, then the LBRR bit (§4.2.3). Each is equally
// likely to be 0 or 1, and so they are plain bits of the first byte.
func (p *Packet) LBRR() bool {
	if p.count == 0 || p.TOC.Mode() == CELT || p.frames[0].size == 0 {
		return false
	}
	parts := max(1, int(p.TOC.FrameDuration()/(20*time.Millisecond)))
	first := p.payload[p.frames[0].from]
	found := first >> (7 - parts) & 1
	if p.TOC.Stereo() {
		found |= first >> (6 - 2*parts) & 1
	}
	return found != 0
}

// Parse reads a payload. The error is ErrEmpty or ErrMalformed, and then the
// packet is the zero value.
func Parse(payload []byte) (p Packet, err error) {
	if len(payload) == 0 {
		return Packet{}, ErrEmpty // R1
	}
	p.TOC, p.payload = TOC(payload[0]), payload
	ok := false
	switch p.TOC.Code() {
	case 0:
		p.count = 1
		ok = p.equal(1, len(payload))
	case 1:
		p.count = 2
		ok = p.equal(1, len(payload)) // R3
	case 2:
		p.count = 2
		ok = p.sized(1, len(payload)) // R4
	case 3:
		ok = p.code3()
	}
	if !ok {
		return Packet{}, ErrMalformed
	}
	return p, nil
}

// Duration is how long a payload sounds; 0 if it is empty or malformed.
func Duration(payload []byte) time.Duration {
	p, err := Parse(payload)
	if err != nil {
		return 0
	}
	return p.Duration()
}

// code3 reads the byte that counts the frames, the size of the padding, and the
// frames between them (RFC 6716 §3.2.5).
func (p *Packet) code3() bool {
	if len(p.payload) < 2 {
		return false // R6, R7
	}
	head := p.payload[1]
	p.count = int(head & 63)
	if p.count == 0 || p.count > MaxFrames || p.Duration() > MaxDuration {
		return false // R5
	}
	at, end := 2, len(p.payload)
	if head&0x40 != 0 {
		padding := 0
		for more := true; more; at++ {
			if at >= len(p.payload) {
				return false
			}
			n := int(p.payload[at])
			if more = n == 255; more {
				n = 254 // and another byte
			}
			padding += n
		}
		if end -= padding; end < at {
			return false
		}
		p.padding = p.payload[end:]
	}
	if head&0x80 != 0 {
		return p.sized(at, end)
	}
	return p.equal(at, end)
}

// equal divides payload[at:end] between the frames.
func (p *Packet) equal(at, end int) bool {
	size := (end - at) / p.count
	if size*p.count != end-at || size > MaxFrame {
		return false // R2, R3, R6
	}
	for i := range p.count {
		p.frames[i] = span{int32(at + i*size), int32(size)}
	}
	return true
}

// sized reads the sizes of all frames but the last from payload[at:], and then
// the frames, the last of which takes what is left before end.
func (p *Packet) sized(at, end int) bool {
	left := end
	for i := range p.count - 1 {
		if at >= end {
			return false
		}
		size := int(p.payload[at])
		at++
		if size >= 252 { // two bytes (RFC 6716 §3.2.1)
			if at >= end {
				return false
			}
			size += 4 * int(p.payload[at])
			at++
		}
		p.frames[i].size = int32(size)
		left -= size
	}
	last := left - at
	if last < 0 || last > MaxFrame {
		return false // R2, R4, R7
	}
	p.frames[p.count-1].size = int32(last)
	for i := range p.count {
		p.frames[i].from = int32(at)
		at += int(p.frames[i].size)
	}
	return true
}
