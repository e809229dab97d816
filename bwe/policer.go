package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	holdOnce    = 2 * time.Second
	holdAgain   = 10 * time.Second
	holdLongest = time.Minute
	// testLeast and testMost bound the reports a test waits for, testLongest
	// its time.
	testLeast   = 30
	testMost    = 400
	testLongest = 5 * time.Second
	// testFrom is the rate from which on less is sent to find out whose loss it is.
	// Below it there is voice and no more: paths so thin have long queues and no
	// policers, and what a test would take are the copies that loss is repaired by.
	// What is lost in two epochs is believed to be the link's.
	testFrom = 45 * units.Kbps
	// testMeasure is over how long what arrives is measured for it.
	testMeasure = 400 * time.Millisecond
	// startupLoss in one epoch of the startup is tested at once: the rate may
	// have risen by much.
	startupLoss = 0.2
	// testCut is how far below what arrives a test sends: a policer passes
	// that without loss.
	testCut = 0.95
	// testClusters of loss would have come in a test, were it the link's own.
	testClusters = 3
	// startupTime after the first report the rate may have risen by much.
	startupTime = 3 * time.Second
	// surgeLoss packets, lost in as many bursts at least, are loss that came with the
	// rate, if before as many as surgeBefore would have been lost and were not.
	surgeLoss   = 10
	surgeBursts = 3
	surgeBefore = 6
	surgeCut    = 0.9 // for what came is measured over a few packets
	// surgeDoubt of them is enough for the rate to wait.
	surgeDoubt = 4
	// unseenGrowth is how fast what is sent may grow before a limit is met, a response:
	// a bucket passes any probe, and is empty soon.
	unseenGrowth = 2
	// testAgain is how often a test of loss that came with the rate is made.
	testAgain = 3
	againCut  = 0.9
	// holdCut is how far below a limit that was measured it is held.
	holdCut = 0.97
	// nearLimit times a limit is so much that it is not near any more.
	nearLimit = 1.5
	// refillShare of a limit is sent for refillTime after it was overstepped, for
	// the bucket is empty, and what was lost is sent again.
	refillShare = 0.85
	refillTime  = time.Second
	// limitSpan is how long a limit is overstepped, once, to measure it.
	limitSpan = 600 * time.Millisecond
	limitOver = 1.03 // times it is sent meanwhile
	// limitLeast of a limit that was found passes a policer at any time.
	limitLeast = 0.8
)

// lossTest finds out whose the loss is by sending less for a moment.
type lossTest struct {
	active bool
	cap    units.Rate
	share  float64 // that raised the suspicion
	from   int64   // packets sent before say nothing
	ready  bool    // those are over
	sudden bool    // the loss came when the rate rose
	again  int     // times the loss stayed in such a test
	enough int64   // reports in which the link would have lost testClusters times

	// After loss was found to be ours the rate is held until then, and from
	// then on raised slowly while it is near the limit found.
	until   int64
	hold    time.Duration
	limit   units.Rate
	exact   bool  // it was measured for limitSpan
	losing  bool  // it is being
	refill  int64 // until then it is not used whole
	lowered bool  // loss went on below it
}

// holds says that growth must wait: a test runs, or found a limit.
func (t *lossTest) holds(now int64) bool { return t.active || now < t.until || t.losing }

// few is the loss that may be left over of what was ours, by chance.
func (t *lossTest) few(link float64) float64 { return (t.share - link) / 8 }

// near says that a rate is near a limit that showed itself only by loss.
func (t *lossTest) near(r units.Rate) bool { return r < t.limit.Scale(nearLimit) }

// judgeLoss closes an epoch of loss when it is due and acts on it.
func (c *Controller) judgeLoss(now int64) {
	if c.full() {
		c.losses.queued = true
	}
	switch {
	case c.reliable:
		c.losses.judge(now)
		c.losses.link, c.losses.suspect = 0, 0
		return // what is missing was thrown away on the way to or from the transport
	case c.test.active:
		c.runTest(now)
		return
	case c.surges(now):
		c.beginTest(now, c.losses.run.share())
		c.test.sudden, c.test.enough = true, testLeast
		return
	case c.oversteps(now):
		return
	}
	v, share := c.losses.judge(now)
	if v != epochOpen {
		c.peak = c.peak.Scale(0.97)
	}
	switch v {
	case epochOverflow:
		if now-c.overflowed < c.rtt {
			return // what was lost before the last cut came to bear
		}
		c.overflowed = now
		// Not below what the bottleneck let through while it was full.
		cut := c.capacity.Scale(max(0.7, 1-(share-c.losses.link)/2))
		c.capacity = min(c.capacity, max(cut, c.arriving.rate()))
		c.learned = true
		c.stats.Cuts++
	case epochSuspect:
		switch l := &c.losses; {
		case l.suspect >= 2 && c.thin():
			l.link, l.suspect = min(0.6, share, max(l.link, l.recent)), 0
		case now < c.test.until:
			c.lower(now, share)
		case c.young(now) && l.run.sudden(surgeLoss, 1):
			// One burst; the next report tells whether it goes on.
		case !c.thin() && (l.suspect >= 2 || !c.learned && share > startupLoss):
			c.beginTest(now, share)
		}
	}
}

