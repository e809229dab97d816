package bwe

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// beside is a controller in the middle of a call, in front of a queue.
func beside(t *testing.T, queue time.Duration) *Controller {
	t.Helper()
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.cold, c.learned = false, true
	c.capacity, c.proven, c.rtt, c.minRTT = units.Mbps, units.Mbps, int64(100*time.Millisecond), int64(50*time.Millisecond)
	c.queue, c.goal, c.calm = int64(queue), int64(10*time.Millisecond), int64(5*time.Millisecond)
	return c
}

// heldShare puts it beside a flow since a time.
func heldShare(c *Controller, since int64) {
	c.compete = compete{on: true, cut: since, filled: since, waited: since, since: since, least: never, trains: 4,
		size: 4800, span: float64(20 * time.Millisecond), in: 4e6, next: never}
}

// One train never decides whose a queue is, nor do two while it stands for less than a
// second: that of a path that became narrower drains before.
func TestTwoTrainsAndASecond(t *testing.T) {
	c := beside(t, 200*time.Millisecond)
	at := func(d time.Duration) int64 { return int64(10*time.Second + d) }
	shared := outcome{ok: true, in: 4 * units.Mbps, rate: 2400 * units.Kbps, size: 4800, span: 16 * time.Millisecond}
	c.compete.fullSince = at(0)
	c.finishContest(at(300*time.Millisecond), shared)
	if c.compete.on || c.compete.found != 1 {
		t.Fatalf("after one train: on %v, found %d", c.compete.on, c.compete.found)
	}
	c.finishContest(at(600*time.Millisecond), shared)
	if c.compete.on || c.compete.next != at(contestStands) {
		t.Fatalf("a queue of 0.6 s: on %v, the next train at %v", c.compete.on, time.Duration(c.compete.next-at(0)))
	}
	alone := outcome{ok: true, in: 4 * units.Mbps, rate: units.Mbps, size: 4800, span: 38 * time.Millisecond}
	other := *c
	other.finishContest(at(1100*time.Millisecond), alone)
	if other.compete.on || other.compete.found != 0 {
		t.Errorf("a train that tells of nobody: on %v, found %d", other.compete.on, other.compete.found)
	}
	c.finishContest(at(1100*time.Millisecond), shared)
	if !c.compete.on {
		t.Error("two trains, and a queue that stands for more than a second, did not tell of a flow")
	}
}

// A share ends when the queue is gone for four round trips, or 1.5 s, and when it was not
// long for 20 s, whatever the trains say.
func TestShareEndsWithTheQueue(t *testing.T) {
	const begin = int64(10 * time.Second)
	for _, w := range []struct {
		name           string
		queue          time.Duration
		still, already time.Duration // on, and ended, so long after
	}{
		{"no queue", 0, 1400 * time.Millisecond, 1700 * time.Millisecond},
		{"a short one", 30 * time.Millisecond, 19900 * time.Millisecond, 20100 * time.Millisecond},
		{"a long one", 300 * time.Millisecond, 60 * time.Second, 0},
	} {
		c := beside(t, w.queue)
		heldShare(c, begin)
		const step = int64(50 * time.Millisecond)
		for now := begin; now <= begin+int64(60*time.Second); now += step {
			if w.queue > 0 { // it moves, or the path would seem longer
				c.queue = int64(w.queue) + int64(25*time.Millisecond)*(now/step%2)
			}
			c.share(now, step)
			passed := time.Duration(now - begin)
			if on := c.compete.on; !on && passed < w.still || on && w.already > 0 && passed > w.already {
				t.Fatalf("%s: on %v after %v", w.name, on, passed)
			}
			if !c.compete.on {
				break
			}
		}
	}
}

// A queue that neither moves nor loses anything for five seconds is no flow's: the path
// became longer, and that is its base delay from then on.
func TestLongerPathIsNoFlow(t *testing.T) {
	const begin = int64(10 * time.Second)
	for name, w := range map[string]struct {
		lost  bool
		moves time.Duration
		ends  bool
	}{
		"still": {ends: true}, "loses": {lost: true}, "moves": {moves: 40 * time.Millisecond},
	} {
		c := beside(t, 100*time.Millisecond)
		heldShare(c, begin)
		step := int64(50 * time.Millisecond)
		for now := begin; now <= begin+int64(6*time.Second); now += step {
			c.queue = int64(100*time.Millisecond) + int64(w.moves)*(now/step%2)
			c.losses.note(w.lost && now/step%40 == 0, now)
			c.share(now, step)
			if !c.compete.on {
				break
			}
		}
		if c.compete.on == w.ends {
			t.Errorf("%s: after 6 s a flow is still seen: %v", name, c.compete.on)
		}
		if got := c.delays.offset > 0; got != w.ends {
			t.Errorf("%s: the wait was taken for the path's: %v", name, got)
		}
	}
}

// A call below its first rate, of which far more is wanted, asks whose a queue of 70 ms
// is: what a train lasts there would make every queue seem short.
func TestStarvingCallsAskSoon(t *testing.T) {
	for name, w := range map[string]struct {
		capacity units.Rate
		want     bool
	}{"starving": {14 * units.Kbps, true}, "a first rate": {26 * units.Kbps, false}} {
		c := beside(t, 120*time.Millisecond)
		c.SetLadder(c.epoch, Ladder{Next: 2 * units.Mbps, Full: 2 * units.Mbps})
		c.capacity, c.proven, c.learned = w.capacity, w.capacity, true
		c.goal = int64(30 * time.Millisecond)
		now := int64(30 * time.Second)
		asks := false
		for i := range int64(20) {
			asks = asks || c.suspects(now+i*int64(100*time.Millisecond))
		}
		if asks != w.want {
			t.Errorf("%s: asks whose the queue is: %v", name, asks)
		}
	}
}

// A share is not given up for three trains that met none of the other's packets, as single
// ones do where it halves what it sends: what all of them showed must have gone, too.
func TestTrainsThatMissTheFlow(t *testing.T) {
	c := beside(t, 300*time.Millisecond)
	const begin = int64(10 * time.Second)
	heldShare(c, begin)
	for i := range int64(200) { // a second of 1 Mbit/s
		c.arriving.add(i*int64(5*time.Millisecond), 625)
	}
	got := c.arriving.rate()
	if got < 900*units.Kbps {
		t.Fatalf("%v arrives; that shows nothing", got)
	}
	c.probe.rate = 4 * units.Mbps
	ours := outcome{ok: true, in: 4 * units.Mbps, size: 4800, span: 38400 * time.Microsecond}
	trains := 0
	for ; c.compete.on && trains < 20; trains++ {
		c.finishContest(begin+int64(trains)*int64(time.Second), ours)
	}
	if trains <= nobodySure || trains > 8 {
		t.Errorf("the share ended after %d trains, want some more than %d", trains, nobodySure)
	}
}
