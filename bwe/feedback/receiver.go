package feedback

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// thinRate is below what receiver reports come seldom: they tell a sender
	// that has congestion control reports little but the round trip.
	thinRate = 100e3 // bit/s
	// quickReports come at ReceiverEvery, so that the round trip is known soon.
	quickReports = 3
	// ReceiverEvery is the interval of receiver reports, less than the 5 s of RFC
	// 3550 §6.2 as a session of known size may; ReceiverSeldom that on a thin path.
	ReceiverEvery  = time.Second
	ReceiverSeldom = 5 * time.Second
	// waitForRide is how much later a receiver report may be for the sake of a
	// congestion control report that it can leave with: alone it costs 80 bytes,
	// 32 behind another.
	waitForRide = time.Second
	// reportBlock is what one stream takes in a receiver report, in bytes; a few
	// share the header of 8 bytes, which most often is one stream's.
	reportBlock units.Size = 24 + 8
)

// ReceiverClock says when receiver reports (RFC 3550 §6.4.2) leave: seldom on a
// thin path without loss, and together with other reports where that can be.
// The zero ReceiverClock has sent none. It belongs to one goroutine.
type ReceiverClock struct {
	last  time.Time
	sent  int
	lossy bool // the last told of loss
}

// every is the interval in force.
func (c *ReceiverClock) every(rate float64) time.Duration {
	if c.sent < quickReports || c.lossy || rate >= thinRate || rate <= 0 { // 0: they are all the sender hears
		return ReceiverEvery
	}
	return ReceiverSeldom
}

// Due says whether receiver reports should leave. r is the path's recorder;
// riding says that one of its reports leaves now.
func (c *ReceiverClock) Due(now time.Time, r *Recorder, riding bool) bool {
	if c.last.IsZero() {
		return true
	}
	every := c.every(r.pace.rate)
	if riding {
		return now.Sub(c.last) >= every-every/8
	}
	return !now.Before(c.Next(r))
}

// Next is when reports are due that find nothing to ride on.
func (c *ReceiverClock) Next(r *Recorder) time.Time {
	next := c.last.Add(c.every(r.pace.rate))
	if r.pending() {
		return next.Add(waitForRide)
	}
	return next
}

// Sent notes that they left, how many blocks they had, and whether one of them
// told of loss. The share of what arrives that r's reports may cost pays for
// them, too.
func (c *ReceiverClock) Sent(now time.Time, r *Recorder, blocks int, lossy bool) {
	r.budget.charge(reportBlock * units.Size(blocks))
	c.last, c.lossy = now, lossy
	c.sent = min(c.sent+1, quickReports)
}