// surges says that a path that lost little until now loses much since the rate
// has risen: that is no chance, and each report waited for costs more.
func (c *Controller) surges(now int64) bool {
	return c.young(now) && c.peak > 0 && !c.thin() && c.losses.run.sudden(surgeLoss, surgeBursts)
}

// thin says that there is voice and no more.
func (c *Controller) thin() bool { return max(c.sending.rate(), c.arriving.rate()) < testFrom }

// young says that the rate may have risen by much lately.
func (c *Controller) young(now int64) bool {
	return !c.learned || now-c.firstReport < int64(startupTime)
}

// ramp bounds what is sent while no limit was met: probes tell of queues, but only
// traffic that lasts tells of a policer.
func (c *Controller) ramp(r units.Rate) units.Rate {
	if c.learned || c.reliable {
		return r
	}
	return min(r, max(c.shown, c.cfg.Initial, c.known))
}

// allowed bounds what is sent by a test that runs, or a limit that was overstepped.
func (c *Controller) allowed(now int64, r units.Rate) units.Rate {
	switch t := &c.test; {
	case t.active, t.losing:
		r = min(r, t.cap)
	case now < t.refill:
		r = min(r, t.limit.Scale(refillShare))
	}
	return c.ramp(r)
}

// climb lets that bound grow by unseenGrowth a response, as long as nothing begins
// to be lost.
func (c *Controller) climb(now int64) {
	if c.climbed == 0 {
		c.climbed = now
	}
	if !c.learned && now-c.climbed >= int64(c.response()) && !c.losses.run.sudden(surgeDoubt, surgeBursts) {
		c.climbed = now
		c.shown = min(max(c.shown, c.cfg.Initial, c.known).Scale(unseenGrowth), c.cfg.Max)
	}
}

func (c *Controller) beginTest(now int64, share float64) {
	if c.peak == 0 {
		return
	}
	c.test.active, c.test.ready, c.test.sudden, c.test.losing = true, false, false, false
	c.test.share, c.test.again = share, 0
	got := c.peak
	if c.sending.rate() >= c.capacity.Scale(used) {
		// The peak is of a moment, and of a policer's bucket when it was full.
		got = min(got, c.usual)
	}
	// Where the rate has just risen, the means over a second are of before.
	span := testMeasure
	if c.young(now) {
		span /= 2
	}
	got = max(got, c.arrivals.recent(int64(span), 0))
	if c.surges(now) {
		// What came before the first was lost was in part what a bucket held.
		if came := c.arrivals.recent(int64(testMeasure), c.losses.run.began); came > 0 {
			got = came.Scale(surgeCut)
		}
	}
	c.test.cap = min(got, c.capacity).Scale(testCut)
	c.test.from = now + int64(c.response())
	c.test.enough = int64(min(testMost, max(testLeast, testClusters/max(c.losses.rate, 1e-3))))
	c.probe.stop()
}

