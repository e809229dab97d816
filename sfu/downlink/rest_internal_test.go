package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// A picture that is lost within ten seconds of coming back rests for 4 s, and each
// time twice as long up to 32 s; one that was shown for longer, or whose source has
// just come, or that was paused for another reason, may be back at once.
func TestPictureThatComesTooSoonRests(t *testing.T) {
	c := newCall(t, config(2), 200*units.Kbps)
	s := &c.d.slots[2]
	s.source.ID = 7
	now := c.now
	shown := allocator.Grant{Reason: allocator.Bandwidth}
	paused := allocator.Grant{Spatial: allocator.Paused, Temporal: allocator.Paused, Reason: allocator.PausedBandwidth}
	muted := paused
	muted.Reason = allocator.Muted
	lose := func(after time.Duration, g allocator.Grant) time.Duration {
		t.Helper()
		c.d.noticeRest(now, s, paused, shown)
		now = now.Add(after)
		c.d.noticeRest(now, s, shown, g)
		from := now
		for s.rests(now) {
			now = now.Add(100 * time.Millisecond)
		}
		return now.Sub(from)
	}
	for i, step := range []struct {
		shown time.Duration
		lost  allocator.Grant
		rests time.Duration
	}{
		{2 * time.Second, paused, 0},  // the source is new
		{20 * time.Second, paused, 0}, // shown for long
		{2 * time.Second, paused, 4 * time.Second},
		{2 * time.Second, muted, 0},
		{9 * time.Second, paused, 8 * time.Second},
		{time.Second, paused, 16 * time.Second},
		{time.Second, paused, 32 * time.Second},
		{time.Second, paused, 32 * time.Second},
		{11 * time.Second, paused, 0},
		{time.Second, paused, 4 * time.Second},
	} {
		if got := lose(step.shown, step.lost); got != step.rests {
			t.Errorf("step %d: shown for %v, it rests for %v, want %v", i, step.shown, got, step.rests)
		}
	}
	lose(time.Second, paused)
	c.d.noticeRest(now, s, paused, shown)
	c.d.noticeRest(now.Add(time.Second), s, shown, paused)
	s.source.ID = 8
	if s.rests(now.Add(2 * time.Second)) {
		t.Error("another source rests for what the one before did")
	}
}
