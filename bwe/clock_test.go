package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// The sender's clock may be set back or far forward in a call: the controller
// goes on, asks to be called at a time that the new clock will reach, and uses
// the path as before within some seconds.
func TestClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"back a little": -2 * time.Second,
		"back an hour":  -time.Hour,
		"back for long": -50 * 365 * 24 * time.Hour,
		"a minute on":   time.Minute,
		"a day on":      24 * time.Hour,
		"far forward":   200 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPath(t, &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}, saturating, nil)
			p.bwe.SetLadder(epoch, wantsAll)
			p.run(10 * time.Second)
			p.jump = jump
			p.run(20 * time.Second)
			p.measureFrom()
			p.run(40 * time.Second)
			checkAfterJump(t, p)
			now := p.told()
			if n := p.bwe.Next(); !n.IsZero() && (n.Before(now.Add(-time.Second)) || n.After(now.Add(time.Minute))) {
				t.Errorf("Next is %v from now", n.Sub(now))
			}
		})
	}
}

// The receiver's clock may be set forward in a call: what then looks like a queue of
// seconds, longer than the round trip, is none.
func TestReceiversClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"half a second": 500 * time.Millisecond,
		"seconds":       5 * time.Second,
		"back":          -5 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPath(t, &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}, saturating, nil)
			p.bwe.SetLadder(epoch, wantsAll)
			p.tamper = func(now time.Duration, reports []bwe.PacketReport) [][]bwe.PacketReport {
				as := append([]bwe.PacketReport(nil), reports...)
				for i := range as {
					if now > 10*time.Second {
						as[i].Arrival += jump
					}
				}
				return [][]bwe.PacketReport{as}
			}
			p.run(12 * time.Second)
			p.measureFrom()
			p.run(20 * time.Second)
			checkAfterJump(t, p)
		})
	}
}

// checkAfterJump says what a path must be like again some time after a clock jumped.
func checkAfterJump(t *testing.T, p *path) {
	t.Helper()
	if u := p.utilisation(); u < 90 {
		t.Errorf("%.1f %% of the path is used after the jump, want at least 90", u)
	}
	if q := p.queue(95); q > 100*time.Millisecond {
		t.Errorf("a queue of %v after the jump", q)
	}
}
