package downlink

import (
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

func TestConfigIsValidated(t *testing.T) {
	cases := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.Slots = nil }, ""},
		{func(c *Config) { c.Slots = make([]SlotConfig, MaxSlots+1) }, "more than 64"},
		{func(c *Config) { c.Overhead = -1 }, "overhead"},
		{func(c *Config) { c.BWE = bwe.Config{} }, "bwe"},
		{func(c *Config) { c.Slots[0].SSRC = 0 }, "must not be 0"},
		{func(c *Config) { c.Slots[0].Kind = 7 }, "kind 7"},
		{func(c *Config) { c.Slots[1].RTXSSRC = c.Slots[1].SSRC }, "ssrc of its own"},
		{func(c *Config) { c.Slots[1].RTXSSRC = audioSSRC }, "slots 0 and 1 share"},
		{func(c *Config) { c.Slots[1].Codecs = make([]Codec, maxCodecs+1) }, "codecs"},
		{func(c *Config) { c.Slots[1].Codecs = []Codec{{codec.VP8, 128, 0}} }, "payload type"},
	}
	for _, c := range cases {
		cfg := config(1)
		c.change(&cfg)
		_, err := New(epoch, cfg)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("refused: %v", err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("error %v, want one that says %q", err, c.want)
		}
	}
}

// Initial numbers differ with the seed and leave room before the first wrap.
func TestInitialNumbers(t *testing.T) {
	first := func(seed uint64) [2]uint32 {
		cfg := config(0)
		cfg.Seed = seed
		c := newCall(t, cfg, units.Mbps)
		c.speak(0, 7)
		c.run(50 * time.Millisecond)
		r := c.got[0][0]
		if r.Sequence >= 1<<15 {
			t.Errorf("first sequence number is %d", r.Sequence)
		}
		return [2]uint32{uint32(r.Sequence), r.Timestamp}
	}
	if a, b := first(1), first(2); a[0] == b[0] || a[1] == b[1] {
		t.Errorf("seeds 1 and 2 begin with %v and %v", a, b)
	}
	if a, b := first(5), first(5); a != b {
		t.Errorf("one seed begins with %v and %v", a, b)
	}
}

// trace is a Recorder.
type trace struct {
	decisions, allocations int
	budget                 units.Rate
	slots                  int
}

func (t *trace) Decided(time.Time, bwe.Decision) { t.decisions++ }
func (t *trace) Granted(_ time.Time, budget units.Rate, grants []allocator.Grant) {
	t.allocations++
	t.budget, t.slots = budget, len(grants)
}

func TestRecorderIsTold(t *testing.T) {
	var seen trace
	cfg := config(2)
	cfg.Recorder = &seen
	c := newCall(t, cfg, units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(3 * time.Second)
	if seen.decisions < 5 || seen.allocations < 3 || seen.slots != 3 || seen.budget != c.d.Stats().Budget {
		t.Errorf("the recorder saw %+v", seen)
	}
}
