package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// A queue that stays long, or grows, may be another flow's. Then one train
	// is sent at contestRate: packets so close to each other that the spacing
	// at which they come is the path's, whoever else fills its queue. Where that
	// is contested times what we get, the path is shared.
	contestRate  = 4 * units.Mbps
	contested    = 1.8
	nobody       = 1.25
	contestFirst = 2 * time.Second // until the next one, doubling to contestLast
	contestLast  = 8 * time.Second
	contestSoon  = 500 * time.Millisecond // while it is shared, doubling to contestAgain
	contestAgain = 4 * time.Second
	// The train that decides comes when the queue was long for contestStands: that of
	// a path that became narrower, or a cell that is busy, drains before.
	contestStands = time.Second
	// nobodySure trains in a row tell that no other flow is there.
	nobodySure = 3
	// After silentSure trains in a row of which too little came to tell anything,
	// what earlier ones told is nothing to hold a share of any more: in a flow's
	// full queue there is room for a train now and then, in our own there is none.
	silentSure = 2
	// silentLost of what is sent is lost there: half of it is beside nobody.
	silentLost = 0.3
	// deepest is a queue that few flows cause and no call bears: where besides as much
	// as silentLost of what is sent does not come, it is ours.
	deepest = 2 * time.Second
	// A call that starves asks so long after it was last asked, see starving.
	contestLate = 15 * time.Second
	// A call below its first rates, and shrunk times what once arrived, asks so, too, however short the
	// queue: a flow that keeps it short and full (BBR) leaves no room to grow in. Each time
	// that tells of nobody doubles the wait, to contestRare.
	shrunk      = 0.5
	contestRare = 2 * time.Minute
	// A flow that seemed gone less than contestRecent ago is taken to be back at one
	// train instead of two.
	contestRecent = 30 * time.Second
	// A train tells of a flow only where it would take so many times the jitter of
	// single packets to come if nobody else were there: jitter pushes packets together.
	contestClear = 2
	// contestWeight is how much one train counts among those before it.
	contestWeight = 0.25
	contestMost   = 4800 // bytes
	deepCut       = 0.6
	// nextStep times what gets through is what a picture that does not fit yet may
	// be offered: voice of 25 kbit/s and the thinnest video are 75.
	nextStep = 4

	// fairShare of the path is what is held beside the other: a little less than
	// half, for trains that met in a slot make the path seem larger.
	fairShare = 0.5
	// A loss cuts the rate to competeFall; it is back after competeBack, as
	// CUBIC is within some seconds whatever the round trip (RFC 9438).
	competeFall = 0.8
	competeBack = 4 * time.Second
	// On thin paths it is shorter, found by trial (docs/bwe.md): perhaps losses come sooner.
	competeBackThin = 2 * time.Second
	// Where a path that both filled becomes narrower most of what is sent is lost, ours
	// and voice with it, until both have cut: then as much as came meanwhile is cut, but
	// no more than half. On thinProbe and below TCP's own bursts look like it.
	floodMeasure = 200 * time.Millisecond
	// A queue that was not long for competeGone is nobody's any more.
	competeGone = 20 * time.Second
	// A queue that is gone for competeDrained does not come back: TCP leaves none for
	// a moment after each cut, where it seems longest to a flow that came later and
	// knows no other base delay.
	competeDrained = 1500 * time.Millisecond
	// A queue that lost nothing for competeStill and hardly moved is no flow's:
	// the path became longer.
	competeStill = 5 * time.Second
	stillness    = 15 * time.Millisecond
	stillNoise   = 4 // times the jitter, which moves it, too
)

// compete holds a share of a path whose queue another flow keeps full: there
// delay says nothing of us.
type compete struct {
	on      bool
	size    float64 // bytes of a train, smoothed
	span    float64 // nanoseconds in which it came: together what the path carries
	in      float64 // bits a second at which it was sent
	trains  float64 // counted so far
	cut     int64   // time of the last cut
	flooded int64   // and of the last for a flood
	filled  int64   // the queue was last long
	waited  int64   // there was last a queue

	// Shortest and longest queue since then, to tell a flow from a longer path.
	since         int64
	least, most   int64
	lostSomething bool

	// The search for another flow.
	asked     bool // the probe under way is to find it
	found     int  // trains in a row that told of one; then, that told of none
	silent    int  // trains in a row that told nothing, while it is on
	next      int64
	pause     time.Duration
	fullSince int64
	late      time.Duration // until one that shrank is asked again
	lately    bool          // it was
	ended     int64         // the last flow was gone then; 0 when none was
}

