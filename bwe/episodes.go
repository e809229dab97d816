package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// lossTest finds out whose the loss is by sending less for a moment.
type lossTest struct {
	active bool
	cap    units.Rate
	saved  units.Rate
	share  float64 // that raised the suspicion
	from   int64   // packets sent before say nothing: their epoch is skipped
	ready  bool    // that epoch is over
	// After loss was found to be ours the rate is held until then.
	until int64
	hold  time.Duration
}

const (
	holdFirst   = 10 * time.Second
	holdLongest = 2 * time.Minute
)

// holds says that growth must wait: a test runs, or found a limit.
func (t *lossTest) holds(now int64) bool { return t.active || now < t.until }

// judgeLoss closes an epoch of loss when it is due and acts on it.
func (c *Controller) judgeLoss(now int64) {
	if c.queue > c.goal {
		c.losses.queued = true
	}
	if c.test.active && !c.test.ready {
		if now < c.test.from {
			return
		}
		c.test.ready = true
		c.losses.skip(now)
		return
	}
	before := c.losses.link
	v, share := c.losses.judge(now)
	if v == epochOpen {
		return
	}
	if c.test.active {
		c.endTest(now, share, before)
		return
	}
	switch v {
	case epochOverflow:
		c.capacity = c.capacity.Scale(max(0.7, 1-(share-c.losses.link)/2))
		c.learned = true
		c.stats.Cuts++
	case epochSuspect:
		if c.losses.suspect >= 2 && !c.test.holds(now) {
			c.beginTest(now, share)
		}
	}
}

func (c *Controller) beginTest(now int64, share float64) {
	got := c.arriving.rate()
	if got == 0 {
		return
	}
	c.test.active, c.test.ready = true, false
	c.test.saved, c.test.share = c.capacity, share
	c.test.cap = max(c.capacity.Scale(0.7), min(got.Scale(0.95), c.capacity.Scale(0.9)))
	c.test.from = now + int64(c.response())
	c.probe.stop()
}

// endTest decides: loss that stayed although less was sent is the link's own.
func (c *Controller) endTest(now int64, share, link float64) {
	c.test.active = false
	c.losses.suspect = 0
	if share-link >= (c.test.share-link)/2 {
		c.losses.link = min(0.6, (share+c.test.share)/2)
		c.test.hold = 0
		return
	}
	c.capacity = min(c.capacity, c.test.cap)
	c.learned = true
	c.stats.Cuts++
	c.test.hold = min(max(holdFirst, 2*c.test.hold), holdLongest)
	c.test.until = now + int64(c.test.hold)
}

// silentAt is when silence becomes a blackout; 0 when nothing is awaited.
func (c *Controller) silentAt() int64 {
	if c.blackout || c.coarse.on || c.history.oldest == 0 {
		return 0
	}
	if c.lastFeedback == 0 {
		// Nothing is known of this path, not even that reports come.
		return c.firstSent + int64(3*c.cfg.Silence) + 1
	}
	patience := max(
		int64(c.cfg.Silence),
		c.minRTT*3/2+int64(300*time.Millisecond),
		int64(2.5*c.interval),
	)
	return max(c.lastFeedback, c.history.oldest) + patience
}

func (c *Controller) silent(now int64) bool {
	d := c.silentAt()
	return d != 0 && now >= d
}

func (c *Controller) enterBlackout(now int64) {
	c.blackout = true
	c.stats.Blackouts++
	c.probe.stop()
	c.test.active = false
	c.draining, c.stuckSince = 0, 0
	c.losses.skip(now)
}

// leaveBlackout goes back to what the path carried before, in one step: what
// it carries now is measured at once, and a queue it built up is drained.
func (c *Controller) leaveBlackout(now int64) {
	c.blackout = false
	c.losses.skip(now)
	c.quietSince, c.emptied = now, now
	c.probe.next = now + int64(c.response())
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

// maybeProbe begins a probe when it could unlock something.
func (c *Controller) maybeProbe(now int64) {
	want := c.wanted()
	if want == 0 || c.probe.active() || now < c.probe.next || c.lastFeedback == 0 || c.blackout || c.coarse.on {
		return
	}
	if c.queue > c.goal/2 || c.losses.suspect > 0 || c.test.holds(now) ||
		now-c.lastFeedback > 2*int64(c.response()) {
		return
	}
	if c.learned && c.sending.rate() >= c.capacity.Scale(used) {
		return // what is sent tests the path already
	}
	rate := min(want.Scale(1.1), c.capacity.Scale(2))
	if !c.learned {
		rate = min(max(c.ladder.Full, c.ladder.Next).Scale(1.1), c.capacity.Scale(3))
	}
	rate = min(max(rate, c.capacity.Scale(1.2)), c.cfg.Max.Scale(1.1))
	c.stats.Probes++
	c.probe.start(now, rate, probeSize(rate, c.capacity, c.cfg.ProbeQueue))
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
	o := p.outcome(c.losses.link, time.Duration(c.delays.noise))
	if !o.ok {
		// Nobody sent it, or the reports were lost: try again soon.
		p.next = now + int64(max(500*time.Millisecond, c.response()))
		return
	}
	before := c.capacity
	switch {
	case o.through:
		c.capacity = c.bound(max(c.capacity, o.rate))
	default:
		// The bottleneck spread the cluster: this is what it carries.
		c.capacity = c.bound(max(c.capacity, o.rate.Scale(0.95)))
		c.learned = true
	}
	c.proven = max(c.proven, min(o.rate, c.capacity))
	if c.capacity > before.Scale(1.05) {
		p.next, p.pause, p.failed = now, 0, false
		return
	}
	c.stats.ProbesFailed++
	c.learned = true
	p.failedNow(now)
}
