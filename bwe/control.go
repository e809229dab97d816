package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// markedCut answers marks: less than RFC 8511 has for TCP, which cuts after
	// it has filled the queue; here marks come at a few milliseconds of it.
	markedCut = 0.9
	// queueGoal is the queue that a saturated path is held at: enough to see
	// that it is busy, too little to be heard.
	queueGoal = 10 * time.Millisecond
	// fullQueue above the goal is enough for loss to be overflow.
	fullQueue = 60 * time.Millisecond
	// drainTime is how fast a queue above the goal is worked off.
	drainTime = 250 * time.Millisecond
	// deepestCut bounds how far the target falls below the capacity to drain.
	deepestCut = 0.5
	// used is the share of the target that must be sent for the path to be
	// tested by it.
	used = 0.8
	// emptyEvery is how often the queue must be seen empty, so that a
	// standing queue does not become the base delay.
	emptyEvery = 8 * time.Second
	// firstWindow is what may be under way before the first report: voice for
	// a second, and no more video than delays it by half of that at 50 kbit/s.
	firstWindow = 3000 // bytes
	// firstWarm is the same where the capacity is known from before.
	firstWarm = 200 * time.Millisecond
	// coldLongest is how long a queue may hold the first train up.
	coldLongest = 2 * time.Second
	// firstRate is what may be offered beside the ladder's base until the path
	// is measured: voice at its thinnest, or padding that asks for a report.
	firstRate = 24 * units.Kbps
	// emptyingShare of the target is what is sent meanwhile, and while it is
	// found out whose queue it is that does not drain.
	emptyingShare = 0.8
	// measureDoubt times the noise is the span over which a delivery rate is
	// worth half of what was believed before.
	measureDoubt = 40
	// longQueue times the noise above the goal is a queue whatever the jitter.
	longQueue = 3
	// headroomQueue is the queue that pacing above the target may cause before the
	// next report.
	headroomQueue = 30 * time.Millisecond
)

// control judges the path after a report.
func (c *Controller) control(now int64) {
	dt := min(now-c.controlled, int64(500*time.Millisecond))
	c.controlled = now
	c.look(now)
	switch {
	case c.cold: // what is sent says nothing of the capacity, as long as it fits
		if now-c.firstReport > int64(coldLongest) && c.queue > c.goal {
			c.warm(now, c.arriving.rate())
		}
	case c.compete.on:
		c.share(now, dt)
	default:
		c.climb(now)
		c.measure(now)
		c.judgeLoss(now)
		c.grow(now, dt)
		c.unstick(now)
	}
	c.heedMarks(now)
	if c.probe.sending && c.queue > c.goal+int64(c.cfg.ProbeQueue) {
		c.probe.finishSending() // it has found the limit already
	}
	c.finishProbeIfReported(now)
	c.capacity = c.bound(c.capacity)
}

// look finds the queue, and what it will be for a packet sent now.
func (c *Controller) look(now int64) {
	packet := int64(c.packetTime())
	noise := int64(c.delays.noise)
	least := c.arrivals.leastWait(max(int64(60*time.Millisecond), packet*11/5, 3*noise, c.stall()))
	c.delays.release(least)
	c.queue = max(0, least)
	some := int64(queueGoal) + int64(float64(packet*15/100)*c.cfg.Weight) + noise/2
	floor := c.delays.settle(least)
	c.goal = floor + some
	c.calm = floor + some/2
	c.quiet = c.queue <= c.calm
	if c.queue <= max(int64(3*time.Millisecond), packet/10) {
		c.emptied = now
	}
	if !c.quiet {
		c.quietSince = now
	}
	c.ahead = c.queue
	if c.queue > c.slack() {
		c.ahead = max(0, c.queue+c.added(now))
	}
}

// added is how much longer than that of the last packet reported on the wait of the last
// one sent will be: while the bottleneck is busy what was sent between them adds to
// its queue, and the time that took has drained it. Nothing is reckoned from now, for
// reports come at a fixed phase of what is sent, and a packet may be 200 ms.
func (c *Controller) added(now int64) int64 {
	p, last := c.history.find(c.history.settled), c.history.find(c.history.newest)
	if p == nil || last == nil {
		return 0
	}
	between := units.Size(c.history.flying() + int64(p.size-last.size)).At(c.capacity)
	idle := now - last.at - int64(units.Size(last.size).At(c.capacity))
	return int64(between) - (last.at - p.at) - max(0, idle)
}

