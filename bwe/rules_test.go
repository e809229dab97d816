package bwe

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Growth halts a little above what came out while there was a queue last, for four
// responses and only where a response is long; a path that stays without a queue for
// as long has become wider.
func TestPlateau(t *testing.T) {
	const met = 50 * units.Kbps
	ask := func(response float64, met units.Rate, edit func(*Controller)) (*Controller, func(at time.Duration, next units.Rate) units.Rate) {
		c, err := New(DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		c.capacity, c.met = 49*units.Kbps, met
		if edit != nil {
			edit(c)
		}
		return c, func(at time.Duration, next units.Rate) units.Rate { return c.plateau(int64(at), response, next) }
	}
	// Two responses of 0.6 s at the plateau are a queue of 15 ms.
	c, next := ask(0.6, met, nil)
	if r := next(time.Second, 60*units.Kbps); r <= met || r > met.Scale(1+0.015/1.2+1e-6) {
		t.Errorf("growth goes on to %v beside a queue at %v", r, met)
	}
	if r := next(time.Second+2300*time.Millisecond, 60*units.Kbps); r > met.Scale(1.013) {
		t.Errorf("less than four responses later growth goes on to %v", r)
	}
	if r := next(time.Second+2500*time.Millisecond, 60*units.Kbps); r != 60*units.Kbps || c.met != 0 {
		t.Errorf("four responses without a queue, and growth halts at %v, met %v", r, c.met)
	}
	// What was believed already is not lowered by it.
	c, next = ask(0.6, met, nil)
	if c.capacity = 55 * units.Kbps; next(time.Second, 60*units.Kbps) != c.capacity {
		t.Error("the plateau lowered the capacity")
	}
	for name, r := range map[string]units.Rate{
		"a near path":     second(ask(0.3, met, nil))(time.Second, 60*units.Kbps),
		"no queue so far": second(ask(0.6, 0, nil))(time.Second, 60*units.Kbps),
		"above TCP":       second(ask(0.6, met, func(c *Controller) { c.reliable = true }))(time.Second, 60*units.Kbps),
		"nothing to pad":  second(ask(0.6, met, func(c *Controller) { c.unpadded = true }))(time.Second, 60*units.Kbps),
	} {
		if r != 60*units.Kbps {
			t.Errorf("%s: growth halts at %v", name, r)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// What a queue showed is followed by three tenths, but nothing is noted without a queue
// or where jitter hides which packets waited.
func TestMeet(t *testing.T) {
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.capacity, c.queue, c.calm = 50*units.Kbps, int64(20*time.Millisecond), int64(30*time.Millisecond)
	if c.meet(50 * units.Kbps); c.met != 0 {
		t.Errorf("without a queue %v was noted", c.met)
	}
	c.queue, c.delays.noise = int64(40*time.Millisecond), float64(c.packetTime()/4)
	if c.meet(50 * units.Kbps); c.met != 0 {
		t.Errorf("with jitter of a quarter of a packet %v was noted", c.met)
	}
	c.delays.noise, c.metAt = 0, 7
	c.meet(50 * units.Kbps)
	if c.meet(60 * units.Kbps); math.Abs(float64(c.met)-53e3) > 1 || c.metAt != 0 {
		t.Errorf("50 and 60 kbit/s make %v, noted at %d; want 53 kbit/s, and the wait to begin anew", c.met, c.metAt)
	}
}

// Jitter is what slots make: longer than half a packet and than most of the queue that
// is aimed at, but not all that a noise may be.
func TestJittery(t *testing.T) {
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		capacity units.Rate
		noise    time.Duration
		want     bool
	}{
		{units.Mbps, 7 * time.Millisecond, false}, // three quarters of 10 ms
		{units.Mbps, 8 * time.Millisecond, true},
		{100 * units.Kbps, 47 * time.Millisecond, false},
		{100 * units.Kbps, 30 * time.Millisecond, false}, // a packet lasts 96 ms
		{300 * units.Kbps, 15 * time.Millisecond, false},
		{300 * units.Kbps, 17 * time.Millisecond, true},
		{units.Mbps, 39 * time.Millisecond, true},
		{units.Mbps, 41 * time.Millisecond, false},
	} {
		c.capacity = w.capacity
		if got := c.jittery(int64(w.noise)); got != w.want {
			t.Errorf("%v of noise on %v: jittery %v", w.noise, w.capacity, got)
		}
	}
}

// On an empty path no packet of whatever size seems to have waited for so long that the
// path was not emptied: those of one size class last too nearly as long.
func TestSizesOfAClassAreNoQueue(t *testing.T) {
	const rate = 50 * units.Kbps
	perClass := int64(units.Size(sizeClass).At(rate))
	emptied := int64(units.Size(1200).At(rate)) / 10 // see look
	var d delays
	now := int64(time.Second)
	// Every size once from the least on, then again: a class knows its shortest first.
	for _, from := range []units.Size{40, 41} {
		for size := from; size <= 1200; size += 3 {
			now += int64(time.Second) / 50
			wait, _ := d.wait(now+int64(time.Second), now, now+int64(size.At(rate)), int32(size), perClass)
			if wait > emptied {
				t.Fatalf("%d bytes seem to wait %v on an empty path, more than the %v below which it counts as emptied",
					size, time.Duration(wait), time.Duration(emptied))
			}
		}
	}
}

// Beside another flow half of the newest packets lost means that the path became narrower:
// a fifth less than came meanwhile is sent then, at once and not step by step, but no less
// than two fifths of what was; once a round trip. Thin paths, and fewer losses, are cut by a
// fifth.
func TestFloodBesideAnotherFlow(t *testing.T) {
	const now = int64(20 * time.Second)
	for _, w := range []struct {
		name           string
		capacity, came units.Rate
		every          int // packet is lost
		want           units.Rate
	}{
		{"half", 2 * units.Mbps, 1200 * units.Kbps, 2, 960 * units.Kbps},
		{"half, hardly anything came", 2 * units.Mbps, 300 * units.Kbps, 2, 800 * units.Kbps},
		{"a third", 2 * units.Mbps, 1200 * units.Kbps, 3, 1600 * units.Kbps},
		{"thin", 250 * units.Kbps, 125 * units.Kbps, 2, 200 * units.Kbps},
	} {
		c, err := New(DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		c.capacity, c.rtt, c.minRTT = w.capacity, int64(100*time.Millisecond), int64(50*time.Millisecond)
		c.queue, c.goal, c.calm = int64(300*time.Millisecond), int64(10*time.Millisecond), int64(5*time.Millisecond)
		c.compete = compete{on: true, cut: now - int64(time.Second), waited: now, since: now, least: never, size: 4800, span: float64(10 * time.Millisecond), in: 8e6}
		const every = int64(5 * time.Millisecond)
		bytes := int32(w.came.In(time.Duration(every)))
		for i := range int64(2 * recentPackets) {
			c.losses.note(false, now-int64(time.Second)+i) // before it
		}
		for i := range int64(60) {
			at := now + (i-60)*every
			c.losses.note(int(i)%w.every == 0, at)
			c.arrivals.add(&sent{at: at, size: bytes, sequence: i}, at, c.queue)
		}
		c.share(now, int64(50*time.Millisecond))
		if math.Abs(float64(c.capacity-w.want)) > float64(w.want)/20 {
			t.Errorf("%s: %v of %v are sent on, want %v", w.name, c.capacity, w.capacity, w.want)
		}
		before := c.capacity
		c.losses.note(true, now)
		if c.share(now+int64(100*time.Millisecond), int64(time.Millisecond)); c.capacity < before {
			t.Errorf("%s: less than a round trip later it is cut again, to %v", w.name, c.capacity)
		}
	}
}
