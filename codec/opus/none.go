//go:build !(cgo && opus)

package opus

import "github.com/rivulet-rtc/rivulet/bwe/units"

// Available says whether this program has the codec.
func Available() bool { return false }

// Encoder makes packets of sound. This program has none.
type Encoder struct{}

// NewEncoder answers ErrUnavailable, or what is wrong with the configuration.
func NewEncoder(c EncoderConfig) (*Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return nil, ErrUnavailable
}

// SetRate answers ErrUnavailable.
func (*Encoder) SetRate(units.Rate) error { return ErrUnavailable }

// Encode answers ErrUnavailable.
func (*Encoder) Encode([]int16, []byte) ([]byte, error) { return nil, ErrUnavailable }

// Reset answers ErrUnavailable.
func (*Encoder) Reset() error { return ErrUnavailable }

// Decoder makes sound of packets. This program has none.
type Decoder struct{}

// NewDecoder answers ErrUnavailable, or what is wrong with the sample rate.
func NewDecoder(sampleRate int) (*Decoder, error) {
	if err := validSampleRate(sampleRate); err != nil {
		return nil, err
	}
	return nil, ErrUnavailable
}

// Decode answers ErrUnavailable.
func (*Decoder) Decode([]byte, []int16) ([]int16, error) { return nil, ErrUnavailable }

// Conceal answers ErrUnavailable.
func (*Decoder) Conceal(int, []int16) ([]int16, error) { return nil, ErrUnavailable }

// Repair answers ErrUnavailable.
func (*Decoder) Repair([]byte, int, []int16) ([]int16, error) { return nil, ErrUnavailable }
