package feedback

import (
	"math"
	"time"
)

const (
	// streams is how many streams' clocks are followed.
	streams = 8
	// baseTime is over how long, twice, the least delay is remembered.
	baseTime = 10 * time.Second
	// leastRise is the least rise of the delay that is a jump; it also takes
	// more than its usual spread.
	leastRise = 15 * time.Millisecond
	// foreign is a difference that no queue makes: another clock.
	foreign = 20 * time.Second
)

// trend follows the one-way delay of media by its own time stamps (RFC 3550
// §5.1): they need nothing of the sender and no extension. What a sender's
// pacer holds back is in it too, which is what a receiver waits for as well.
type trend struct {
	clocks [streams]clock
	next   int
	recent [16]sample // newest at seen-1
	seen   int
	level  float64 // least delay lately, above the least at all; nanoseconds
	told   float64 // the same when the last report was built
	spread float64 // how far levels lie apart, smoothed
}

// sample is the delay of one packet above the least.
type sample struct {
	at    time.Time
	level float64
}

// clock is one stream's.
type clock struct {
	ssrc    uint32
	rate    uint32
	stamp   uint32
	media   time.Duration // since the first
	start   time.Time
	least   [2]time.Duration
	rotated time.Time
}

// note takes the first packet of each time stamp and answers whether the delay
// has jumped since the last report. packet is what a full packet lasts: one
// that others waited behind is no queue yet, so the least over that long counts.
func (t *trend) note(now time.Time, packet time.Duration, ssrc, stamp, rate uint32) bool {
	if rate == 0 {
		return false
	}
	c := t.find(ssrc, rate)
	if c == nil {
		c = &t.clocks[t.next]
		t.next = (t.next + 1) % streams
		c.begin(now, ssrc, stamp, rate)
		return false
	}
	step := int32(stamp - c.stamp)
	if step <= 0 {
		return false // the rest of a frame, or late
	}
	c.stamp = stamp
	c.media += time.Duration(float64(step) / float64(rate) * float64(time.Second))
	delay := now.Sub(c.start) - c.media
	if last := min(c.least[0], c.least[1]); delay > last+foreign || delay < last-foreign {
		c.begin(now, ssrc, stamp, rate)
		return false
	}
	if now.Sub(c.rotated) >= baseTime {
		c.rotated = now
		c.least[1], c.least[0] = c.least[0], delay
	}
	c.least[0] = min(c.least[0], delay)
	t.recent[t.seen%len(t.recent)] = sample{now, float64(delay - min(c.least[0], c.least[1]))}
	t.seen++
	level := t.lately(packet)
	t.spread += (math.Abs(level-t.level) - t.spread) / 16
	t.level = level
	return level > t.told+max(float64(leastRise), t.spread)
}

// lately is the least delay over so long.
func (t *trend) lately(long time.Duration) float64 {
	newest := t.recent[(t.seen-1)%len(t.recent)]
	level := newest.level
	for i := 2; i <= min(t.seen, len(t.recent)); i++ {
		s := t.recent[(t.seen-i)%len(t.recent)]
		if newest.at.Sub(s.at) > long {
			break
		}
		level = min(level, s.level)
	}
	return level
}

func (t *trend) find(ssrc, rate uint32) *clock {
	for i := range t.clocks {
		if c := &t.clocks[i]; c.ssrc == ssrc && c.rate == rate {
			return c
		}
	}
	return nil
}

func (c *clock) begin(now time.Time, ssrc, stamp, rate uint32) {
	*c = clock{ssrc: ssrc, rate: rate, stamp: stamp, start: now, rotated: now}
}

// reported takes the present delay for what the sender knows.
func (t *trend) reported() { t.told = t.level }
