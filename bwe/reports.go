package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// believable bounds a receiver's clock: beyond it, it lies.
const believable = int64(1) << 61

// congestionExperienced is the ECN codepoint of RFC 3168 §5.
const congestionExperienced = 3

// read takes reports in. fresh says that something new was learnt, came that
// a packet arrived.
func (c *Controller) read(now int64, reports []PacketReport) (fresh, came bool) {
	perClass := int64(units.Size(sizeClass).At(c.capacity))
	rttTo := int64(-1)
	for i := range reports {
		r := &reports[i]
		p := c.history.find(r.Sequence)
		at := int64(r.Arrival)
		if p == nil || r.Received && (at > believable || at < -believable) {
			c.stats.Refused++
			continue
		}
		switch {
		case p.fate == received, p.fate == lost && !r.Received:
			continue // told before
		case !r.Received:
			p.fate = lost
			c.losses.note(true, p.at)
			c.probe.onReport(p, false, 0)
		default:
			if p.fate == lost {
				c.losses.correct()
			} else {
				c.losses.note(false, p.at)
			}
			p.fate = received
			came = true
			if r.ECN&3 == congestionExperienced {
				c.marks++
			}
			c.arrive(now, p, at, perClass)
			if p.sequence > c.history.settled {
				rttTo = p.at
			}
		}
		fresh = true
		c.stats.Reports++
		c.history.settle(p)
	}
	if rttTo >= 0 {
		c.noteRTT(now, now-rttTo)
	}
	return fresh, came
}

// arrive takes one arrival into delays, rates and the probe.
func (c *Controller) arrive(now int64, p *sent, at, perClass int64) {
	wait, jumped := c.delays.wait(now, p.at, at, p.size, perClass)
	if jumped {
		c.arrivals.reset()
		c.arriving.reset()
		c.arrivalOK = false
	}
	if !c.arrivalOK {
		c.arrivalOK, c.arrival0 = true, at
	}
	if p.padding && p.probe == c.probe.id && c.probe.full {
		wait = max(wait, c.arrivals.behind(p.at, float64(perClass)/sizeClass))
	}
	c.delays.watch(p.at, wait, p.size, float64(perClass)/sizeClass)
	c.arriving.add(max(0, at-c.arrival0), int64(p.size))
	c.arrivals.add(p, at, wait)
	c.probe.onReport(p, true, at)
}

// noteRTT takes one round trip; it includes the receiver's wait for its report.
func (c *Controller) noteRTT(now, rtt int64) {
	rtt = max(rtt, 1)
	if c.rtt == 0 {
		c.rtt = rtt
	} else {
		c.rtt += (rtt - c.rtt) / 8
	}
	// The minimum of ten seconds is enough, for it only sizes time constants;
	// but a standing queue must not become part of it.
	if c.minRTT == 0 || rtt <= c.minRTT || now-c.minRTTAt > int64(10*time.Second) && c.queue <= c.slack() {
		c.minRTT, c.minRTTAt = rtt, now
	}
}
