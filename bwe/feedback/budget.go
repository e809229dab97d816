package feedback

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// firstReports come at RecorderConfig.Interval, on credit: a sender that
	// knows nothing learns from them.
	firstReports = 8
	// intervalGrowth bounds how much longer a gap between reports is than those
	// before it. Package bwe bears 2.5.
	intervalGrowth = 2
	// mostReserve is how many reports may be kept for what is urgent, and
	// reserveShare the part of what is earned that fills it.
	mostReserve  = 3.0
	reserveShare = 0.3
	// mostSaved is for how many reports may be saved up otherwise.
	mostSaved = 1.5
	// usualCost is taken for a report before the first was written: header,
	// two chunks, a few deltas.
	usualCost = float64(reportOverhead + headerSize + 16)
)

// budget is what reports may cost: a share of what arrives is earned, reports
// are paid with it. A reserve is for what is urgent: an early report does not
// put off those that come anyway, and what it cost is earned again slowly. The
// first reports are paid by a reserve that is not there yet.
type budget struct {
	share   float64
	left    float64 // bytes
	reserve float64 // bytes; negative: credit
	cost    float64 // bytes a report, smoothed
	reports uint64
	early   uint64 // of them out of the reserve
}

func newBudget(c RecorderConfig) budget {
	return budget{share: c.Share, reserve: usualCost, cost: usualCost}
}

// earn is told what arrived.
func (b *budget) earn(size units.Size) {
	earned := b.share * float64(size)
	if b.reserve < mostReserve*b.cost {
		b.reserve += reserveShare * earned
		earned -= reserveShare * earned
	}
	b.left = min(b.left+earned, mostSaved*b.cost)
}

// pays answers whether there is enough for a report now.
func (b *budget) pays() bool { return b.left >= b.cost }

// paysEarly is the same for one that is urgent.
func (b *budget) paysEarly() bool {
	return b.left >= b.cost || b.reserve >= b.cost
}

// spend is told of a report. One that came because the longest interval was
// over leaves no debt.
func (b *budget) spend(size units.Size, early bool) {
	cost := float64(size)
	switch {
	case b.pays() || !early:
		b.left = max(0, b.left-cost)
	default:
		b.early++
		b.reserve -= cost
	}
	b.cost += (cost - b.cost) / 4
	b.reports++
}

// charge is told of what else was reported: the next reports come later for it,
// by no more than mostSaved of them.
func (b *budget) charge(size units.Size) {
	b.left = max(b.left-float64(size), min(b.left, -mostSaved*b.cost))
}

// interval is how long it takes to earn a report; 0 when that is not known.
func (b *budget) interval(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(min(b.cost*8/(rate*b.share), 60) * float64(time.Second))
}

const (
	// measureEvery is the least time over which the rate is measured, and
	// rateTime its time constant.
	measureEvery = 200 * time.Millisecond
	rateTime     = 500 * time.Millisecond
	fullPacket   = 1200
)

// pace follows how fast packets arrive.
type pace struct {
	rate  float64    // bits per second, smoothed; 0 = not known
	bytes units.Size // since it was measured last
	since time.Time  // when that was
	last  time.Time  // arrival of the latest packet
}

func (p *pace) note(now time.Time, size units.Size) {
	if p.last.IsZero() {
		p.since = now
	}
	p.last = now
	p.bytes += size
	d := now.Sub(p.since)
	if d < measureEvery {
		return
	}
	rate := float64(p.bytes.Over(d))
	if p.rate == 0 {
		p.rate = rate
	} else {
		p.rate += (rate - p.rate) * min(1, d.Seconds()/rateTime.Seconds())
	}
	p.bytes, p.since = 0, now
}

// packet is what a full packet lasts at the rate.
func (p *pace) packet() time.Duration {
	if p.rate <= 0 {
		return 0
	}
	return min(units.Size(fullPacket).At(units.Rate(p.rate)), time.Second)
}
