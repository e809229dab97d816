package downlink

import (
	"fmt"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// On a path that does not change, layers hardly do, the queue stays short and
// voice keeps coming; on paths of many rates, with one and with four pictures.
func TestSteadyState(t *testing.T) {
	// The best layer of one picture is 1.3 Mbit/s, so a wider path is not used.
	for _, pictures := range []int{1, 4} {
		for _, rate := range []units.Rate{150 * units.Kbps, 250 * units.Kbps, 400 * units.Kbps, 700 * units.Kbps, 2500 * units.Kbps} {
			t.Run(fmt.Sprintf("%d at %v", pictures, rate), func(t *testing.T) {
				switches, temporal := 0, 0
				for k := range alignments {
					s, n := steadyCall(t, pictures, rate, time.Duration(k)*alignment)
					switches, temporal = switches+s, temporal+n
				}
				if switches > 1*alignments || temporal > 3*alignments {
					t.Errorf("%d switches and %d temporal ones in %d times half a minute", switches, temporal, alignments)
				}
			})
		}
	}
}

// steadyCall is one call on a path that is longer by something, and counts what changes.
func steadyCall(t *testing.T, pictures int, rate units.Rate, longer time.Duration) (switches, temporal int) {
	t.Helper()
	c := newCall(t, config(pictures), rate)
	c.wire.delay += longer
	c.speak(0, 7)
	for i := 1; i <= pictures; i++ {
		c.show(i, uint32(20+i))
	}
	c.run(12 * time.Second)
	spatial := map[int]int8{}
	for i := range c.d.slots {
		spatial[i] = c.d.slots[i].current.Spatial
	}
	c.onEvent = func(ev Event) {
		switch {
		case ev.Kind == Paused || ev.Kind == Resumed:
			switches++
		case ev.Kind == LayerChanged && ev.Spatial != spatial[ev.Slot]:
			spatial[ev.Slot] = ev.Spatial
			switches++
		case ev.Kind == LayerChanged:
			temporal++
		}
	}
	began, lost := c.now, c.wire.lost
	c.wire.maxWait = 0
	c.run(30 * time.Second)
	var used units.Rate
	for i := range c.d.slots {
		used += c.bitrate(i, began)
	}
	t.Logf("%d switches, %d temporal ones, %v used, queue of %v", switches, temporal, used, c.wire.maxWait)
	if used < rate.Scale(0.4) {
		t.Errorf("only %v is used", used)
	}
	if n := c.wire.lost - lost; n > 0 {
		t.Errorf("%d packets lost in the path's queue", n)
	}
	if gap := c.longestGap(0, began); gap > 150*time.Millisecond {
		t.Errorf("no voice for %v", gap)
	}
	return switches, temporal
}
