package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// longQuiet is how long a path may stay without a queue, although all is
	// used, until it is asked whether it became wider.
	longQuiet = 1500 * time.Millisecond
	// A source that sends nearly all it may, for its next step is far, is not growing;
	// after stuckProbe it is asked whether the path has room for that.
	stuckProbe = 15 * time.Second
	nearly     = 0.92
	// longNoise is so much jitter that queues of a few packets are not seen.
	longNoise = 10 * time.Millisecond
	// probeClear times the jitter is the queue that is told from it.
	probeClear = 8
	// besideLeast is three packets of padding, without which there is no spacing.
	besideLeast = 360 // bytes
	// longestPatience bounds it: no path is used whose round trip is longer.
	longestPatience = 5 * time.Second
	// unmeasuredGrowth of what arrived may be offered where a path could not be
	// measured: voices at their thinnest become whole with it.
	unmeasuredGrowth = 2.3
	// askEvery is how often a path on which nothing is sent is asked for a report at
	// the most.
	askEvery = 500 * time.Millisecond
)

// silentAt is when silence becomes a blackout; 0 when nothing is awaited.
func (c *Controller) silentAt() int64 {
	if c.silenced() || c.coarsely() || c.history.oldest == 0 {
		return 0
	}
	if c.lastFeedback == 0 {
		// Nothing is known of this path, not even that reports come.
		return c.firstSent + int64(3*c.cfg.Silence) + 1
	}
	return max(c.lastFeedback, c.history.oldest) + c.patience()
}

// patience is how long a report is waited for: then the path is silent, and
// in a blackout what was sent counts as lost.
func (c *Controller) patience() int64 {
	p := max(int64(c.cfg.Silence), c.minRTT*3/2+int64(300*time.Millisecond), int64(2.5*c.usualGap))
	if c.cold {
		// How often reports come at so low a rate is not known either.
		p = max(p, 3*int64(c.cfg.Silence))
	}
	return min(p, int64(longestPatience)) // a forged report may tell of any round trip
}

func (c *Controller) silent(now int64) bool {
	d := c.silentAt()
	return d != 0 && now >= d
}

func (c *Controller) enterBlackout(now int64) {
	c.machine.apply(silence)
	c.stats.Blackouts++
	c.probe.stop()
	c.test.active = false
	c.draining, c.stuckSince = 0, 0
	c.pressing = false
	c.losses.skip(now)
	c.awaiting = c.history.lapse(now)
	c.silentUpTo, c.silentRTT = c.history.newest, c.minRTT
}

// listen lets packets lapse in a blackout, so that the floor goes on asking
// the path whether it is back: a window full of lost packets would hold video
// for good where there is no voice.
func (c *Controller) listen(now int64) {
	if c.silenced() {
		c.awaiting = c.history.lapse(now - c.patience())
	}
}

// leaveBlackout goes back to what the path carried before, in one step: what
// it carries now is measured at once, and a queue it built up is drained.
func (c *Controller) leaveBlackout(now int64) {
	c.machine.apply(returned)
	c.history.recall() // what an outage held back may be in the queue yet
	c.losses.skip(now)
	c.quietSince, c.emptied = now, now
	c.probe.next = now + int64(c.response())
	c.doubted, c.doubtUpTo = true, c.history.newest
}

// doubtful says that what the path carried before a silence is not to be sent yet: it
// is back with a queue, and how fast that drains is not measured. Perhaps there was
// no outage at all, and the path became so narrow, or that of the reports, that none
// came. While the queue lasts nothing is lost by waiting.
func (c *Controller) doubtful() bool {
	if !c.doubted || c.silenced() {
		return false
	}
	if c.history.settled > c.doubtUpTo && c.arrivals.kept() >= 2*busyPackets || c.compete.on {
		c.doubted = false // what was sent since is reported, and enough to measure it
		return false
	}
	return c.late() || c.arrivals.kept() > 0 && c.arrivals.nth(0).wait > c.goal+int64(fullQueue)
}

// late says that the first reports after a silence tell of packets from before it was
// noticed, and took much longer than the packets did: it was the reports that waited, and
// will. What those packets met, at the rate of before, shows what the path was like then.
func (c *Controller) late() bool {
	if c.history.settled >= c.silentUpTo || c.arrivals.kept() == 0 {
		return false
	}
	a := c.arrivals.nth(0)
	return c.lastFeedback-a.sentAt-a.wait > c.silentRTT+int64(c.cfg.Silence/2)
}