// suspects says that the queue may be another flow's, and that it is time to
// find out.
func (c *Controller) suspects(now int64) bool {
	p := &c.compete
	if p.on {
		return now >= p.next
	}
	// It must be worth what a train adds to it; it is where the rate was cut deeply.
	worth := fullQueue
	if c.capacity > c.proven.Scale(deepCut) {
		worth = max(fullQueue, 2*trainSize.At(c.capacity))
	}
	least := c.goal + int64(worth)
	if c.starving() && (p.found > 0 || now-p.next > int64(contestLate)) {
		least = int64(queueGoal + fullQueue)
	}
	late := c.queue+c.delays.offset <= least && c.shrank() && (p.lately || now-p.next > int64(max(contestLate, p.late)))
	if late {
		least = c.calm
	}
	switch {
	case c.queue+c.delays.offset <= least:
		p.fullSince, p.lately = 0, false
		if c.quiet {
			p.pause = 0
		}
		return false
	case p.fullSince == 0:
		p.fullSince = now
	}
	if now-p.fullSince <= int64(max(200*time.Millisecond, c.response())) || now < p.next {
		return false
	}
	if p.lately = late; late && p.found == 0 {
		p.late = min(2*max(contestLate, p.late), contestRare)
	}
	return true
}

// shrank says that a path in full use carries little, much less than it did once,
// and more is wanted.
func (c *Controller) shrank() bool {
	return c.learned && c.capacity < min(c.proven.Scale(shrunk), firstRate.Scale(4)) && c.wanted() > c.capacity.Scale(4) && c.sending.rate() >= c.capacity.Scale(used)
}

// starving says that far more is wanted than what is not even a call's first rate.
// What began beside a flow knows nothing better, and there a train, and what a
// packet lasts, is so long that no queue of the other's seems long.
func (c *Controller) starving() bool {
	return c.capacity < firstRate && c.wanted() > c.capacity.Scale(4)
}

// contest begins the search.
func (c *Controller) contest(now int64) {
	p := &c.compete
	p.asked = true
	if p.on {
		p.pause = min(2*p.pause, contestAgain)
	} else {
		p.pause = min(max(contestFirst, 2*p.pause), contestLast)
	}
	p.next = now + int64(p.pause)
	size := c.capacity.In(c.cfg.ProbeQueue)
	c.stats.Probes++
	c.probe.start(now, min(contestRate, c.cfg.Max), max(trainSize, min(size, contestMost)))
	c.probe.train = true
}

// finishContest takes what the train found.
func (c *Controller) finishContest(now int64, o outcome) {
	p := &c.compete
	p.asked = false
	if p.on && !o.ok && c.probe.sentBytes > 0 {
		if p.silent++; p.silent >= silentSure && c.arriving.rate() < c.sending.rate().Scale(1-silentLost) {
			c.endShare(now)
		}
		return
	}
	if !o.ok || o.in < c.arriving.rate().Scale(contested) {
		return // nobody sent it, or not as a train
	}
	p.silent = 0
	alone := max(c.arriving.rate(), c.sending.rate(), c.capacity)
	switch {
	case p.on:
		// Jitter lengthens one span and shortens another; their mean is right.
		if o.in > c.probe.rate/2 {
			p.trains++
			weight := max(contestWeight, 1/p.trains)
			p.size += (float64(o.size) - p.size) * weight
			p.span += (float64(o.span) - p.span) * weight
			p.in += (float64(o.in) - p.in) * weight
		}
		got := c.arriving.rate()
		if behind(o.size.Over(o.span), got, float64(o.in)) > got.Scale(nobody) {
			p.found = 0
			break
		}
		if p.found++; p.found >= nobodySure && p.path(got) <= got.Scale(nobody) {
			c.endShare(now)
			return
		}
		p.next, p.pause = now+int64(contestSoon), contestSoon
	case (c.full() || p.lately || c.starving() && c.queue+c.delays.offset > int64(queueGoal+fullQueue)) && behind(o.size.Over(o.span), c.arriving.rate(), float64(o.in)) > alone.Scale(contested) && int64(o.size.At(alone)) > contestClear*int64(c.delays.noise):
		// Jitter may have pushed one train together; two are seldom wrong.
		p.next, p.pause = now, p.pause/2
		if p.found > 0 && now-p.fullSince < int64(contestStands) {
			p.next = p.fullSince + int64(contestStands)
			return
		}
		p.size, p.span, p.in = p.size+float64(o.size), p.span+float64(o.span), p.in+float64(o.in)
		if p.found++; p.found == 2 || p.ended != 0 && now-p.ended < int64(contestRecent) {
			c.beginCompete(now)
		}
	default:
		p.found, p.size, p.span, p.in = 0, 0, 0, 0
		c.stats.ProbesFailed++
	}
}

