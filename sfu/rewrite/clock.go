package rewrite

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// smoothing is the weight of one frame in the estimate of how far arrivals
	// lag behind timestamps: large enough to follow a queue that builds up,
	// small enough to forget the jitter of one frame.
	smoothing = 1.0 / 16

	// memory is the time constant with which the lag of the whole stream
	// follows that of the current source: slow against the jitter of single
	// switches, so that many of them do not add up, and fast enough for clocks
	// that differ by 100 parts in a million (3 ms in it).
	memory = 30 * time.Second

	// maxPull is how far one switch may correct what earlier ones got wrong.
	maxPull = 10 * time.Millisecond

	// maxResume is how far a source may be off, after a pause, to go on with
	// the timestamps it would have had.
	maxResume = time.Second

	// maxError is how far a source's timestamps may leave real time before
	// they count as begun anew. Links exist that hold packets back for
	// seconds; ten are no link's doing.
	maxError = 10 * time.Second
)

// clock turns the timestamps of sources into those of one outgoing stream. It
// reckons in ticks of the clock rate since the first packet.
type clock struct {
	rate     float64 // ticks a second
	base     uint32  // outgoing timestamp of tick 0
	captured func(ssrc, timestamp uint32) (time.Time, bool)

	started bool
	origin  time.Time // arrival of the first packet
	in      uint32    // newest timestamp of the current source
	raw     int64     // the tick it stands for
	last    int64     // newest tick sent, never less than before
	floor   int64     // tick of the current source's first frame
	fresh   bool      // the current source has sent nothing

	lag    float64       // ticks by which arrivals are later than what is sent
	steady float64       // lag, slowly
	seen   time.Duration // arrival of the last frame, since origin

	captureKnown bool    // the last frame's capture time was known
	captureLag   float64 // ticks by which captures are later than what is sent
}

func newClock(rate, base uint32, captured func(ssrc, timestamp uint32) (time.Time, bool)) clock {
	return clock{rate: float64(rate), base: base, captured: captured}
}

// ticks is a time in ticks since the first packet.
func (c *clock) ticks(t time.Time) float64 { return t.Sub(c.origin).Seconds() * c.rate }

// span is a duration in ticks.
func (c *clock) span(d time.Duration) float64 { return d.Seconds() * c.rate }

// arrival is when p came; now if that was not noted.
func arrival(now time.Time, p *packet.Packet) time.Time {
	if p.Arrival.IsZero() {
		return now
	}
	return p.Arrival
}

// change begins another source with p, or the same one again.
func (c *clock) change(now time.Time, p *packet.Packet, same bool) {
	came := arrival(now, p)
	if !c.started {
		c.started = true
		c.origin = came
		c.last = -1
		c.in, c.raw, c.floor, c.fresh = p.Timestamp, 0, 0, true
		return
	}
	expected := c.ticks(came) - c.lag - clamp(c.steady-c.lag, c.span(maxPull))
	raw := round(expected)
	resumed := c.raw + int64(int32(p.Timestamp-c.in))
	at, known := c.capture(p, came)
	switch {
	case same && abs(float64(resumed)-expected) <= c.span(maxResume):
		raw = resumed
	case known && c.captureKnown && !same:
		if exact := c.ticks(at) - c.captureLag; abs(exact-expected) <= c.span(maxResume) {
			raw = round(exact)
		}
	}
	c.raw = max(raw, c.last+1)
	c.in, c.floor, c.fresh = p.Timestamp, c.raw, true
	c.captureKnown = false
}

// next answers the outgoing timestamp of p, the newest packet that goes out.
func (c *clock) next(now time.Time, p *packet.Packet) uint32 {
	if p.Timestamp == c.in && !c.fresh {
		return c.stamp(c.last)
	}
	came := arrival(now, p)
	wall := c.ticks(came)
	c.raw += int64(int32(p.Timestamp - c.in))
	c.in = p.Timestamp
	if abs(float64(c.raw)-(wall-c.lag)) > c.span(maxError) {
		c.raw = max(round(wall-c.lag), c.last+1)
		c.captureKnown = false
	}
	// A source whose timestamps go back (B-frames, lies) is not followed.
	c.last = max(c.raw, c.last+1)
	c.fresh = false
	c.learn(p, came)
	return c.stamp(c.last)
}

// catchUp answers the outgoing timestamp of a packet that came late and yet is
// the newest that goes out. Its arrival tells nothing.
func (c *clock) catchUp(p *packet.Packet) uint32 {
	step := int64(int32(p.Timestamp - c.in))
	if step <= 0 || c.fresh || float64(step) > c.span(maxError) {
		return c.stamp(max(c.last, c.floor))
	}
	c.in = p.Timestamp
	c.raw += step
	c.last = max(c.raw, c.last)
	return c.stamp(c.last)
}

// learn takes one frame into the estimates of lag.
func (c *clock) learn(p *packet.Packet, came time.Time) {
	if p.Recovered { // came late for reasons of its own
		return
	}
	sample := c.ticks(came) - float64(c.last)
	c.lag += (sample - c.lag) * smoothing
	elapsed := came.Sub(c.origin)
	step := min(max(elapsed-c.seen, 0), memory)
	c.seen = max(elapsed, c.seen)
	c.steady += (c.lag - c.steady) * (step.Seconds() / memory.Seconds())

	at, known := c.capture(p, came)
	if !known {
		c.captureKnown = false
		return
	}
	sample = c.ticks(at) - float64(c.last)
	if !c.captureKnown {
		c.captureLag = sample
	}
	c.captureKnown = true
	c.captureLag += (sample - c.captureLag) * smoothing
}

// capture answers when p's frame was captured, if that is known and credible.
func (c *clock) capture(p *packet.Packet, came time.Time) (time.Time, bool) {
	if c.captured == nil {
		return time.Time{}, false
	}
	at, ok := c.captured(p.SSRC, p.Timestamp)
	if !ok || came.Sub(at).Abs() > maxError {
		return time.Time{}, false
	}
	return at, true
}

// late answers the timestamp of a packet older than the newest that went out.
func (c *clock) late(p *packet.Packet) uint32 {
	tick := c.raw + int64(int32(p.Timestamp-c.in))
	return c.stamp(max(min(tick, c.last), c.floor))
}

// at answers the timestamp that belongs to a time.
func (c *clock) at(now time.Time) (uint32, bool) {
	if !c.started || c.last < 0 {
		return 0, false
	}
	lag := c.lag
	if c.captureKnown {
		lag = c.captureLag
	}
	return c.stamp(round(c.ticks(now) - lag)), true
}

// stamp is the outgoing timestamp of a tick.
func (c *clock) stamp(tick int64) uint32 { return c.base + uint32(tick) }

func clamp(v, limit float64) float64 { return max(-limit, min(v, limit)) }

func round(v float64) int64 { return int64(math.Round(v)) }

func abs(v float64) float64 { return max(v, -v) }
