package feedback

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// receiverReports lets packets arrive for half a minute, reports what is due,
// and counts receiver reports and those of them that rode on another report.
func receiverReports(t *testing.T, every time.Duration, size units.Size, lossy bool) (sent, rode int) {
	r := newRecorder(t)
	var c ReceiverClock
	for i := range int64(30 * time.Second / every) {
		now := epoch.Add(time.Duration(i) * every)
		if size > 0 {
			r.OnArrival(now, uint16(i), size)
		}
		riding := r.Due(now)
		if riding {
			r.Build(now, nil)
		}
		if c.Due(now, r, riding) {
			c.Sent(now, r, 1, lossy)
			sent++
			if riding {
				rode++
			}
		}
		if n := c.Next(r); n.Before(now) || n.After(now.Add(ReceiverSeldom+waitForRide)) {
			t.Fatalf("at %v the next is due at %v", now.Sub(epoch), n.Sub(epoch))
		}
	}
	return sent, rode
}

func TestReceiverReportsAreSeldomOnThinPaths(t *testing.T) {
	for _, c := range []struct {
		name        string
		every       time.Duration
		size        units.Size
		lossy       bool
		least, most int
	}{
		{"a fast path", 10 * time.Millisecond, 1200, false, 28, 36},
		{"a thin one", 60 * time.Millisecond, 200, false, 7, 9},
		{"a thin one that loses", 60 * time.Millisecond, 200, true, 20, 36},
		{"nothing else is reported", 100 * time.Millisecond, 0, false, 29, 31},
	} {
		sent, rode := receiverReports(t, c.every, c.size, c.lossy)
		if sent < c.least || sent > c.most {
			t.Errorf("%s: %d receiver reports in 30 s, want %d to %d", c.name, sent, c.least, c.most)
		}
		if c.size > 0 && rode < sent-1 { // the first finds nothing to ride on
			t.Errorf("%s: %d of %d rode on another report", c.name, rode, sent)
		}
	}
}

// TestReceiverReportsAreWithinTheShare: what they take is taken from the other
// reports, so that both together cost the share and no more.
func TestReceiverReportsAreWithinTheShare(t *testing.T) {
	const every, size, blocks = 50 * time.Millisecond, units.Size(1000), 3 // 160 kbit/s, three streams
	r := newRecorder(t)
	var c ReceiverClock
	var arrived, cost units.Size
	for i := range int64(2 * time.Minute / every) {
		now := epoch.Add(time.Duration(i) * every)
		r.OnArrival(now, uint16(i), size)
		arrived += size
		riding := r.Due(now)
		if riding {
			b, _ := r.Build(now, nil)
			cost += units.Size(len(b)) + reportOverhead
		}
		if c.Due(now, r, riding) {
			c.Sent(now, r, blocks, false)
			cost += 8 + 24*blocks
		}
	}
	share := float64(cost) / float64(arrived)
	t.Logf("%.2f %% of what arrived", 100*share)
	if share > 0.025 || share < 0.02 {
		t.Errorf("reports cost %.2f %% of what arrived, want 2.5 %% at most", 100*share)
	}
}
