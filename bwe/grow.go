package bwe

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// Growth while the path is quiet, per second: it begins slow, for the
	// capacity was just measured, and doubles every growthDoubling.
	growthFirst    = 0.04
	growthDoubling = 700 * time.Millisecond
	growthMost     = 1.0
	growthStartup  = 2.0
	// growthLeast is that of the farthest paths, four responses after a queue.
	growthLeast = 0.03
	// Growth overshoots by growthQueue, or growthPackets where those last longer.
	growthQueue   = 15 * time.Millisecond
	growthPackets = 0.15
	// bluffAfter, and two responses, is how long an unmeasured path must have been
	// quiet before a step of the source larger than what was proven is tried.
	bluffAfter = 500 * time.Millisecond
	// unprovenGrowth bounds the target by what was seen to arrive.
	unprovenGrowth = 1.5
	// metQueue is the queue that two responses at the plateau may cause, metWait as many
	// responses as it lasts; metShare is how fast it follows what queues show.
	metQueue = 15 * time.Millisecond
	metWait  = 4
	metShare = 0.3
	// metFar is the shortest response, in seconds, that a plateau is for.
	metFar = 0.35
)

// grow raises the capacity while the path is quiet and what we send tests it.
func (c *Controller) grow(now, dt int64) {
	sent := c.sending.rate()
	if c.draining != 0 {
		c.quietSince = now // we empty the queue, so it says nothing
		return
	}
	if !c.quiet || c.losses.suspect > 0 || c.test.holds(now) || c.silenced() ||
		c.probe.active() && !c.unpadded {
		return
	}
	limit := c.proven
	if sent < c.capacity.Scale(used) {
		if !c.unpadded {
			return // probes tell
		}
		// What is sent does not test the estimate, and there is no padding to
		// test it with: it may rise to what unlocks the next step of the source.
		carried := c.arriving.rate().Scale(1 / (1 - min(c.losses.link, 0.9)))
		limit = min(limit.Scale(1/(1-min(c.losses.link, 0.9))), min(carried, sent)+c.history.largest.Over(time.Second))
		if !c.learned && now-c.quietSince > int64(max(bluffAfter, 2*c.response())) {
			// The step may be larger. Where no limit was met yet it is tried, once.
			limit = max(limit, min(c.ladder.Next.Scale(1.05), c.cfg.Initial).Scale(1/unprovenGrowth))
		}
	}
	// Reports may have become rarer than they usually were.
	response := max(c.response().Seconds(), 0.05)
	if !c.reliable {
		response = max(response, time.Duration(c.minRTT+dt).Seconds())
	}
	var g float64
	if c.learned {
		quiet := time.Duration(now - c.quietSince)
		g = growthFirst * c.cfg.Weight * math.Exp2(min(quiet.Seconds()/growthDoubling.Seconds(), 10))
		// Overshoot causes a queue of about g * response^2 / 2.
		least := growthLeast * min(1, max(0.3, quiet.Seconds()/(4*response)))
		overshoot := max(growthQueue.Seconds(), growthPackets*c.packetTime().Seconds())
		g = min(g, max(least, min(growthMost, 2*overshoot/(response*response))))
		if c.test.near(c.capacity) {
			g = c.test.growth()
		}
	} else {
		g = max(0.1, min(growthStartup, 0.3/response))
	}
	next := c.plateau(now, response, c.capacity.Scale(1+g*float64(dt)/float64(time.Second)))
	c.capacity = max(c.capacity, min(next, limit.Scale(unprovenGrowth)))
}

// meet notes what came out while there was a queue.
func (c *Controller) meet(rate units.Rate) {
	if c.queue <= c.calm || c.delays.noise > float64(c.packetTime()/8) {
		return
	}
	if c.met == 0 {
		c.met = rate
	}
	c.met += (rate - c.met).Scale(metShare)
	c.metAt = 0
}

// plateau holds growth for a while a little above the rate that a queue showed last,
// for on far paths a queue is seen long after the step that causes it. A path that
// stays without one has become wider.
func (c *Controller) plateau(now int64, response float64, next units.Rate) units.Rate {
	top := c.met.Scale(1 + metQueue.Seconds()/(2*response))
	switch {
	case c.met == 0 || c.reliable || c.unpadded || response < metFar || next <= top:
		return next
	case c.metAt == 0:
		c.metAt = now
	case time.Duration(now-c.metAt).Seconds() > metWait*response:
		c.met = 0
		return next
	}
	return max(top, c.capacity)
}
