package bwe

import "time"

const (
	// Beside a flow that fills the queue whatever the delay, the rate rises by
	// competeRise packets a round trip in each round trip and falls to
	// competeFall at a loss (RFC 5681 §3.1: 1 and a half; with delayed
	// acknowledgements its rise is half a packet, its fall deeper).
	competeRise = 1.2
	competeFall = 0.7
	// competeCatch is the growth, per second, until the first loss: what was
	// lost to the other flow while we took its queue for ours.
	competeCatch = 0.6
	competeSize  = 1200 * 8 // bits of the packet it is reckoned in
	// Every aloneEvery the rate falls to aloneShare for a moment. Packets that
	// come aloneRatio faster than they were sent are alone in the queue.
	aloneEvery = 10 * time.Second
	aloneShare = 0.6
	aloneRatio = 1.45
)

// compete holds a share of a path whose queue another flow keeps full: there
// delay says nothing of us, only loss does, as it does to the other.
type compete struct {
	on     bool
	since  int64
	lost   bool  // a loss was met; before it the rate catches up
	cut    int64 // time of the last cut
	asked  int64 // when it was last asked whether the other is still there
	asking int64 // until then it is; 0 when it is not
}

// beginCompete takes the queue for another flow's.
func (c *Controller) beginCompete(now int64) {
	c.compete = compete{on: true, since: now, asked: now, cut: now}
	c.test = lossTest{}
	c.draining = 0
	c.probe.stop()
	c.losses.skip(now)
}

// endCompete goes back to the delay as the signal.
func (c *Controller) endCompete(now int64) {
	c.compete = compete{}
	c.delays.offset = 0
	c.quietSince, c.emptied, c.stuckSince, c.adopted = now, now, 0, 0
	c.losses.skip(now)
}

// share is control while another flow fills the queue.
func (c *Controller) share(now, dt int64) {
	p := &c.compete
	c.delays.rotated = now // the base of before is the one to come back to
	wait := c.queue + c.delays.offset
	if wait < c.calm || c.alone(now) {
		c.endCompete(now)
		return
	}
	l := &c.losses
	lost := l.missed > 0
	if l.got+l.missed >= lossEpochPackets || lost {
		l.skip(now)
	}
	rtt := max(c.rtt, int64(20*time.Millisecond))
	switch {
	case lost && now-p.cut > rtt+rtt/4:
		p.cut, p.lost = now, true
		c.capacity = c.capacity.Scale(competeFall)
		c.learned = true
		c.stats.Cuts++
	case c.sending.rate() < c.capacity.Scale(used) || p.asking != 0:
	case !p.lost:
		c.capacity = c.capacity.Scale(1 + competeCatch*float64(dt)/float64(time.Second))
	default:
		r := float64(rtt) / float64(time.Second)
		rise := competeRise * competeSize / (r * r) * float64(dt) / float64(time.Second)
		c.capacity += c.bound(c.cfg.Min).Scale(rise / float64(c.cfg.Min))
	}
}

// alone asks now and then whether the other flow is gone, by sending less.
func (c *Controller) alone(now int64) bool {
	p := &c.compete
	if p.asking == 0 {
		if now-p.asked > int64(aloneEvery) {
			p.asked = now
			p.asking = now + max(int64(time.Second), 2*c.rtt)
		}
		return false
	}
	if now > p.asking {
		p.asking, p.asked = 0, now
		return false
	}
	// Judge packets that were sent meanwhile.
	span := int64(400 * time.Millisecond)
	d := c.arrivals.busy(c.slack()-c.delays.offset, span)
	if !d.ok || c.arrivals.nth(0).sentAt-int64(d.fed) < p.asked {
		return false
	}
	return float64(d.fed) > aloneRatio*float64(d.span)
}
