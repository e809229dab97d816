package lab

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Constants of BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00
// §4; Linux has used them since 4.9).
const (
	bbrHighGain     = 2.885 // 2/ln 2
	bbrWindowGain   = 2.0
	bbrBandwidthLen = 10 // round trips
	bbrDelayLen     = 10 * time.Second
	bbrProbeTime    = 200 * time.Millisecond
	bbrLeastWindow  = 4.0
	bbrFullGrowth   = 1.25
	bbrFullRounds   = 3
	bbrPacingMargin = 0.99 // Linux
	bbrQuantums     = 3.0  // that the window is above the product
	// A quantum is one segment below this rate, else two.
	bbrSlow = 1200 * units.Kbps
)

// bbrCycle is the pacing gain of each phase of the bandwidth probe.
var bbrCycle = [...]float64{1.25, 0.75, 1, 1, 1, 1, 1, 1}

// bbrState is what a BBR sender is doing (§4.3).
type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrProbeBandwidth
	bbrProbeDelay
)

// bbr is a control by a model of the path: the most that was delivered in ten
// round trips, and the least delay of ten seconds. It does not take loss for a
// sign of anything.
type bbr struct {
	random *rand.Rand
	state  bbrState

	bandwidth peak          // segments a second
	delay     time.Duration // least; 0 = none yet
	delayAt   time.Duration

	round    uint64
	roundEnd float64 // delivered
	fresh    bool    // a round trip began with this acknowledgement

	filled   bool
	fullest  float64
	noGrowth int

	phase      int
	phaseStart time.Duration

	probeEnd   time.Duration // of the delay; 0 = the pipe is not low yet
	probeRound bool

	saved     float64 // window before recovery or a probe
	conserve  bool    // first round trip of recovery
	pacing    float64 // gain
	windowing float64 // gain
}

// sampleOf is one bandwidth in a round trip.
type sampleOf struct {
	round uint64
	rate  float64
}

// peak is a maximum over the last round trips.
type peak struct{ samples []sampleOf }

func (m *peak) note(round uint64, rate float64) {
	for len(m.samples) > 0 && m.samples[len(m.samples)-1].rate <= rate {
		m.samples = m.samples[:len(m.samples)-1]
	}
	m.samples = append(m.samples, sampleOf{round, rate})
	for m.samples[0].round+bbrBandwidthLen <= round {
		m.samples = m.samples[1:]
	}
}

func (m *peak) value() float64 {
	if len(m.samples) == 0 {
		return 0
	}
	return m.samples[0].rate
}

func (b *bbr) begin(*tcp) {
	*b = bbr{random: b.random, pacing: bbrHighGain, windowing: bbrHighGain}
}

func (b *bbr) acknowledged(t *tcp, now time.Duration, a acked) {
	b.fresh = false
	if a.rate.ok {
		if a.rate.delivered >= b.roundEnd {
			b.roundEnd = t.pipe.delivered
			b.round++
			b.fresh = true
			b.conserve = false
		}
		if !a.rate.limited || a.rate.rate >= b.bandwidth.value() {
			b.bandwidth.note(b.round, a.rate.rate)
		}
	}
	b.cycle(now, t, a)
	b.checkFull(a)
	b.checkDrain(now, t)
	b.checkDelay(now, t, a)
	b.setWindow(t, a)
}

// product is so many times what the path holds, and a margin for what leaves
// and is acknowledged together (§4.2.3.2).
func (b *bbr) product(gain float64) float64 {
	if b.delay == 0 {
		return initialWindow
	}
	bandwidth, quantum := b.bandwidth.value(), 2.0
	if units.Rate(bandwidth*8*float64(segmentSize)) < bbrSlow {
		quantum = 1
	}
	return gain*bandwidth*b.delay.Seconds() + bbrQuantums*quantum
}

// cycle is the probe of the bandwidth (§4.3.4.3).
func (b *bbr) cycle(now time.Duration, t *tcp, a acked) {
	if b.state != bbrProbeBandwidth {
		return
	}
	long := now-b.phaseStart > b.delay
	next := long
	switch {
	case b.pacing > 1:
		next = long && (a.found > 0 || a.before >= b.product(b.pacing))
	case b.pacing < 1:
		next = long || a.before <= b.product(1)
	}
	if next {
		b.enterPhase(now, (b.phase+1)%len(bbrCycle))
	}
}

func (b *bbr) enterPhase(now time.Duration, phase int) {
	b.phase, b.phaseStart, b.pacing = phase, now, bbrCycle[phase]
}

