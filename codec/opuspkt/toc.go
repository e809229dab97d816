package opuspkt

import "time"

// Mode is the coding mode of a packet (RFC 6716 §2.1).
type Mode uint8

// The modes. Only SILK and Hybrid packets can hold LBRR.
const (
	SILK Mode = iota
	Hybrid
	CELT
)

// Bandwidth is the audio bandwidth of a packet (RFC 6716 §2).
type Bandwidth uint8

// The bandwidths, the highest audible frequency with each.
const (
	Narrowband    Bandwidth = iota // 4 kHz
	Mediumband                     // 6 kHz
	Wideband                       // 8 kHz
	Superwideband                  // 12 kHz
	Fullband                       // 20 kHz
)

var bandwidthNames = [...]string{"narrowband", "mediumband", "wideband", "super-wideband", "fullband"}

// String is the bandwidth's name in lower case.
func (b Bandwidth) String() string {
	if int(b) < len(bandwidthNames) {
		return bandwidthNames[b]
	}
	return "unknown"
}

// TOC is the first byte of every packet (RFC 6716 §3.1):
//
//	 0 1 2 3 4 5 6 7
//	| config  |s| c |
type TOC byte

// Config is the configuration number, 0 to 31.
func (t TOC) Config() int { return int(t >> 3) }

// Stereo says whether the frames hold two channels.
func (t TOC) Stereo() bool { return t&4 != 0 }

// Code is the frame count code: 0 for one frame, 1 for two of the same size, 2
// for two of different sizes, 3 for a number that a second byte tells.
func (t TOC) Code() int { return int(t & 3) }

// Mode is the coding mode (RFC 6716 table 2).
func (t TOC) Mode() Mode {
	switch config := t.Config(); {
	case config < 12:
		return SILK
	case config < 16:
		return Hybrid
	}
	return CELT
}

// Bandwidth is the audio bandwidth (RFC 6716 table 2).
func (t TOC) Bandwidth() Bandwidth {
	config := t.Config()
	switch t.Mode() {
	case SILK:
		return Bandwidth(config / 4)
	case Hybrid:
		return Superwideband + Bandwidth((config-12)/2)
	}
	if b := Bandwidth((config - 16) / 4); b > 0 {
		return b + 1 // CELT has no mediumband
	}
	return Narrowband
}

// FrameDuration is the length of each frame, 2.5 to 60 ms (RFC 6716 table 2).
func (t TOC) FrameDuration() time.Duration {
	config := t.Config()
	switch t.Mode() {
	case SILK:
		return [...]time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond}[config%4]
	case Hybrid:
		return (10 * time.Millisecond) << (config % 2)
	}
	return (2500 * time.Microsecond) << (config % 4)
}

// Mergeable says whether the frames of two packets may stand in one packet:
// they are so configured alike, whatever their number (RFC 6716 §3.2).
func Mergeable(a, b TOC) bool { return a&^3 == b&^3 }

// Samples is a duration in units of the RTP clock, which is 48 kHz whatever the
// bandwidth (RFC 7587 §4.1).
func Samples(d time.Duration) uint32 { return uint32(d * 48 / time.Millisecond) }
