// Package units holds the quantities that congestion control reckons with, so
// that bits, bytes and seconds cannot be mixed up by accident.
//
// A Rate is bits per second on the wire and a Size is bytes on the wire: IP
// and UDP headers, SRTP tag, header extensions and all. Both are pure values.
package units

import (
	"math"
	"strconv"
	"time"
)

// Rate is a wire rate in bits per second. It is never negative.
type Rate int64

// Common rates.
const (
	BitPerSecond Rate = 1
	Kbps              = 1000 * BitPerSecond
	Mbps              = 1000 * Kbps
	Gbps              = 1000 * Mbps
)

// MaxRate is the largest rate: "no limit".
const MaxRate Rate = math.MaxInt64

// Size is a number of bytes on the wire.
type Size int64

// Common sizes.
const (
	Byte Size = 1
	KB        = 1000 * Byte
	MB        = 1000 * KB
)

// In answers how many bytes a rate carries in d (rounded down, saturating).
func (r Rate) In(d time.Duration) Size {
	if r <= 0 || d <= 0 {
		return 0
	}
	v := float64(r) * d.Seconds() / 8
	if v >= math.MaxInt64 {
		return math.MaxInt64
	}
	return Size(v)
}

// Scale answers r times f, saturating at 0 and MaxRate.
func (r Rate) Scale(f float64) Rate {
	v := float64(r) * f
	switch {
	case !(v > 0): // NaN too
		return 0
	case v >= math.MaxInt64:
		return MaxRate
	}
	return Rate(v)
}

// String prints the rate in the unit that a person would choose.
func (r Rate) String() string {
	switch {
	case r == MaxRate:
		return "unlimited"
	case r >= Mbps:
		return strconv.FormatFloat(float64(r)/float64(Mbps), 'f', 2, 64) + " Mbit/s"
	case r >= Kbps:
		return strconv.FormatFloat(float64(r)/float64(Kbps), 'f', 1, 64) + " kbit/s"
	}
	return strconv.FormatInt(int64(r), 10) + " bit/s"
}

// Over answers the rate of s bytes in d; 0 when d is not positive.
func (s Size) Over(d time.Duration) Rate {
	if s <= 0 || d <= 0 {
		return 0
	}
	v := float64(s) * 8 / d.Seconds()
	if v >= math.MaxInt64 {
		return MaxRate
	}
	return Rate(v)
}

// At answers how long s bytes last at r; the longest duration when r is 0.
func (s Size) At(r Rate) time.Duration {
	if s <= 0 {
		return 0
	}
	if r <= 0 {
		return math.MaxInt64
	}
	v := float64(s) * 8 / float64(r) * float64(time.Second)
	if v >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(v)
}

// String prints the size in the unit that a person would choose.
func (s Size) String() string {
	switch {
	case s >= MB:
		return strconv.FormatFloat(float64(s)/float64(MB), 'f', 1, 64) + " MB"
	case s >= KB:
		return strconv.FormatFloat(float64(s)/float64(KB), 'f', 1, 64) + " kB"
	}
	return strconv.FormatInt(int64(s), 10) + " B"
}
