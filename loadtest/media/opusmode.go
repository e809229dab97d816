package media

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// opusMode is a row of RFC 6716's table 2: coder and audio bandwidth, whose
// configuration numbers follow each other by frame length.
type opusMode struct {
	first uint8 // configuration number of the shortest frame
	silk  bool  // SILK or hybrid: there are voice activity bits
	// lengths are the frame lengths in units of 2.5 ms.
	lengths [4]uint8
}

// The modes that Voice uses, all mono.
var (
	silkNarrow = opusMode{first: 0, silk: true, lengths: [4]uint8{4, 8, 16, 24}}
	silkWide   = opusMode{first: 8, silk: true, lengths: [4]uint8{4, 8, 16, 24}}
	hybridFull = opusMode{first: 14, silk: true, lengths: [4]uint8{4, 8}}
	celtFull   = opusMode{first: 28, lengths: [4]uint8{1, 2, 4, 8}}
)

// modeFor chooses as libopus does for speech (RFC 6716 §2.1.1 and 2.1.2), within
// what one frame can carry: only SILK has frames beyond 20 ms.
func modeFor(r units.Rate, packetTime time.Duration) opusMode {
	long := packetTime > 20*time.Millisecond
	switch {
	case r < 10*units.Kbps:
		return silkNarrow
	case r < 18*units.Kbps || long:
		return silkWide
	case r < 48*units.Kbps:
		return hybridFull
	}
	return celtFull
}

// toc answers the first byte of a packet with one mono frame of length d (code
// 0, RFC 6716 §3.1).
func (m opusMode) toc(d time.Duration) byte {
	config := m.first
	for i, length := range m.lengths {
		if time.Duration(length)*2500*time.Microsecond == d {
			config += uint8(i)
		}
	}
	return config << 3
}
