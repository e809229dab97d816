package lab

import "time"

// pipeline samples the delivery rate (draft-cheng-iccrg-delivery-rate-estimation
// §3).
type pipeline struct {
	delivered float64       // segments, ever
	time      time.Duration // of the last delivery
	first     time.Duration // sending time of the segment delivered last
	limited   float64       // samples are limited by the source up to here; 0 = not
}

// stamp is what a segment remembers of the pipeline when it was sent.
type stamp struct {
	set       bool
	delivered float64
	time      time.Duration
	first     time.Duration
	limited   bool
}

// rateSample is one measurement.
type rateSample struct {
	ok        bool
	rate      float64 // segments a second
	delivered float64 // when the newest segment was sent: counts round trips
	limited   bool
}

func (p *pipeline) stamp(now time.Duration, flying float64) stamp {
	if flying == 0 {
		p.first, p.time = now, now
	}
	return stamp{set: true, delivered: p.delivered, time: p.time, first: p.first, limited: p.limited > 0}
}

// limit notes that the source has no more to send.
func (p *pipeline) limit(flying float64) { p.limited = max(p.delivered+flying, 1) }

func (p *pipeline) deliver(now time.Duration, _ *segment) {
	p.delivered++
	p.time = now
}

// sample measures by the newest segment that an acknowledgement brought.
func (p *pipeline) sample(now time.Duration, n *newest) rateSample {
	if p.limited > 0 && p.delivered > p.limited {
		p.limited = 0
	}
	if !n.fresh {
		return rateSample{}
	}
	n.fresh = false
	p.first = n.sent
	sending, arriving := n.sent-n.stamp.first, now-n.stamp.time
	d := max(sending, arriving)
	s := rateSample{delivered: n.stamp.delivered, limited: n.stamp.limited}
	if d > 0 {
		s.ok, s.rate = true, (p.delivered-n.stamp.delivered)/d.Seconds()
	}
	return s
}