// runTest ends a test as soon as it can tell: loss that stays although less
// is sent is the link's own, loss that ends was ours.
func (c *Controller) runTest(now int64) {
	if !c.test.ready {
		if now >= c.test.from {
			c.test.ready = true
			c.losses.skip(now)
		}
		return
	}
	l, t := &c.losses, &c.test
	n := l.got + l.missed
	share := float64(l.missed) / float64(max(n, 1))
	half, few := l.link+(t.share-l.link)/2, l.link+t.few(l.link)
	late := now-l.since > int64(testLongest)
	if t.sudden && n >= testLeast && share > few && t.again < testAgain {
		// So much of a policer's loss stays when its bucket passed for its rate, or is
		// empty yet.
		if came := c.arrivals.recent(int64(testMeasure), t.from); t.again == 0 && came > 0 {
			t.cap = min(t.cap, came)
		}
		t.again++
		t.cap, t.ready, t.from = t.cap.Scale(againCut), false, now+int64(c.response())
		return
	}
	switch {
	case n >= max(testLeast, t.enough/3) && l.bursts >= 3 && share >= half:
		l.link = min(0.6, share, t.share)
		c.test = lossTest{}
	case n >= t.enough || late && n >= testLeast:
		if share > few+1/float64(n) {
			// Some stays, as it does not below a policer's limit.
			l.link = max(l.link, min(0.6, share))
			c.test = lossTest{}
			break
		}
		c.found(now, share)
	case late:
		c.test = lossTest{} // too little is sent to tell
	default:
		return
	}
	l.suspect = 0
	l.skip(now)
}

// found keeps the limit below which the loss ended. Once may have been chance, so
// the hold is short; the same limit again, or loss that no chance ends, is a policer.
func (c *Controller) found(now int64, share float64) {
	t := &c.test
	rest := share - c.losses.link
	limit, hold := t.cap, holdOnce
	if t.limit > 0 && t.cap > t.limit.Scale(0.8) && t.cap < t.limit.Scale(1.2) {
		hold = min(max(holdAgain, 2*t.hold), holdLongest)
	}
	if t.sudden && t.again == 0 {
		limit = limit.Scale(1 - max(0, rest)) // it is lower still
	}
	refill := now
	if t.sudden || hold > holdOnce {
		refill += int64(refillTime)
	}
	c.test = lossTest{until: now + int64(hold), hold: hold, limit: limit, sudden: t.sudden, refill: refill, from: refill + int64(c.response())}
	c.capacity = min(c.capacity, limit)
	c.losses.run = run{}
	c.learned = true
	c.stats.Cuts++
	c.quietSince = c.test.until // what follows tests the limit: slowly
}

// lower answers loss below a limit that was held: a bucket may have hidden that the
// limit is a little lower still, once. What is lost then is not a policer's.
func (c *Controller) lower(now int64, share float64) {
	t, l := &c.test, &c.losses
	l.suspect = 0
	if t.lowered {
		l.link = max(l.link, min(0.6, share))
		c.test = lossTest{}
		c.quietSince = min(c.quietSince, now) // there is no limit to be tested slowly
		return
	}
	t.lowered = true
	t.limit = min(t.limit, c.capacity).Scale(testCut)
	c.capacity = min(c.capacity, t.limit)
	t.from = now + int64(c.response())
	c.stats.Cuts++
}

// oversteps ends the slow growth beyond a policer's limit at the first packets that
// do not pass. Once it goes on as long as it takes to measure the limit.
func (c *Controller) oversteps(now int64) bool {
	t, l := &c.test, &c.losses
	if now < t.from {
		l.skip(now) // what was sent before the last fall
		return true
	}
	if now < t.until || !t.near(c.capacity) || c.capacity <= t.limit || l.run.began <= t.until || !l.run.lossy(l.link) {
		t.losing = false
		return false
	}
	if !t.exact {
		came := c.arrivals.recent(int64(limitSpan), l.run.began)
		if now-l.run.began < int64(limitSpan+c.response()) || came == 0 {
			if !t.losing {
				t.losing, t.cap = true, c.capacity
			}
			if came > 0 {
				t.cap = max(t.limit, came.Scale(limitOver)) // more is not needed
			}
			return true
		}
		if came < t.limit.Scale(limitLeast) {
			t.losing, l.run = false, run{} // more passed before: it is the link's own
			return false
		}
		t.exact, t.limit = true, min(c.capacity, came).Scale(holdCut)
	}
	t.hold = min(max(holdAgain, 2*t.hold), holdLongest)
	t.until, t.refill = now+int64(t.hold), now+int64(refillTime)
	t.from = t.refill + int64(c.response())
	t.losing, t.lowered = false, false
	c.capacity = min(c.capacity, t.limit)
	c.quietSince = t.until
	c.stats.Cuts++
	l.suspect = 0
	l.run = run{}
	l.skip(now)
	return true
}

// growth beyond a limit a second: faster where it may have been chance.
func (t *lossTest) growth() float64 {
	if t.hold < holdAgain && !t.sudden {
		return 2 * growthFirst
	}
	return growthFirst
}