// slack is the wait that may be no queue at all.
func (c *Controller) slack() int64 {
	return max(int64(3*time.Millisecond), c.delays.jitter(), int64(c.packetTime())/10)
}

// measure takes the delivery rate of a busy bottleneck for the capacity.
func (c *Controller) measure(now int64) {
	got := c.arriving.rate()
	c.proven = max(c.proven, got)
	c.peak = max(got, c.peak)
	if c.usual == 0 {
		c.usual = got
	}
	c.usual += (got - c.usual).Scale(0.05)
	span := max(int64(200*time.Millisecond), 4*int64(c.packetTime()), 8*int64(c.delays.noise))
	d := c.arrivals.busy(c.slack(), min(span, int64(3*time.Second)), 2*int64(c.packetTime())+c.delays.offset)
	if !d.ok {
		return
	}
	// A packet lost behind the bottleneck was carried by it; one that a full
	// queue did not take was not.
	rate := d.rate
	if !c.full() {
		own := rate.Scale(1 / (1 - min(c.losses.link, 0.9)))
		rate = max(rate, min(d.with, max(own, c.capacity)))
	}
	// The ends of the span are off by the noise of arrival times.
	doubt := measureDoubt * float64(c.delays.noise) / float64(d.span)
	weight := max(0.25, 1/(1+doubt*doubt*doubt*doubt))
	switch {
	case rate < c.capacity:
		// Only a queue that grows, or drains faster than we feed it, proves
		// that the path carries no more; with neither, the wait is not ours.
		shift := d.span - d.fed
		noise := int64(c.delays.noise)
		clear := time.Millisecond + time.Duration(3*noise)
		still := -clear < shift && shift < clear
		if c.queue > c.goal+longQueue*noise && c.jittery(noise) {
			still = false // jitter hides what a queue does, but not that it is this long
		}
		if still || c.queue < min(c.goal, c.calm+2*noise) {
			return
		}
		if rate < c.capacity.Scale(0.85) && c.queue > c.goal+3*noise {
			weight = max(weight, 0.7)
			c.stats.Cuts++
			if c.doubted {
				weight = c.cfg.Weight // what is remembered is of before the silence
			}
		}
		c.capacity -= (c.capacity - rate).Scale(min(1, weight/c.cfg.Weight))
	case rate > c.capacity:
		c.capacity += (min(rate, c.capacity.Scale(1.3)) - c.capacity).Scale(0.25)
	}
	if c.queue > c.goal {
		c.learned = true
	}
	c.meet(rate)
}

// jittery says that noise is what a radio's slots or a busy Wi-Fi make: long beside
// a packet and not near nothing, yet no longer than is usual.
func (c *Controller) jittery(noise int64) bool {
	return noise > max(int64(c.packetTime())/2, int64(queueGoal)*3/4) && float64(noise) < mostNoise
}

// full says that the queue is so long that loss may be its overflow.
func (c *Controller) full() bool { return c.queue+c.delays.offset > c.goal+int64(fullQueue) }

// heedMarks cuts once a response for congestion that routers marked
// (RFC 3168 §6).
func (c *Controller) heedMarks(now int64) {
	if c.marks == 0 || now-c.marked < int64(c.response()) {
		return
	}
	c.marked, c.marks = now, 0
	c.capacity = c.capacity.Scale(markedCut)
	c.learned = true
	c.quietSince = now
	c.stats.Cuts++
}

// bound keeps a rate within what was configured.
func (c *Controller) bound(r units.Rate) units.Rate {
	return max(c.cfg.Min, min(r, c.cfg.Max))
}

// factor is how much of the capacity may be offered while a queue drains.
func (c *Controller) factor() float64 {
	f := 1.0
	if c.compete.on {
		return f
	}
	// Where jitter is long beside a packet, part of the wait is its.
	over := c.ahead - c.goal - max(0, int64(c.delays.noise/2)-int64(c.packetTime())/10)
	if c.sending.rate() < c.capacity.Scale(used) {
		// Sending less than allowed, a wait is rather jitter than our queue.
		over -= int64(3 * c.delays.noise)
	}
	if over > 0 {
		f = max(deepestCut, 1-float64(over)/float64(int64(drainTime)+int64(c.packetTime())))
	}
	return f
}

