package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// Probes are sent for what could be used and for nothing else; a better layer
// is taken when the path has proved that it carries it, with headroom.
func TestProbesOnDemand(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.speak(0, 7)
	c.d.SetView(c.now, 1, View{Width: 320, Height: 180, MaxSpatial: AnySpatial})
	c.show(1, 8)
	c.run(8 * time.Second)
	if g := c.d.Stats().Slots[1].Grant; g.Reason != allocator.FitsView || g.Spatial != 0 {
		t.Fatalf("a small view: %+v", g)
	}
	before := c.d.Stats()
	c.run(20 * time.Second)
	after := c.d.Stats()
	if n := after.Path.Probes - before.Path.Probes; n > 0 || after.PaddingBytes != before.PaddingBytes {
		t.Errorf("with everything granted, %d probes and %d bytes of padding", n, after.PaddingBytes-before.PaddingBytes)
	}
	// The path is narrowed, unnoticed, and then more is wanted.
	c.wire.rate = 900 * units.Kbps
	c.d.SetView(c.now, 1, View{Width: 1280, Height: 720, MaxSpatial: AnySpatial})
	wanted := c.now
	c.onEvent = func(ev Event) {
		if ev.Kind != LayerChanged || ev.Spatial < 1 {
			return
		}
		need := allocator.WithHeadroom(c.cameras[1][ev.Spatial].rate.Scale(1.05 / 4)) // its base temporal layer
		if have := c.d.Stats().Budget; have < need {
			t.Errorf("layer %d is taken at a budget of %v, it needs %v", ev.Spatial, have, need)
		}
		if ev.Spatial > 1 && ev.Temporal > 1 {
			t.Errorf("layer %d.%d of 1260 kbit/s is taken on a path of 900", ev.Spatial, ev.Temporal)
		}
	}
	c.wire.maxWait = 0
	c.run(15 * time.Second)
	if st := c.d.Stats(); st.Path.Probes == after.Path.Probes && st.Slots[1].Spatial == 0 {
		t.Errorf("more is wanted, and nothing was tried: %+v", st.Slots[1].Grant)
	}
	if st := c.d.Stats().Slots[1]; st.Spatial < 1 {
		t.Errorf("on 900 kbit/s: layer %d, %+v", st.Spatial, st.Grant)
	}
	if gap := c.longestGap(0, wanted); gap > 600*time.Millisecond {
		t.Errorf("no voice for %v", gap)
	}
}

// Everything is paid from one budget: what retransmissions take, pictures have
// less of.
func TestRetransmissionsArePaidFromTheSameBudget(t *testing.T) {
	c := newCall(t, config(1), 600*units.Kbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(10 * time.Second)
	before := c.d.Stats()
	if before.Slots[1].Spatial != 1 {
		t.Fatalf("on 600 kbit/s: %+v", before.Slots[1].Grant)
	}
	c.d.repair.rate = 250 * units.Kbps // as if a tenth were lost, twice over
	c.d.allocate(c.now)
	after := c.d.Stats()
	share := before.Decision.Target.Scale(repairShare)
	if got := before.Budget - after.Budget; got < min(200*units.Kbps, share.Scale(0.9)) {
		t.Errorf("budget %v, with retransmissions of 250 kbit/s %v", before.Budget, after.Budget)
	}
	if after.Slots[1].Grant.Rate >= before.Slots[1].Grant.Rate {
		t.Errorf("the picture is granted %v, before %v", after.Slots[1].Grant.Rate, before.Slots[1].Grant.Rate)
	}
}