// wanted is the rate that the allocator could use beyond the estimate; 0 when
// it needs nothing more.
func (c *Controller) wanted() units.Rate {
	limit := min(c.cfg.Max, max(c.ladder.Next, c.ladder.Full))
	if limit <= c.capacity {
		return 0
	}
	if c.ladder.Next > c.capacity {
		return min(c.ladder.Next, limit)
	}
	return limit
}

// asks says that something is to be sent for a report's sake: more is wanted and it
// is time to see whether the path carries it, but nothing is under way, and what is
// known is too old. So it is where the smallest picture does not fit and nobody speaks.
func (c *Controller) asks(now int64) bool {
	at := c.asksAt()
	return at != 0 && now >= at
}

// asksAt is when that is so unless something is sent before; 0 for never.
func (c *Controller) asksAt() int64 {
	if c.cold || c.lastFeedback == 0 || c.silenced() || c.coarsely() || c.probe.active() ||
		c.history.flying() > 0 || min(c.cfg.Max, max(c.ladder.Next, c.ladder.Full)) <= c.decision.Target {
		return 0
	}
	return max(c.probe.next, c.lastFeedback+max(int64(askEvery), 2*int64(c.response()))+1)
}

// maybeProbe begins a probe when it could unlock something.
func (c *Controller) maybeProbe(now int64) {
	if c.cold {
		c.maybeTrain(now)
		return
	}
	if c.probe.active() || c.lastFeedback == 0 || c.silenced() || c.coarsely() || c.doubtful() {
		return
	}
	if !c.reliable && c.suspects(now) {
		c.contest(now)
		return
	}
	want := c.wanted()
	if want == 0 || now < c.probe.next {
		return
	}
	idle := c.sending.rate() < c.capacity.Scale(used/2) // what is lost then is not ours
	if !c.quiet || c.learned && c.losses.suspect > 0 && !idle || c.test.holds(now) || c.compete.on ||
		now-c.lastFeedback > 2*int64(c.response()) {
		return
	}
	queue := c.cfg.ProbeQueue
	if c.lowered != 0 && now-c.lowered < int64(time.Second+c.response()) && time.Duration(c.delays.noise) < longNoise {
		return // less is sent for our own doing, not for want of something to send
	}
	share := used
	if now-c.probe.began > int64(stuckProbe) {
		share = nearly // growth has not led to the source's next step
	}
	full := c.learned && c.sending.rate() >= c.capacity.Scale(share)
	if full && !c.stale(now) {
		return // what is sent tests the path already
	}
	rate := min(want.Scale(1.1), c.capacity.Scale(2))
	if !c.learned {
		rate = min(max(c.ladder.Full, c.ladder.Next).Scale(1.1), c.capacity.Scale(3))
	}
	rate = min(max(rate, c.capacity.Scale(1.2)), c.cfg.Max.Scale(1.1))
	c.stats.Probes++
	size := probeSize(rate, c.capacity, queue)
	thin := full && c.capacity < thinProbe
	if thin {
		size = min(size, c.besideMedia(queue))
	}
	c.probe.start(now, rate, size)
	c.probe.full = thin
}

// besideMedia is what a probe may add where media fills a thin path, for all of it is
// queue: half of what it may cause, but enough to stand out of the jitter. On others
// the least that measures is no queue to speak of.
func (c *Controller) besideMedia(queue time.Duration) units.Size {
	return max(besideLeast, c.capacity.In(max(queue/2, time.Duration(probeClear*c.delays.noise))))
}

// stale says that a path in full use has been without a queue for so long that
// it is to be asked whether it became much wider, for growth alone is slow. Not
// near a limit that shows itself by loss, for a bucket lets a cluster through;
// not where jitter, the length of a packet or a repair below would hide what it tells.
func (c *Controller) stale(now int64) bool {
	const longPacket, veryLong = 120 * time.Millisecond, 4
	quiet, long := now-c.quietSince, max(int64(longQuiet), 3*int64(c.response()))
	return !c.reliable && quiet >= long && (c.packetTime() < longPacket || quiet >= veryLong*long) &&
		c.capacity >= c.test.limit.Scale(2) && time.Duration(c.delays.noise) < max(longNoise, c.packetTime()/4)
}