// emptying says that the target is lowered for a moment, so that a standing queue below the goal is emptied now and then.
func (c *Controller) emptying(now int64) bool {
	switch {
	case c.compete.on:
		c.draining = 0
	case c.draining == 0:
		if now-c.emptied > int64(emptyEvery) && c.lastFeedback != 0 && c.sending.rate() >= c.capacity.Scale(used) {
			c.drainedFrom, c.draining = now, now+int64(2*c.response())
		}
	case now > c.draining || c.emptied >= c.drainedFrom:
		c.draining = 0
		c.emptied = now
	}
	return c.draining != 0
}

// decide fills the Decision from what is known.
func (c *Controller) decide() {
	now := c.now
	d := &c.decision
	d.Padding = 0
	d.Probe = c.probe.ask
	f := 1.0
	switch c.machine.state {
	case Blackout:
		d.Target = c.bound(max(c.cfg.Min, min(c.ladder.Base, c.capacity)))
		d.Pacing = d.Target.Scale(c.cfg.Headroom)
		if c.history.flying() == 0 {
			// Nobody asks the path whether it is back.
			d.Padding = d.Target
		}
	case Coarse:
		d.Target = c.bound(c.capped(now, c.coarse.rate))
		d.Pacing = d.Target.Scale(c.cfg.Headroom)
		c.machine.reason = c.coarse.reason
	default:
		f = c.factor()
		target := c.capacity.Scale(f)
		if c.cold {
			target = min(target, max(firstRate, c.ladder.Base))
			if c.history.flying() == 0 && c.ladder.Full > 0 {
				d.Padding = target // a report must come from something
			}
		}
		long := c.tooLong(now)
		if c.doubtful() {
			least := max(c.cfg.Min, c.ladder.Base)
			if !c.late() {
				least = max(least, c.arrivals.lately().Scale(deepestCut))
			}
			f, target = min(f, deepestCut), min(target, least)
		}
		if long {
			f, c.lowered, d.Padding = min(f, deepestCut), now, 0
			target = min(target, c.trip.rate)
		}
		d.Target = c.bound(c.capped(now, c.allowed(now, target)))
		d.Pacing = d.Target
		if c.asks(now) && !long {
			d.Padding = d.Target
		}
		if long {
			c.quietSince = now // that none is added to the queue says nothing
		} else if c.compete.on {
			d.Pacing = d.Target.Scale(c.cfg.Headroom)
		} else if c.emptying(now) || c.pressing {
			// The target too, or what waits meanwhile comes at once after.
			c.lowered = now
			d.Target = c.bound(d.Target.Scale(emptyingShare))
			d.Pacing = d.Target
		} else if f == 1 && c.queue <= c.goal {
			d.Pacing = d.Target.Scale(c.headroom())
		}
		c.settle(f)
	}
	d.State, d.Reason = c.machine.state, c.machine.reason
	if c.probe.sending {
		d.Pacing = max(d.Pacing, c.probe.rate)
	}
	d.Window = c.window()
}

// headroom is how far above the target packets may leave that wait: what of it
// the path does not carry is in its queue before a report tells of it.
func (c *Controller) headroom() float64 {
	blind := max(c.response(), c.packetTime()).Seconds()
	return min(c.cfg.Headroom, 1+headroomQueue.Seconds()/blind)
}

// window is how much may be unacknowledged: what the path holds at the
// estimate until a report of it is back, and some for jitter.
func (c *Controller) window() units.Size {
	if c.coarsely() {
		return c.decision.Target.In(2*time.Second) + 6000
	}
	if c.lastFeedback == 0 && !c.silenced() {
		return max(firstWindow, c.known.In(firstWarm))
	}
	slack := max(150*time.Millisecond, 2*c.packetTime(), time.Duration(2*c.delays.noise))
	response := c.response()
	if c.compete.on {
		response += time.Duration(c.queue + c.delays.offset) // is part of every round trip
	}
	w := c.capacity.In(response+slack) + 4800
	if c.probe.train {
		w += c.probe.ask.Size // or it would be no train
	}
	if c.silenced() {
		// Packets lapse after that, so the floor goes on.
		w = c.decision.Target.In(time.Duration(c.patience())) + 1200
	}
	return w
}

// capped applies the receiver's own estimate while it is fresh.
func (c *Controller) capped(now int64, r units.Rate) units.Rate {
	if c.rembAt != 0 && now-c.rembAt < int64(5*time.Second) {
		return min(r, c.remb)
	}
	return r
}
