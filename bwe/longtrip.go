package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// longTrip is a round trip that few paths have without a queue: two satellites
	// and a cell at the edge of its reach take 1.5 s. Where nothing shorter was seen,
	// as when the first report of all comes through a queue that a silence left
	// behind, the base delay is not known, and that queue would pass for the path.
	longTrip = 2 * time.Second
	// longTripStep is by how much the round trip must become shorter to show that
	// the queue still drains.
	longTripStep = 30 * time.Millisecond
)

// trip finds out whether a round trip of seconds is the path's own: less is sent than
// comes out, and as long as that makes it shorter a queue of ours drains. The zero
// value has seen none.
type trip struct {
	until int64      // by when it must have become shorter; 0 when nothing is asked
	least int64      // the shortest since then
	rate  units.Rate // offered meanwhile
	own   int64      // was found to be the path's
}

// tooLong says that less is to be sent, at most c.trip.rate.
func (c *Controller) tooLong(now int64) bool {
	p := &c.trip
	switch {
	case c.minRTT <= int64(longTrip):
		*p = trip{}
		return false
	case c.compete.on || p.own != 0 && c.minRTT > p.own-int64(longTripStep):
		p.until = 0
		return false
	case p.until == 0:
		got := c.arriving.rate()
		if got == 0 {
			got = c.decision.Target
		}
		*p = trip{until: now + 2*c.rtt, least: c.minRTT, rate: got.Scale(deepestCut)}
	case c.minRTT < p.least-int64(longTripStep):
		p.least, p.until = c.minRTT, max(p.until, now+int64(c.response()))
	case now >= p.until:
		*p = trip{own: c.minRTT}
		return false
	}
	return true
}