// beginCompete takes the queue for another flow's.
func (c *Controller) beginCompete(now int64) {
	p := &c.compete
	n := float64(p.found)
	*p = compete{
		on: true, size: p.size / n, span: p.span / n, in: p.in / n, trains: float64(p.found),
		cut: now, filled: now, waited: now, since: now, least: never, next: now + int64(contestSoon), pause: contestSoon,
	}
	c.test = lossTest{}
	c.draining, c.stuckSince, c.pressing = 0, 0, false
	c.learned = true
	c.losses.skip(now)
}

// endShare ends it with what gets through: all that the path carries is ours.
func (c *Controller) endShare(now int64) {
	c.capacity = min(c.capacity, c.arriving.rate())
	c.endCompete(now)
}

// endCompete goes back to the delay as the signal.
func (c *Controller) endCompete(now int64) {
	c.compete = compete{next: now + int64(contestFirst), ended: now}
	c.quietSince, c.emptied, c.stuckSince, c.adopted = now, now, 0, 0
	c.losses.skip(now)
}

// share is control while another flow fills the queue. What we hold does not
// fill the path alone: when the other goes the queue drains, and that is its end.
func (c *Controller) share(now, dt int64) {
	p := &c.compete
	c.delays.rotated = now // the base of before is the one to come back to
	if c.full() {
		p.filled = now
	}
	if c.queue+c.delays.offset >= c.calm {
		p.waited = now
	}
	if now-p.waited > max(int64(competeDrained), 4*c.minRTT) || now-p.filled > int64(competeGone) {
		c.endCompete(now)
		return
	}
	l := &c.losses
	lost := l.missed > 0 && p.filled == now // else it is the link's own
	if l.got+l.missed >= lossEpochPackets || l.missed > 0 {
		l.skip(now)
	}
	if c.longer(now, lost) {
		return
	}
	got := c.arriving.rate()
	if c.queue+c.delays.offset > int64(deepest) && got < c.sending.rate().Scale(1-silentLost) {
		c.endShare(now)
		return
	}
	// Whatever the trains say, no more than twice of what gets through; but that
	// tells nothing where the source sends little. There what was held stays, and
	// the next useful step may be tried, without which nothing more would ever be
	// sent.
	most := max(firstRate, got.Scale(2))
	if c.sending.rate() < c.capacity.Scale(used) {
		most = max(most, c.capacity, min(c.ladder.Next.Scale(1.1), got.Scale(nextStep)))
	}
	limit := c.bound(min(p.path(got).Scale(fairShare), most))
	rtt := max(c.rtt, int64(20*time.Millisecond))
	back := competeBack
	if limit < thinProbe {
		back = competeBackThin
	}
	step := float64(dt) / float64(back)
	switch {
	case lost && c.flooded() && now-p.flooded > rtt+rtt/4:
		p.cut, p.flooded = now, now
		if came := c.arrivals.recent(int64(floodMeasure), l.run.began); came > 0 {
			c.capacity = min(c.capacity, max(came, c.capacity/2))
		}
		c.capacity = c.capacity.Scale(competeFall)
		c.stats.Cuts++
	case lost && now-p.cut > rtt+rtt/4:
		p.cut = now
		c.capacity = c.capacity.Scale(competeFall)
		c.stats.Cuts++
	case c.capacity > limit:
		c.capacity -= (c.capacity - limit).Scale(min(1, 4*step))
	default:
		c.capacity = min(limit, c.capacity+limit.Scale(step))
	}
}

// flooded says that half of the newest packets did not fit a path that is not thin.
func (c *Controller) flooded() bool { return c.capacity > thinProbe && c.losses.run.half() }

// path is what the whole path carries, of which got is ours. While a train was
// sent the other's packets came between: of those of its size/in seconds, as
// many as the path serves beside ours. Hence rate = path / (1 + (path-got)/in).
func (p *compete) path(got units.Rate) units.Rate {
	if p.span <= 0 {
		return 0
	}
	rate := p.size * 8 / p.span * float64(time.Second)
	return behind(units.Rate(rate), got, p.in)
}

// behind is what the path carries on which a train sent at in came at rate.
func behind(rate, got units.Rate, in float64) units.Rate {
	r := min(float64(rate), in*0.8)
	return units.Rate(r * max(0.5, 1-float64(got)/in) / (1 - r/in))
}

// longer notices that no flow fills the queue but the path became longer.
func (c *Controller) longer(now int64, lost bool) bool {
	p := &c.compete
	p.least, p.most = min(p.least, c.queue), max(p.most, c.queue)
	p.lostSomething = p.lostSomething || lost
	if now-p.since < int64(competeStill) {
		return false
	}
	if !p.lostSomething && p.most-p.least < max(int64(stillness), stillNoise*int64(c.delays.noise)) {
		c.delays.adopt(c.queue)
		c.arrivals.reset()
		c.queue, c.ahead = 0, 0
		c.endCompete(now)
		return true
	}
	p.since, p.least, p.most, p.lostSomething = now, never, 0, false
	return false
}
