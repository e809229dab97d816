package bwe

import "time"

// stallRoundTrips is how many round trips what TCP repairs may hold up what
// follows: one to notice, one more where the repetition is lost too.
const stallRoundTrips = 2

// SetReliable says whether what carries the packets repairs loss itself and keeps
// their order: TCP, or a relay reached by it. Then loss is never taken for a sign
// of the path or of other flows, delay alone counts; and a wait is a queue only
// when it lasts longer than a repair holds up what follows.
func (c *Controller) SetReliable(now time.Time, reliable bool) {
	if c.reliable == reliable {
		return
	}
	t := c.clock(now)
	c.reliable, c.delays.paired = reliable, reliable
	c.test = lossTest{}
	c.losses.reset(t)
	if c.compete.on {
		c.endCompete(t)
	}
	c.decide()
}

// stall is how long a repair below may hold packets up; 0 where there is none.
func (c *Controller) stall() int64 {
	if !c.reliable {
		return 0
	}
	return stallRoundTrips*c.minRTT + int64(50*time.Millisecond)
}
