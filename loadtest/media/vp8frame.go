package media

import (
	"encoding/binary"
	"time"
)

// patternStep is one frame of a temporal pattern.
type patternStep struct {
	layer       uint8
	sync        bool    // depends on layer 0 alone: a receiver may step up here
	discardable bool    // nothing depends on it
	weight      float64 // of the average frame size
}

// patterns are libwebrtc's default temporal patterns for 1, 2 and 3 layers, as
// its default_temporal_layers.cc has them, with the rate shares of its
// allocation: 60/40 and 40/20/40 per cent. A key frame begins them again.
var patterns = [3][]patternStep{
	{{weight: 1}},
	{
		{weight: 1.2}, {layer: 1, sync: true, discardable: false, weight: 0.8},
		{weight: 1.2}, {layer: 1, weight: 0.8},
		{weight: 1.2}, {layer: 1, weight: 0.8},
		{weight: 1.2}, {layer: 1, discardable: true, weight: 0.8},
	},
	{
		{weight: 1.6}, {layer: 2, sync: true, discardable: true, weight: 0.8},
		{layer: 1, sync: true, weight: 0.8}, {layer: 2, discardable: true, weight: 0.8},
		{weight: 1.6}, {layer: 2, discardable: true, weight: 0.8},
		{layer: 1, weight: 0.8}, {layer: 2, discardable: true, weight: 0.8},
	},
}

// Frame is one coded VP8 frame: a small value that writes its own packets.
type Frame struct {
	Sent      time.Time // when it was polled; goes into the stamps
	Source    uint16
	Number    uint32 // counts frames from 0
	Timestamp uint32 // VideoClock
	Size      int    // bytes of the frame, without descriptors
	Width     int
	Height    int

	Keyframe    bool
	Temporal    uint8 // TID
	Sync        bool  // Y
	Discardable bool  // N: no other frame depends on it
	PictureID   uint16
	TL0         uint8 // TL0PICIDX
	KeyIndex    uint8

	layered    bool
	keyIndexed bool
	maxPayload int
	weight     float64
}

// Lengths of headers in bytes.
const (
	// VP8 tag and key frame header (RFC 6386 §9.1).

	// plainDescriptor has the picture id; layeredDescriptor adds TL0PICIDX and the
	// byte of TID, Y and KEYIDX (RFC 7741 §4.2).
	plainDescriptor   = 4
	layeredDescriptor = 6
	keyedDescriptor   = 5
)

func (f Frame) descriptorSize() int {
	switch {
	case f.layered:
		return layeredDescriptor
	case f.keyIndexed:
		return keyedDescriptor
	}
	return plainDescriptor
}

// Packets answers how many RTP packets the frame takes.
func (f Frame) Packets() int {
	if f.maxPayload == 0 {
		return 0 // the zero Frame
	}
	room := f.maxPayload - f.descriptorSize()
	return max(1, (f.Size+room-1)/room)
}

// Packet writes the payload of the i-th packet into buf and answers it, and
// whether it is the last (the RTP marker, RFC 7741 §4.1). It answers nil when
// there is no such packet or buf is too short. All packets of a frame are about
// equally long, as libwebrtc cuts them.
func (f Frame) Packet(i int, buf []byte) (payload []byte, last bool) {
	n := f.Packets()
	if i < 0 || i >= n {
		return nil, false
	}
	from, to := i*f.Size/n, (i+1)*f.Size/n
	head := f.descriptorSize()
	if len(buf) < head+to-from {
		return nil, false
	}
	payload = buf[:head+to-from]
	f.describe(payload, i == 0)
	body := payload[head:]
	fill(body)
	if i == 0 {
		f.header(body)
	}
	if len(payload) >= videoStampOffset+StampSize {
		Stamp{Sent: f.Sent, Number: f.Number, Source: f.Source}.Put(payload[videoStampOffset:])
	}
	return payload, i == n-1
}

// describe writes the payload descriptor (RFC 7741 §4.2).
//
//	|X|R|N|S|R| PID |  |I|L|T|K| RSV |  |1| PictureID (15) |  TL0PICIDX  |TID|Y| KEYIDX |
func (f Frame) describe(b []byte, first bool) {
	b[0] = 0x80
	if f.Discardable {
		b[0] |= 0x20
	}
	if first {
		b[0] |= 0x10
	}
	b[1] = 0x80
	binary.BigEndian.PutUint16(b[2:], 0x8000|f.PictureID)
	last := byte(0)
	if f.keyIndexed {
		b[1] |= 0x10
		last = f.KeyIndex & 0x1F
	}
	at := plainDescriptor
	if f.layered {
		b[1] |= 0x60
		b[at] = f.TL0
		at++
		last |= f.Temporal << 6
		if f.Sync {
			last |= 0x20
		}
	}
	if f.layered || f.keyIndexed {
		b[at] = last
	}
}

// header writes the frame tag, and of a key frame start code and dimensions (RFC
// 6386 §9.1). Frames are never shorter than it.
func (f Frame) header(b []byte) {
	const shown, largest = 1 << 4, 1<<19 - 1
	// The first partition (modes and motion vectors) is about a quarter.
	tag := uint32(min(f.Size/4, largest))<<5 | shown
	if !f.Keyframe {
		tag |= 1
	}
	b[0], b[1], b[2] = byte(tag), byte(tag>>8), byte(tag>>16)
	if f.Keyframe {
		b[3], b[4], b[5] = 0x9D, 0x01, 0x2A
		binary.LittleEndian.PutUint16(b[6:], uint16(f.Width))
		binary.LittleEndian.PutUint16(b[8:], uint16(f.Height))
	}
}
