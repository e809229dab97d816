package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
)

// A key frame takes a second and more of a thin link. What follows it waits,
// and frames that nobody refers to are left out meanwhile: were those dropped that
// others refer to, another key frame would be needed, and so on for ever.
func TestKeyframeOnThinLinkIsFollowed(t *testing.T) {
	cfg := config(1)
	cfg.BWE.Known = 45 * units.Kbps
	c := newCall(t, cfg, 45*units.Kbps)
	cam := &camera{pool: c.pool, ssrc: 80, rate: 200 * units.Kbps, keySize: 6000} // 833 bytes a frame
	keys := 0
	c.onEvent = func(ev Event) {
		if ev.Kind == KeyframeWanted {
			cam.wantKey = true
			keys++
		}
	}
	c.d.Assign(c.now, 1, Source{ID: 8, Kind: codec.VP8, Layers: []LayerInfo{{0, 320, 180}}})
	film := func(length time.Duration) {
		for end := c.now.Add(length); c.now.Before(end); c.run(200 * time.Millisecond) {
			c.d.SetRates(c.now, 1, []LayerRate{
				{Temporal: 0, Rate: 10 * units.Kbps}, {Temporal: 1, Rate: 19 * units.Kbps}, {Temporal: 2, Rate: 37 * units.Kbps},
			})
			for _, p := range cam.frame(c.now) {
				c.d.Forward(c.now, 1, p)
				p.Release()
			}
		}
	}
	film(10 * time.Second)
	begin := c.now
	was := c.d.Stats().Slots[1]
	keys = 0
	for range 6 { // as somebody who joins wants one
		cam.wantKey = true
		film(10 * time.Second)
	}
	got := c.d.Stats().Slots[1]
	frames := map[uint32]bool{}
	for _, r := range c.since(1, begin) {
		if r.SSRC == c.d.slots[1].cfg.SSRC {
			frames[r.Timestamp] = true
		}
	}
	t.Logf("%d frames in a minute, %d key frames asked for, %d packets dropped", len(frames), keys, got.QueueDrops-was.QueueDrops)
	if keys > 1 {
		t.Errorf("%d key frames were asked for after six that others asked for", keys)
	}
	if n := got.QueueDrops - was.QueueDrops; n > 6 {
		t.Errorf("%d packets were given numbers and dropped", n)
	}
	if len(frames) < 180 {
		t.Errorf("%d frames in a minute, want 3 a second", len(frames))
	}
}
