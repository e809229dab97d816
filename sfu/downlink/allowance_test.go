package downlink

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// Whoever spends no more than what is allowed at each moment never exceeds the
// budget: not that of the call, and not that of any hour.
func TestAllowanceIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := DataBudget{
			Call: units.Size(rapid.Int64Range(1e5, 1e9).Draw(t, "call")),
			Hour: units.Size(rapid.Int64Range(1e5, 1e9).Draw(t, "hour")),
		}
		var a allowance
		now := epoch
		a.set(now, b)
		var minutes []units.Size
		total := units.Size(0)
		for range 180 {
			minute := units.Size(0)
			greed := rapid.Float64Range(0, 1).Draw(t, "greed")
			for range 60 {
				now = now.Add(time.Second)
				n := a.rate(now).Scale(greed).In(time.Second)
				a.spend(n)
				minute += n
			}
			total += minute
			minutes = append(minutes, minute)
			hour := units.Size(0)
			for _, m := range minutes[max(0, len(minutes)-60):] {
				hour += m
			}
			if hour > b.Hour {
				t.Fatalf("%v in an hour of %v", hour, b.Hour)
			}
		}
		if total > b.Call {
			t.Fatalf("%v in a call of %v", total, b.Call)
		}
	})
}

// A budget is used, not saved for ever.
func TestAllowanceIsUsed(t *testing.T) {
	var a allowance
	now := epoch
	a.set(now, DataBudget{Hour: 45 * units.MB})
	spent := units.Size(0)
	for range 3600 {
		now = now.Add(time.Second)
		n := a.rate(now).In(time.Second)
		a.spend(n)
		spent += n
	}
	if spent < 40*units.MB || spent > 45*units.MB {
		t.Errorf("%v of 45 MB in an hour", spent)
	}
}

// A budget that carries a thin picture: it is kept to on a path of 5 Mbit/s,
// the reason is told, and voice goes on when it is used up.
func TestDataBudget(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	var told []Event
	c.onEvent = func(ev Event) { told = append(told, ev) }
	c.speak(0, 7)
	c.show(1, 8)
	c.d.SetDataBudget(c.now, DataBudget{Hour: 90 * units.MB}) // 200 kbit/s
	c.run(2 * time.Minute)
	// Two minutes' income and what may be saved up, with a little for key frames.
	if got, most := units.Size(c.d.Stats().Bytes), 90*units.MB/6*2/5+90*units.MB/6+90*units.MB*5/6/30; got > most {
		t.Errorf("%v of %v in two minutes", got, most)
	}
	if g := c.d.Stats().Slots[1].Grant; g.Reason != allocator.DataBudget || !g.Active() {
		t.Errorf("with 200 kbit/s of budget: %+v", g)
	}
	c.d.SetDataBudget(c.now, DataBudget{Call: 1})
	c.run(10 * time.Second)
	if g := c.d.Stats().Slots[1].Grant; g.Active() || g.Reason != allocator.DataBudget {
		t.Errorf("with no budget left: %+v", g)
	}
	if !has(told, Event{Kind: Paused, Slot: 1, Source: 8, Spatial: -1, Temporal: -1, Reason: allocator.DataBudget}) {
		t.Errorf("nobody was told: %v", told)
	}
	if d := c.sound(0, c.now.Add(-3*time.Second)); d < 2900*time.Millisecond {
		t.Errorf("%v of sound in 3 s", d)
	}
	if probes := c.d.Stats().Path.Probes; probes > 0 {
		c.run(20 * time.Second)
		if n := c.d.Stats().Path.Probes - probes; n > 0 {
			t.Errorf("%d probes for what may not be used", n)
		}
	}
	c.d.SetDataBudget(c.now, DataBudget{})
	c.run(15 * time.Second)
	if g := c.d.Stats().Slots[1].Grant; g.Reason != allocator.Full {
		t.Errorf("without a budget: %+v", g)
	}
}