// maybeTrain begins the measurement of a path of which nothing is known but
// that it carries packets.
func (c *Controller) maybeTrain(now int64) {
	if c.lastFeedback == 0 || c.silenced() || c.coarsely() || c.probe.active() || now < c.probe.next {
		return
	}
	size := trainSize
	if c.trains > 0 && c.probe.count == 1 {
		size = 2 * trainPacket // it came in one packet, which has no spacing
	}
	c.stats.Probes++
	c.probe.start(now, c.cfg.Initial.Scale(trainRate), size)
}

// finishTrain takes what the first train found: the path's capacity, but no
// more than a call would have begun with, for a few packets may meet in a slot.
func (c *Controller) finishTrain(now int64, o outcome) {
	switch {
	case !o.ok && c.trains == 0:
		c.trains++
		c.probe.next = now // once more
		return
	case !c.probe.clustered():
		// It was not sent as a train: nobody can pad here, there is voice and no
		// more. That tells of no limit, but neither that there is none.
		c.capacity = c.unmeasured(o.rate)
	case o.ok && !o.through && o.in > c.cfg.Initial.Scale(trainRate/2):
		c.capacity = min(c.cfg.Initial, o.rate)
	} // else it got through and met no limit, or the link lost too much of it
	c.proven = max(c.proven, min(o.rate, c.capacity))
	c.warm(now, c.capacity)
}

// unmeasured is what a call goes on with whose first train could not measure: what
// was seen to arrive where that left a queue, else unmeasuredGrowth times as
// much and no more; what arrives of that proves the next step.
func (c *Controller) unmeasured(shown units.Rate) units.Rate {
	got := max(shown, c.arriving.rate(), c.arrivals.recent(int64(testMeasure), 0))
	if c.queue > c.goal {
		return min(c.cfg.Initial, c.arriving.rate())
	}
	if l := &c.losses; l.missed >= 3 && l.missed*10 > l.got+l.missed {
		// It loses much without a queue: that is no thin path, and redundancy needs
		// its room before the loss is understood.
		return c.cfg.Initial
	}
	step := (got + c.history.largest.Over(time.Second)).Scale(unmeasuredGrowth)
	return min(c.cfg.Initial, max(step, firstRate, c.ladder.Base))
}

// warm ends the time in which nothing was known.
func (c *Controller) warm(now int64, capacity units.Rate) {
	c.cold, c.climbed = false, now
	c.capacity = c.bound(capacity)
	c.probe.stop()
	c.quietSince = now
	c.probe.next = now
}

func (c *Controller) finishProbeIfReported(now int64) {
	p := &c.probe
	if p.waiting && c.history.settled >= p.last {
		c.finishProbe(now)
	}
}

// finishProbe judges what the probe found.
func (c *Controller) finishProbe(now int64) {
	p := &c.probe
	if p.sending {
		p.finishSending()
		if p.first >= 0 && c.history.settled < p.last {
			return // judge what was sent when it is reported
		}
	}
	p.stop()
	o := p.outcome(c.capacity, c.losses.link, time.Duration(c.delays.noise))
	c.unpadded = !o.ok || o.in < p.rate.Scale(0.7)
	if c.cold {
		c.finishTrain(now, o)
		return
	}
	if c.compete.asked {
		c.finishContest(now, o)
		return
	}
	if !o.ok {
		// Nobody sent it, or too few of its packets were reported.
		p.failedNow(now, max(500*time.Millisecond, c.response()), c.capacity)
		return
	}
	before := c.capacity
	switch {
	case o.through:
		c.capacity = c.bound(max(c.capacity, o.rate))
	default:
		// The bottleneck spread the cluster: this is what it carries.
		c.capacity = c.bound(max(c.capacity, o.rate.Scale(0.94)))
		c.learned = true
	}
	c.proven = max(c.proven, min(o.rate, c.capacity))
	if c.capacity > before.Scale(1.05) {
		p.next, p.pause, p.failed = now, 0, false
		return
	}
	c.stats.ProbesFailed++
	c.learned = c.learned || !c.unpadded || !o.through // else nothing was tested
	p.failed = true
	p.failedNow(now, probeFirstWait, c.capacity)
}
