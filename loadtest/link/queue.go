package link

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// span is when a packet is served.
type span struct {
	begin, done time.Duration
	size        units.Size
}

// queue knows when each packet that was taken is served.
type queue struct {
	free  time.Duration // the bottleneck is busy until then
	spans []span        // from head; what is done is taken off
	head  int
	bytes units.Size // of spans, from head
}

func (q *queue) add(begin, done time.Duration, size units.Size) {
	q.free = done
	if q.head > 64 && q.head > len(q.spans)/2 {
		n := copy(q.spans, q.spans[q.head:])
		q.spans, q.head = q.spans[:n], 0
	}
	q.spans = append(q.spans, span{begin, done, size})
	q.bytes += size
}

// backlog is how many bytes are not served at t: what has begun counts by the
// part that is left.
func (q *queue) backlog(t time.Duration) units.Size {
	for ; q.head < len(q.spans) && q.spans[q.head].done <= t; q.head++ {
		q.bytes -= q.spans[q.head].size
	}
	if q.head == len(q.spans) {
		q.spans, q.head = q.spans[:0], 0
		return 0
	}
	bytes := q.bytes
	if s := q.spans[q.head]; s.begin < t {
		served := float64(t-s.begin) / float64(s.done-s.begin)
		bytes -= units.Size(served * float64(s.size))
	}
	return bytes
}

// tokens is the bucket of a policer.
type tokens struct {
	policer Policer
	left    float64
	at      time.Duration
}

func (b *tokens) take(now time.Duration, size units.Size) bool {
	if b.policer.Rate == 0 {
		return true
	}
	b.left = min(float64(b.policer.Burst), b.left+float64(b.policer.Rate)/8*(now-b.at).Seconds())
	b.at = now
	if b.left < float64(size) {
		return false
	}
	b.left -= float64(size)
	return true
}

// codel is RFC 8289 §5, with one difference: a queue of no more than one full
// packet counts as short when it was that for the packet as it came, not as it
// leaves, for what is behind it then is not known yet.
type codel struct {
	target, interval time.Duration
	above            time.Duration // when the wait will have been long for an interval
	next             time.Duration
	count, last      int
	dropping         bool
	waiting          bool // above is set
}

// drops decides on a packet that leaves the queue at t after waiting, and
// found so much before it.
func (c *codel) drops(t, waited time.Duration, ahead units.Size) bool {
	long := false
	switch {
	case waited < c.target || ahead <= OpportunitySize:
		c.waiting = false
	case !c.waiting:
		c.above, c.waiting = t+c.interval, true
	default:
		long = t >= c.above
	}
	if c.dropping {
		switch {
		case !long:
			c.dropping = false
		case t >= c.next:
			c.count++
			c.next = c.law(c.next)
			return true
		}
		return false
	}
	if !long {
		return false
	}
	c.dropping = true
	recent := c.count - c.last
	c.count = 1
	if recent > 1 && t-c.next < 16*c.interval {
		c.count = recent
	}
	c.next = c.law(t)
	c.last = c.count
	return true
}

// law is when to drop next.
func (c *codel) law(t time.Duration) time.Duration {
	return t + time.Duration(float64(c.interval)/math.Sqrt(float64(c.count)))
}
