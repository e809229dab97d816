package bwe_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// TestFalseBlackout: a path of 1 Mbit/s becomes narrow in both directions, and reports
// wait, or are lost, behind what others send: a silence without an outage. It ends with
// a queue, and what the path carried before is not sent into that.
func TestFalseBlackout(t *testing.T) {
	const step = 10 * time.Second
	for _, low := range []units.Rate{50 * units.Kbps, 150 * units.Kbps} {
		for _, wait := range []time.Duration{600 * time.Millisecond, 800 * time.Millisecond, 1200 * time.Millisecond} {
			for _, lost := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v, reports after %v, lost %v", low, wait, lost), func(t *testing.T) {
					falseBlackout(t, low, step, wait, lost)
				})
			}
		}
	}
}

func falseBlackout(t *testing.T, low units.Rate, step, wait time.Duration, lost bool) {
	l := &link{delay: 50 * time.Millisecond, queue: 1500 * time.Millisecond, rate: func(at time.Duration) units.Rate {
		if at < step {
			return units.Mbps
		}
		return low
	}}
	p := newPath(t, l, saturating, nil)
	p.noVoice = true // it is not held back, and would keep the queue full
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(step)
	was, over, dropped := false, time.Duration(0), -1
	p.every = func(p *path, d bwe.Decision) {
		p.back = max(l.delay, step+wait-p.now)
		if lost {
			p.back = l.delay
			if p.now < step+wait-l.delay {
				p.reports = p.reports[:0]
			}
		}
		if was && d.State != bwe.Blackout && dropped < 0 {
			dropped = l.dropped
		}
		if was = d.State == bwe.Blackout; dropped >= 0 && !was && d.Target > 2*low {
			over += time.Millisecond
		}
	}
	p.run(step + 10*time.Second)
	if dropped < 0 {
		t.Fatalf("there was no silence: %+v", p.bwe.Stats())
	}
	if over > 50*time.Millisecond {
		t.Errorf("the target is more than twice what the path carries for %v after the silence", over)
	}
	if n := l.dropped - dropped; n > 5 {
		t.Errorf("%d packets did not fit the queue after the silence", n)
	}
}

// TestLateReports: reports wait for seconds behind what others send the other way, and go
// on doing so: a silence that ends with news from before it. When the path became narrow
// at that moment what it carried before is not sent into it; when it did not, that is
// used again as soon as the news show it.
func TestLateReports(t *testing.T) {
	const step = 10 * time.Second
	for _, voice := range []bool{false, true} {
		for _, low := range []units.Rate{50 * units.Kbps, 150 * units.Kbps, 300 * units.Kbps, units.Mbps} {
			for _, back := range []time.Duration{700 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second} {
				l := &link{delay: 50 * time.Millisecond, queue: 1500 * time.Millisecond, rate: between(step, time.Hour, low, units.Mbps, units.Mbps)}
				p := newPath(t, l, saturating, nil)
				p.noVoice = !voice
				p.bwe.SetLadder(epoch, wantsAll)
				p.run(step)
				was, over, ended := false, time.Duration(0), time.Duration(0)
				p.every = func(p *path, d bwe.Decision) {
					p.back = back
					if was && d.State != bwe.Blackout && ended == 0 {
						ended = p.now
					}
					if was = d.State == bwe.Blackout; ended > 0 && !was && d.Target > 2*low {
						over += time.Millisecond
					}
				}
				p.run(step + 10*time.Second)
				if ended == 0 {
					t.Fatalf("reports after %v: there was no silence", back)
				}
				if over > 0 {
					t.Errorf("%v, voice %v, reports after %v: the target is more than twice what the path carries for %v", low, voice, back, over)
				}
				if back+2*l.delay > 2*time.Second {
					continue // so long a round trip is doubted once, see TestLongPathIsKept
				}
				if d := p.reached(ended, 900*units.Kbps); low == units.Mbps && d > 700*time.Millisecond {
					t.Errorf("voice %v, reports after %v: the path carries as much as before, and is used %v after the silence", voice, back, d)
				}
			}
		}
	}
}
