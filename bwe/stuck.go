package bwe

import "time"

// unstick notices a queue that our cut does not drain: it is another flow's,
// or the path itself became longer.
func (c *Controller) unstick(now int64) {
	high := c.goal + int64(20*time.Millisecond)
	if c.queue <= high || c.silenced() {
		c.stuckSince, c.pressing = 0, false
		return
	}
	flying := c.history.flying()
	less := min(c.stuckFlying*85/100, c.stuckFlying-int64(c.history.largest)) // more than a packet
	if c.stuckSince == 0 || c.queue < c.stuckQueue*8/10 || flying < less {
		c.stuckSince, c.stuckQueue, c.stuckFlying = now, c.queue, flying
		c.pressing = false
		return
	}
	longest := max(int64(2*time.Second), 6*int64(c.response()), 2*c.rtt)
	// An estimate a little too high holds a queue of ours just as well: only
	// one that stays although we send clearly less is not ours.
	c.pressing = now-c.stuckSince > longest/3
	if now-c.stuckSince > longest {
		c.adopted = now
		c.delays.adopt(c.queue)
		c.stuckSince, c.pressing = 0, false
		c.queue, c.ahead = 0, 0
		c.arrivals.reset()
	}
}
