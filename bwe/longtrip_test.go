package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// TestFirstReportThroughAQueue: a path that was silent while the call began delivers
// what was sent meanwhile, more than a second of it, and never showed how short it is.
// The queue is drained and not taken for the path.
func TestFirstReportThroughAQueue(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   units.Rate
		delay  time.Duration
		silent time.Duration
	}{
		{"20 kbit/s", 20 * units.Kbps, 600 * time.Millisecond, 10 * time.Second},
		{"16 kbit/s", 16 * units.Kbps, 600 * time.Millisecond, 8 * time.Second},
	} {
		l := &link{delay: c.delay, queue: 3 * time.Second, rate: func(at time.Duration) units.Rate {
			if at < c.silent {
				return 0
			}
			return c.rate
		}}
		p := newPath(t, l, saturating, nil)
		p.noVoice = true // it would not fit the path
		p.run(c.silent + 200*time.Millisecond)
		if wait := l.free - p.now; wait < time.Second {
			t.Fatalf("%s: a queue of %v when the path is back; that shows nothing", c.name, wait)
		}
		p.run(14 * time.Second)
		if wait := l.free - p.now; wait > time.Second {
			t.Errorf("%s: the queue is %v after 14 s, %+v", c.name, wait, p.bwe.Stats())
		}
		p.run(20 * time.Second)
		if s := p.bwe.Stats(); s.Delivered < c.rate.Scale(0.75) || s.MinRTT > 2*c.delay+time.Second {
			t.Errorf("%s: later %+v", c.name, s)
		}
	}
}

// TestLongPathIsKept: a round trip that is the path's own, however long, costs some
// seconds at half of its rate, once.
func TestLongPathIsKept(t *testing.T) {
	l := &link{delay: 1100 * time.Millisecond, queue: time.Second, rate: func(time.Duration) units.Rate { return 200 * units.Kbps }}
	p := newPath(t, l, saturating, nil)
	p.run(40 * time.Second)
	least := p.bwe.Decision().Target
	for range 300 {
		p.run(100 * time.Millisecond)
		least = min(least, p.bwe.Decision().Target)
	}
	if least < 100*units.Kbps {
		t.Errorf("the target falls to %v on 200 kbit/s: %+v", least, p.bwe.Stats())
	}
}
