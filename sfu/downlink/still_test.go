package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// On a path that carries voice and a little more, the picture stands still and
// is refreshed every few seconds: key frames only, whole, from the lowest
// layer; it is said that it does; and voice is not disturbed.
func TestStillPicture(t *testing.T) {
	c := newCall(t, config(1), 52*units.Kbps)
	var told []Event
	c.onEvent = func(ev Event) {
		if ev.Kind != KeyframeWanted {
			told = append(told, ev)
		}
	}
	c.speak(0, 7)
	c.show(1, 8)
	c.run(10 * time.Second)
	if g := c.d.Stats().Slots[1].Grant; !g.Still || g.Reason != allocator.Still || g.Spatial != 0 {
		t.Fatalf("on 52 kbit/s the picture is granted %+v of %v", g, c.d.Stats().Budget)
	}
	begin, lost := c.now, c.wire.lost
	told = told[:0]
	c.run(time.Minute)
	frames := map[uint32]bool{}
	last := begin
	var media []received
	for _, r := range c.since(1, begin) {
		if r.SSRC != c.d.slots[1].cfg.SSRC {
			continue
		}
		media = append(media, r)
		key := r.payload[6]&1 == 0
		if r.payload[0]&0x10 != 0 && !key {
			t.Fatalf("at %v something other than a key frame goes out", r.at.Sub(epoch))
		}
		if !frames[r.Timestamp] {
			frames[r.Timestamp] = true
			// The one before may have waited behind a probe, which is no longer than this.
			waited := bwe.DefaultConfig().ProbeQueue
			if gap := r.at.Sub(last); gap > latestStill+time.Second || gap < soonestStill-waited && last != begin {
				t.Errorf("%v between two pictures", gap)
			}
			last = r.at
		}
	}
	checkContinuous(t, media)
	if n := len(frames); n < 4 || n > 20 {
		t.Errorf("%d pictures in a minute", n)
	}
	if len(told) > 2 {
		t.Errorf("told more than once: %v", told)
	}
	if n := c.wire.lost - lost; n > 0 {
		t.Errorf("%d packets lost in the path's queue", n)
	}
	// 60 ms of voice in a packet, behind one of 1200 bytes that takes 185 ms.
	if gap := c.longestGap(0, begin); gap > 250*time.Millisecond {
		t.Errorf("no voice for %v", gap)
	}
	c.wire.rate = units.Mbps
	c.run(15 * time.Second)
	if st := c.d.Stats().Slots[1]; st.Grant.Still || st.Spatial < 1 {
		t.Errorf("on 1 Mbit/s: layer %d, grant %+v", st.Spatial, st.Grant)
	}
}

// A picture that moved stands still as it was seen last, at first.
func TestStandsStillAsItWas(t *testing.T) {
	c := newCall(t, config(1), 600*units.Kbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(6 * time.Second)
	c.wire.rate = 52 * units.Kbps
	c.run(20 * time.Second)
	if g := c.d.Stats().Slots[1].Grant; !g.Still {
		t.Fatalf("on 52 kbit/s the picture is granted %+v of %v", g, c.d.Stats().Budget)
	}
	c.d.SetView(c.now, 1, View{Hidden: true})
	c.run(10 * time.Second)
	for _, r := range c.since(1, c.now.Add(-9*time.Second)) {
		if r.SSRC == c.d.slots[1].cfg.SSRC {
			t.Fatal("a picture that is not looked at is refreshed")
		}
	}
}
