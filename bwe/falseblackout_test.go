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
