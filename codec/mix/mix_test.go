package mix

import (
	"errors"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opus"
)

func TestOutputBounds(t *testing.T) {
	good := OutputConfig{Rate: 8 * units.Kbps, PacketTime: 60 * time.Millisecond}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*OutputConfig){
		"both":     func(c *OutputConfig) { c.Only, c.Without = 1, 2 },
		"short":    func(c *OutputConfig) { c.PacketTime = 10 * time.Millisecond },
		"long":     func(c *OutputConfig) { c.PacketTime = 140 * time.Millisecond },
		"between":  func(c *OutputConfig) { c.PacketTime = 50 * time.Millisecond },
		"negative": func(c *OutputConfig) { c.PacketTime = -20 * time.Millisecond },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWithoutCodec(t *testing.T) {
	m, err := New(DefaultConfig())
	if opus.Available() {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if !errors.Is(err, opus.ErrUnavailable) || m != nil {
		t.Errorf("answered %v, %v", m, err)
	}
}

func TestBadJitter(t *testing.T) {
	c := DefaultConfig()
	c.Jitter = jitter.Config{Quantile: 7}
	if _, err := New(c); err == nil || errors.Is(err, opus.ErrUnavailable) {
		t.Errorf("answered %v", err)
	}
}
