package lab

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// leastWindow is the least threshold (RFC 5681 §3.1, equation 4).
const leastWindow = 2

// control makes the congestion control.
func (l Law) control(random *rand.Rand) control {
	switch l {
	case Cubic:
		return &byLoss{curve: &cubic{}, ramp: &hystart{}}
	case BBR:
		return &bbr{random: random}
	}
	return &byLoss{curve: &reno{}}
}

// byLoss is a control that grows its window until something is lost: slow start
// (RFC 5681 §3.1), a curve, and proportional rate reduction in recovery (RFC
// 9937).
type byLoss struct {
	curve curve
	slow  float64 // slow-start threshold
	ramp  *hystart
	// Of the present recovery.
	start, delivered, out float64
}

// curve is what differs between such controls.
type curve interface {
	// grow answers the window after n segments were acknowledged.
	grow(now time.Duration, window, n float64, srtt time.Duration) float64
	// cut answers the threshold after a loss, or a timeout.
	cut(window float64, expired bool) float64
	reset()
}

func (c *byLoss) begin(t *tcp) {
	c.slow = math.Inf(1)
	c.curve.reset()
	if c.ramp != nil {
		*c.ramp = hystart{}
		c.ramp.begin(t)
	}
}

func (c *byLoss) acknowledged(t *tcp, now time.Duration, a acked) {
	switch {
	case t.recovering && !t.expired:
		c.reduce(t, a)
	case !t.full: // not the window held it back: it proves nothing (RFC 9438 §4.2, RFC 5681 §4.1)
	case t.window < c.slow:
		n := a.segments
		if c.ramp != nil {
			n = c.ramp.grow(t, a, c)
		}
		t.window = min(t.window+n, max(c.slow, t.window+1))
	default:
		t.window = c.curve.grow(now, t.window, a.segments, t.srtt)
	}
}

// reduce is RFC 9937 §6: while more flies than the threshold, one is sent for
// each that the cut leaves of those delivered; below, up to what was delivered,
// and one more while nothing more is lost.
func (c *byLoss) reduce(t *tcp, a acked) {
	c.delivered += a.segments
	var more float64
	if t.flying > c.slow {
		more = math.Ceil(c.delivered*c.slow/c.start) - c.out
	} else {
		limit := max(c.delivered-c.out, a.segments)
		if a.found == 0 {
			limit++
		}
		more = min(c.slow-t.flying, limit)
	}
	if c.out == 0 {
		more = max(more, 1) // the first retransmission leaves at once
	}
	t.window = t.flying + max(0, more)
}

func (c *byLoss) recover(t *tcp, now time.Duration, a acked) {
	c.slow = max(leastWindow, c.curve.cut(t.window, false))
	c.start, c.delivered, c.out = max(1, a.before), 0, 0
}

func (c *byLoss) recovered(t *tcp, _ time.Duration) {
	if !t.expired { // after a timeout slow start goes on
		t.window = c.slow
	}
}

func (c *byLoss) expired(t *tcp, _ time.Duration) {
	if !t.expired { // not again for the same loss
		c.slow = max(leastWindow, c.curve.cut(t.window, true))
	}
	t.window = 1
}

func (c *byLoss) sent(*tcp)          { c.out++ }
func (*byLoss) pace(*tcp) units.Rate { return 0 }

// reno is RFC 5681's congestion avoidance.
type reno struct{}

func (*reno) grow(_ time.Duration, window, n float64, _ time.Duration) float64 {
	return window + n/window
}
func (*reno) cut(window float64, _ bool) float64 { return window / 2 }
func (*reno) reset()                             {}

// cubic is RFC 9438.
type cubic struct {
	most    float64 // window that it aims back at (W_max)
	prior   float64 // window before the last cut
	epoch   time.Duration
	k       float64 // seconds until most is reached again
	est     float64 // what Reno would have (W_est)
	begun   bool
	expired bool // this epoch follows a timeout
}

const (
	cubicC    = 0.4
	cubicBeta = 0.7
)

func (c *cubic) reset() { *c = cubic{} }

func (c *cubic) cut(window float64, expired bool) float64 {
	if window < c.most { // fast convergence, §4.7
		c.most = window * (1 + cubicBeta) / 2
	} else {
		c.most = window
	}
	c.prior, c.begun, c.expired = window, false, expired
	return window * cubicBeta
}

// at is equation 1, the window at a time since the epoch began.
func (c *cubic) at(seconds float64) float64 {
	t := seconds - c.k
	return c.most + cubicC*t*t*t
}

func (c *cubic) grow(now time.Duration, window, n float64, srtt time.Duration) float64 {
	if !c.begun {
		c.begun, c.epoch, c.est = true, now, window
		if c.expired || window >= c.most { // §4.8, §4.2
			c.k, c.most = 0, window
		} else {
			c.k = math.Cbrt((c.most - window) / cubicC)
		}
	}
	// §4.3: as Reno with this cut would, and as Reno above the window before it.
	alpha := 3 * (1 - cubicBeta) / (1 + cubicBeta)
	if c.est >= c.prior {
		alpha = 1
	}
	c.est += alpha * n / window
	t := (now - c.epoch).Seconds()
	if c.at(t) < c.est {
		return max(window, c.est)
	}
	target := max(window, min(c.at(t+srtt.Seconds()), 1.5*window))
	return window + n*(target-window)/window
}
