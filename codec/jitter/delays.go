package jitter

import (
	"math"
	"time"
)

const (
	// bucket is the grain of the histogram: finer than what anybody hears.
	bucket = 10 * time.Millisecond
	// buckets reach over a second; what comes later is a second late.
	buckets = 100
	// prior is how many packets the initial delay weighs.
	prior = 10
	// span is how long a fastest packet is believed, at least; twice that at
	// most. Skewed clocks of 100 ppm drift 1 to 2 ms in it.
	span = 10 * time.Second
	// minima are kept for the skew: nearly three minutes.
	minima = 16
)

// delays measures how late packets are against the fastest, and answers the
// delay that would have met most.
type delays struct {
	config Config

	started           bool
	begun             time.Duration // when the current span began
	current, previous minimum
	past              [minima]minimum // of whole spans
	pasts             int

	weights     [buckets]float64
	total, unit float64 // of the next packet
}

// minimum is the least transit time seen, and when. Transit times are of two
// clocks: only their differences mean something.
type minimum struct{ at, transit time.Duration }

func newDelays(c Config) delays {
	d := delays{config: c, unit: 1}
	d.weights[min(int(max(c.InitialDelay-1, 0)/bucket), buckets-1)] = prior
	d.total = prior
	return d
}

// observe takes a packet that was sent at the given moment of the stream, lasts
// so long, and arrived at the given moment of ours.
func (d *delays) observe(arrival, sent, length time.Duration) {
	seen := minimum{arrival, arrival - sent}
	switch {
	case !d.started:
		d.started, d.begun, d.current, d.previous = true, arrival, seen, seen
	case arrival-d.begun >= span:
		d.past[d.pasts%minima] = d.current
		d.pasts++
		d.begun, d.previous, d.current = arrival, d.current, seen
	case seen.transit < d.current.transit:
		d.current = seen
	}
	late := max(seen.transit-d.base(), 0)
	d.unit *= math.Exp(float64(length) / float64(d.config.Memory))
	d.weights[min(int(late/bucket), buckets-1)] += d.unit
	d.total += d.unit
	if d.unit > 1e9 { // begin with small numbers again
		for i := range d.weights {
			d.weights[i] /= d.unit
		}
		d.total /= d.unit
		d.unit = 1
	}
}

// base is the transit time of the fastest packet.
func (d *delays) base() time.Duration { return min(d.current.transit, d.previous.transit) }

// since is how long after the fastest possible moment it is for a packet sent
// at the given one.
func (d *delays) since(now, sent time.Duration) time.Duration { return now - sent - d.base() }

// target is the delay that the buffer shall have.
func (d *delays) target() time.Duration {
	sum, enough := 0.0, d.config.Quantile*d.total
	for i, weight := range d.weights {
		if sum += weight; sum >= enough {
			return min(max(time.Duration(i+1)*bucket, d.config.MinDelay), d.config.MaxDelay)
		}
	}
	return d.config.MaxDelay
}

// skew is by how many millionths the sender's clock runs faster than ours: the
// slope of the line through the minima. 0 before there are three, half a minute.
func (d *delays) skew() float64 {
	n := min(d.pasts, minima)
	if n < 3 {
		return 0
	}
	var meanAt, meanTransit float64
	for _, m := range d.past[:n] {
		meanAt += m.at.Seconds() / float64(n)
		meanTransit += m.transit.Seconds() / float64(n)
	}
	var above, below float64
	for _, m := range d.past[:n] {
		at := m.at.Seconds() - meanAt
		above += at * (m.transit.Seconds() - meanTransit)
		below += at * at
	}
	if below == 0 {
		return 0
	}
	return -1e6 * above / below
}
