// Package opus encodes and decodes Opus (RFC 6716), by libopus through
// github.com/hraban/opus. It is the only package that needs cgo.
//
// The codec is built with the tag "opus" (and "nolibopusfile", which leaves
// out a library that reads files). Without it everything here still builds:
// Available says false, and NewEncoder and NewDecoder answer ErrUnavailable,
// so that a server without a codec goes on forwarding.
//
//	go build -tags opus,nolibopusfile ./cmd/rivulet
//
// Sound is mono, 16 bits a sample. Neither type is safe for use by several
// goroutines at once. After the first calls nothing is allocated.
package opus

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// ErrUnavailable says that this program was built without the codec.
var ErrUnavailable = errors.New("opus: this program was built without the Opus codec: build it with cgo, libopus and -tags opus,nolibopusfile")

// MaxPacket is the longest packet that an Encoder makes, in bytes: 1275 for a
// frame (RFC 6716 §3.2.1), and six frames of 20 ms in 120 ms.
const MaxPacket = 6*1275 + 16

// MaxDuration is the longest sound of one packet (RFC 6716 §3.2.5).
const MaxDuration = 120 * time.Millisecond

// EncoderConfig tunes an encoder.
type EncoderConfig struct {
	// SampleRate of the sound given, in Hz: 8000, 12000, 16000, 24000 or 48000.
	SampleRate int
	// Rate of the payload, headers excluded: 6 to 510 kbit/s (RFC 6716 §2.1.1).
	Rate units.Rate
	// Complexity is 0 to 10. Below 5 libopus gives up bandwidth first: 12
	// kbit/s become narrowband.
	Complexity int
	// DTX answers packets of one or two bytes in silence.
	DTX bool
	// Loss is the share of packets expected to be lost, in percent. Above 0
	// packets repeat the one before at a low rate (LBRR, RFC 6716 §2.1.7) where
	// the rate allows it, which is above some 16 kbit/s.
	Loss int
}

// DefaultEncoderConfig is speech on a thin link.
func DefaultEncoderConfig() EncoderConfig {
	return EncoderConfig{SampleRate: 16000, Rate: 12 * units.Kbps, Complexity: 5, DTX: true}
}

// Validate says what is out of range.
func (c EncoderConfig) Validate() error {
	if err := validSampleRate(c.SampleRate); err != nil {
		return err
	}
	switch {
	case c.Rate < 6*units.Kbps || c.Rate > 510*units.Kbps:
		return fmt.Errorf("opus: rate %v is outside 6 to 510 kbit/s", c.Rate)
	case c.Complexity < 0 || c.Complexity > 10:
		return fmt.Errorf("opus: complexity %d is outside 0 to 10", c.Complexity)
	case c.Loss < 0 || c.Loss > 100:
		return fmt.Errorf("opus: loss of %d %% is outside 0 to 100", c.Loss)
	}
	return nil
}

func validSampleRate(hertz int) error {
	switch hertz {
	case 8000, 12000, 16000, 24000, 48000:
		return nil
	}
	return fmt.Errorf("opus: a sample rate of %d Hz is none of 8000, 12000, 16000, 24000, 48000", hertz)
}

// Samples is how many samples a duration has at a sample rate.
func Samples(sampleRate int, d time.Duration) int {
	return int(int64(sampleRate) * int64(d) / int64(time.Second))
}
