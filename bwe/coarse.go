package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// coarse is the mode for a receiver that sends neither TWCC nor RFC 8888: all
// there is are loss and round-trip time of receiver reports, seconds apart
// (RFC 3550 §6.4.1), and perhaps the receiver's own estimate (REMB). The rule
// is additive increase and cuts by loss, as in RFC 8698 without delay signals.
type coarse struct {
	never  bool // packet reports came: this mode is over for good
	rate   units.Rate
	loss   float64
	rtt    int64
	least  int64 // least round trip
	last   int64
	cut    int64 // last time the rate was cut
	reason string
}

const (
	coarseAfter     = time.Second            // of sending without packet reports
	coarseLossLow   = 0.02                   // below it the rate rises
	coarseLossHigh  = 0.1                    // above it the rate is cut
	coarseRise      = 0.06                   // per second
	coarseQueue     = 150 * time.Millisecond // of round trip above the least: cut
	coarseSilence   = 15 * time.Second       // without reports: fall to the floor
	coarseCutEvery  = 500 * time.Millisecond
	coarseRoundTrip = 10 * time.Second // more than this is no round trip
)

// OnReceiverReport is told of an RTCP receiver report: the share of packets
// lost since the last one (0 to 1) and the round-trip time (0 = unknown).
// Where packet reports come it only helps to know the round-trip time.
func (c *Controller) OnReceiverReport(now time.Time, lossFraction float64, rtt time.Duration) Decision {
	t := c.clock(now)
	if !(lossFraction >= 0 && lossFraction <= 1) || rtt < 0 || rtt > coarseRoundTrip {
		c.stats.Refused++
		return c.tick(t)
	}
	k := &c.coarse
	if k.never {
		return c.tick(t)
	}
	if rtt > 0 {
		c.noteRTT(t, int64(rtt))
		k.rtt = int64(rtt)
		if k.least == 0 || k.rtt < k.least {
			k.least = k.rtt
		}
	}
	switch {
	case c.coarsely():
		k.step(c, t, lossFraction)
	case c.firstSent != 0 && t-c.firstSent > int64(coarseAfter):
		c.machine.apply(coarseOnly)
		k.rate, k.loss, k.last = c.capacity, lossFraction, t
		k.reason = "receiver reports only"
	}
	k.last = t
	return c.tick(t)
}

// step adapts the rate to one report.
func (k *coarse) step(c *Controller, now int64, loss float64) {
	if c.reliable {
		loss = 0
	}
	dt := min(time.Duration(now-k.last), 5*time.Second).Seconds()
	k.loss += (loss - k.loss) * 0.5
	delayed := k.least > 0 && k.rtt-k.least > int64(coarseQueue)
	sent := c.sending.rate()
	switch {
	case (loss > coarseLossHigh || delayed) && now-k.cut < int64(coarseCutEvery):
		// One report speaks of every stream; it is one cut.
	case loss > coarseLossHigh:
		k.cut = now
		k.rate = k.rate.Scale(1 - loss/2)
		k.reason = "receiver reports only: loss"
		c.stats.Cuts++
	case delayed:
		k.cut = now
		k.rate = k.rate.Scale(0.85)
		k.reason = "receiver reports only: delay"
		c.stats.Cuts++
	case loss < coarseLossLow && sent >= k.rate.Scale(used):
		k.rate = min(k.rate.Scale(1+coarseRise*dt), max(k.rate, sent.Scale(unprovenGrowth)))
		k.reason = "receiver reports only: rising"
	default:
		k.reason = "receiver reports only"
	}
	k.rate = c.bound(k.rate)
}

// OnREMB is told of the receiver's own estimate: it caps the target for five
// seconds.
func (c *Controller) OnREMB(now time.Time, r units.Rate) Decision {
	t := c.clock(now)
	if r <= 0 {
		c.stats.Refused++
		return c.tick(t)
	}
	c.remb, c.rembAt = r, t
	if c.coarsely() && r > c.coarse.rate && c.coarse.loss < coarseLossLow {
		// The receiver saw arrivals, which is more than its reports tell.
		c.coarse.rate = c.bound(min(r, c.coarse.rate.Scale(1.2)))
	}
	return c.tick(t)
}

// leaveCoarse ends the mode: packet reports are better.
func (c *Controller) leaveCoarse() {
	if !c.coarse.never {
		c.coarse = coarse{never: true}
		c.machine.apply(packetsTold)
	}
}

// tickCoarse falls to the floor when even receiver reports stay away.
func (c *Controller) tickCoarse(now int64) {
	k := &c.coarse
	if d := c.coarseDeadline(); d != 0 && now >= d {
		k.rate = c.bound(c.ladder.Base)
		k.reason = "receiver reports only: silent"
		k.last = now
	}
}

func (c *Controller) coarseDeadline() int64 {
	if !c.coarsely() {
		return 0
	}
	return c.coarse.last + int64(coarseSilence)
}