func (b *bbr) enterProbeBandwidth(now time.Duration) {
	b.state, b.windowing = bbrProbeBandwidth, bbrWindowGain
	// Any phase but the one that drains.
	phase := b.random.IntN(len(bbrCycle) - 1)
	if phase > 0 {
		phase++
	}
	b.enterPhase(now, phase)
}

// checkFull ends startup when three round trips brought no quarter more (§4.3.2.2).
func (b *bbr) checkFull(a acked) {
	if b.filled || !b.fresh || a.rate.limited {
		return
	}
	if v := b.bandwidth.value(); v >= b.fullest*bbrFullGrowth {
		b.fullest, b.noGrowth = v, 0
		return
	}
	b.noGrowth++
	b.filled = b.noGrowth >= bbrFullRounds
}

// checkDrain empties the queue that startup made (§4.3.3).
func (b *bbr) checkDrain(now time.Duration, t *tcp) {
	if b.state == bbrStartup && b.filled {
		b.state, b.pacing, b.windowing = bbrDrain, 1/bbrHighGain, bbrHighGain
	}
	if b.state == bbrDrain && t.flying <= b.product(1) {
		b.enterProbeBandwidth(now)
	}
}

// checkDelay is the probe of the delay (§4.3.5): when none as low was seen for
// ten seconds, four segments fly for 200 ms and a round trip.
func (b *bbr) checkDelay(now time.Duration, t *tcp, a acked) {
	expired := b.delay > 0 && now > b.delayAt+bbrDelayLen
	if a.rtt > 0 && (b.delay == 0 || a.rtt <= b.delay || expired) {
		b.delay, b.delayAt = a.rtt, now
	}
	if expired && b.state != bbrProbeDelay {
		b.state, b.pacing, b.windowing = bbrProbeDelay, 1, 1
		b.saved, b.probeEnd = max(b.saved, t.window), 0
	}
	if b.state != bbrProbeDelay {
		return
	}
	t.pipe.limit(t.flying)
	if b.probeEnd == 0 {
		if t.flying <= bbrLeastWindow {
			b.probeEnd, b.probeRound, b.roundEnd = now+bbrProbeTime, false, t.pipe.delivered
		}
		return
	}
	if b.fresh {
		b.probeRound = true
	}
	if !b.probeRound || now < b.probeEnd {
		return
	}
	b.delayAt = now
	t.window = max(t.window, b.saved)
	b.saved = 0
	if b.filled {
		b.enterProbeBandwidth(now)
	} else {
		b.state, b.pacing, b.windowing = bbrStartup, bbrHighGain, bbrHighGain
	}
}

// setWindow is §4.2.3.
func (b *bbr) setWindow(t *tcp, a acked) {
	if t.recovering && a.found > 0 { // what was lost is not replaced at once
		t.window = max(t.window-a.found, 1)
	}
	switch target := b.product(b.windowing); {
	case b.conserve:
		t.window = max(t.window, t.flying+a.segments)
	case b.filled:
		t.window = min(t.window+a.segments, target)
	case t.window < target || t.pipe.delivered < initialWindow:
		t.window += a.segments
	}
	t.window = max(t.window, bbrLeastWindow)
	if b.state == bbrProbeDelay {
		t.window = min(t.window, bbrLeastWindow)
	}
}

func (b *bbr) recover(t *tcp, _ time.Duration, a acked) {
	b.saved = max(b.saved, t.window)
	t.window = t.flying + max(a.segments, 1)
	b.conserve, b.roundEnd = true, t.pipe.delivered
}

func (b *bbr) recovered(t *tcp, _ time.Duration) {
	b.conserve = false
	if b.state != bbrProbeDelay {
		t.window = max(t.window, b.saved)
		b.saved = 0
	}
}

func (b *bbr) expired(t *tcp, _ time.Duration) {
	b.saved = max(b.saved, t.window)
	t.window = 1
}

func (*bbr) sent(*tcp) {}

// pace is §4.2.1; before the first sample the initial window goes in a
// millisecond or, when it is known, a round trip.
func (b *bbr) pace(t *tcp) units.Rate {
	v := b.bandwidth.value()
	if v == 0 {
		v = initialWindow / max(t.srtt, time.Millisecond).Seconds()
	}
	return units.Rate(math.Max(1, b.pacing*bbrPacingMargin*v*8*float64(segmentSize)))
}
