package opus

import (
	"errors"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func TestConfigBounds(t *testing.T) {
	for name, change := range map[string]func(*EncoderConfig){
		"sample rate":  func(c *EncoderConfig) { c.SampleRate = 44100 },
		"too thin":     func(c *EncoderConfig) { c.Rate = 5999 },
		"too rich":     func(c *EncoderConfig) { c.Rate = 511 * units.Kbps },
		"complexity":   func(c *EncoderConfig) { c.Complexity = 11 },
		"negative":     func(c *EncoderConfig) { c.Complexity = -1 },
		"loss":         func(c *EncoderConfig) { c.Loss = 101 },
		"no loss":      func(c *EncoderConfig) { c.Loss = -1 },
		"zero of each": func(c *EncoderConfig) { *c = EncoderConfig{} },
	} {
		c := DefaultEncoderConfig()
		change(&c)
		if e, err := NewEncoder(c); err == nil || errors.Is(err, ErrUnavailable) || e != nil {
			t.Errorf("%s: answered %v", name, err)
		}
	}
	if d, err := NewDecoder(44100); err == nil || errors.Is(err, ErrUnavailable) || d != nil {
		t.Errorf("sample rate: answered %v", err)
	}
}

func TestSamples(t *testing.T) {
	if n := Samples(16000, 20*time.Millisecond); n != 320 {
		t.Errorf("20 ms at 16 kHz: %d", n)
	}
	if n := Samples(48000, 2500*time.Microsecond); n != 120 {
		t.Errorf("2.5 ms at 48 kHz: %d", n)
	}
}
