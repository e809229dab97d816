package pacing

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// late polls a queue only every so often, while video of a rate comes in frames
// of two packets at 30 a second, and answers what left and what was dropped.
func late(t *testing.T, every time.Duration, video, pacing units.Rate, edit func(*Config)) (left, dropped int, r *rig) {
	t.Helper()
	r = newRig(t, func(c *Config) {
		c.Rate = pacing
		if edit != nil {
			edit(c)
		}
	})
	const interval = time.Second / 30
	size := video.In(interval) / 2
	frame, due := uint32(0), epoch
	for now := epoch; now.Before(epoch.Add(10 * time.Second)); now = now.Add(every) {
		for ; !due.After(now); due = due.Add(interval) { // all that has come meanwhile
			frame++
			r.push(now, Video, size, 0, frame)
			r.push(now, Video, size, 0, frame)
		}
		for {
			if _, ok := r.Pop(now); !ok {
				break
			}
			left++
		}
	}
	return left, len(r.dropped), r
}

// A pacer that is asked late must not lose the time that nobody asked in: on a
// busy machine every timer rings late, and each call would let out one packet.
func TestLateCallsCostNoRate(t *testing.T) {
	for _, every := range []time.Duration{5, 20, 50, 100, 150} {
		left, dropped, _ := late(t, every*time.Millisecond, 350*units.Kbps, 450*units.Kbps, nil)
		if dropped != 0 || left < 580 {
			t.Errorf("asked every %d ms: %d left, %d dropped of 600 at 78 %% of the rate", every, left, dropped)
		}
	}
	if _, dropped, _ := late(t, 100*time.Millisecond, 350*units.Kbps, 450*units.Kbps, func(c *Config) { c.MaxLate = 0 }); dropped < 200 {
		t.Errorf("without MaxLate %d dropped: this test finds nothing", dropped)
	}
}

// What is made up for stays below the rate: a queue that is overfilled lets out
// no more than before.
func TestLateCallsKeepTheRate(t *testing.T) {
	for _, every := range []time.Duration{1, 30, 100} {
		left, _, _ := late(t, every*time.Millisecond, 900*units.Kbps, 450*units.Kbps, nil)
		if left < 280 || left > 315 {
			t.Errorf("asked every %d ms: %d packets left, want half of 600", every, left)
		}
	}
}

// burst counts what leaves at one instant.
func (r *rig) burst(now time.Time) (n int) {
	for {
		if _, ok := r.Pop(now); !ok {
			return n
		}
		n++
	}
}

func TestLatenessHasABound(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxDelay = time.Second }) // 100 bytes a millisecond
	for i := range 60 {
		r.push(epoch, Video, 1000, 0, uint32(i))
	}
	r.burst(epoch)
	// After a stall of 500 ms only 200 of them are made up for: 20 packets, and
	// one that may always leave.
	if n := r.burst(epoch.Add(500 * time.Millisecond)); n < 20 || n > 21 {
		t.Errorf("%d packets left after a stall of 500 ms, want those of 200 ms", n)
	}
}

// Time in which packets were held back on purpose is not made up for.
func TestHoldIsNotLateness(t *testing.T) {
	r := newRig(t, nil)
	r.Hold(true)
	for i := range 20 {
		r.push(epoch, Retransmission, 1000, 0, uint32(i))
	}
	now := epoch.Add(150 * time.Millisecond)
	if n := r.burst(now); n != 0 {
		t.Fatalf("%d packets left while held", n)
	}
	now = now.Add(50 * time.Millisecond)
	r.Hold(false)
	if n := r.burst(now); n > 1 {
		t.Errorf("%d packets left at once after a hold", n)
	}
	if n := r.burst(now.Add(50 * time.Millisecond)); n < 4 || n > 6 {
		t.Errorf("%d packets left 50 ms later, want 5", n)
	}
}

// New packets after silence have the credit of one burst, as ever.
func TestSilenceIsNotLateness(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Video, 1000, 0, 1)
	r.burst(epoch)
	now := epoch.Add(150 * time.Millisecond)
	for i := range 5 {
		r.push(now, Video, 1000, 0, uint32(2+i))
	}
	if n := r.burst(now); n != 1 {
		t.Errorf("%d packets left at once after silence, want 1", n)
	}
}

// A probe is padding that is pushed one packet at a time, so what waits is
// always new; Fill makes its lateness count.
func TestLateCallsCostNoProbe(t *testing.T) {
	for _, c := range []struct {
		fill bool
		want int
	}{{true, 100}, {false, 10}} {
		r := newRig(t, nil) // 100 bytes a millisecond
		r.Fill(epoch, c.fill)
		left := 0
		for now := epoch; now.Before(epoch.Add(300 * time.Millisecond)); now = now.Add(30 * time.Millisecond) {
			for {
				r.push(now, Padding, 300, 0, 0)
				if _, ok := r.Pop(now); !ok {
					break
				}
				left++
			}
			for _, ok := r.Pop(now); ok; _, ok = r.Pop(now) {
				left++
			}
			r.Clear(0)
		}
		if left < c.want*85/100 || left > c.want*125/100 {
			t.Errorf("filled %v: %d packets of padding left in 300 ms, want about %d", c.fill, left, c.want)
		}
		r.Fill(epoch.Add(300*time.Millisecond), false)
	}
}
