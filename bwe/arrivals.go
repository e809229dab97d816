package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// keptArrivals is how many packets the delivery rate may be measured over,
	// busyPackets how many it takes at least.
	keptArrivals = 128
	busyPackets  = 5
)

// arrival is one packet that came, as the delivery rate needs it.
type arrival struct {
	sentAt int64
	at     int64 // receiver's clock, never less than that of the one before
	wait   int64
	bytes  int64 // received up to and with this packet
	sent   int64 // and sent
}

// arrivals keeps the newest packets that came, in order of sending.
type arrivals struct {
	ring  [keptArrivals]arrival
	n     int64 // packets ever
	bytes int64
}

func (a *arrivals) reset() { *a = arrivals{} }

func (a *arrivals) add(p *sent, at, wait int64) {
	sentAt, size := p.at, int64(p.size)
	if a.n > 0 {
		last := a.nth(0)
		if sentAt < last.sentAt {
			return // reported late: the newer ones have been judged
		}
		at = max(at, last.at)
	}
	a.bytes += size
	a.ring[a.n%keptArrivals] = arrival{sentAt: sentAt, at: at, wait: wait, bytes: a.bytes, sent: p.through}
	a.n++
}

// nth answers the newest but n.
func (a *arrivals) nth(n int64) *arrival { return &a.ring[(a.n-1-n)%keptArrivals] }

// behind is the wait of a packet sent then, by that of the one before it and what that
// one took to be served. So it is for padding: packets of its size come too seldom
// for their base delay to be known, and would seem not to wait in any queue.
func (a *arrivals) behind(sentAt int64, perByte float64) int64 {
	if a.kept() < 2 {
		return 0
	}
	last := a.nth(0)
	return last.wait + int64(float64(last.bytes-a.nth(1).bytes)*perByte) - max(0, sentAt-last.sentAt)
}

// lately is the rate at which the newest few came; 0 when they are too few.
func (a *arrivals) lately() units.Rate {
	const few = 3
	if a.kept() <= few {
		return 0
	}
	newest, first := a.nth(0), a.nth(few)
	return units.Size(newest.bytes - first.bytes).Over(time.Duration(max(newest.at-first.at, 1)))
}

func (a *arrivals) kept() int64 { return min(a.n, keptArrivals) }

// leastWait is the least wait among at least three packets, and all sent in
// the last span before the newest. A queue holds all of them up; a burst of
// our own, or jitter, does not.
func (a *arrivals) leastWait(span int64) int64 {
	if a.n == 0 {
		return 0
	}
	newest := a.nth(0)
	least := newest.wait
	for i := int64(1); i < a.kept(); i++ {
		p := a.nth(i)
		if i >= 3 && newest.sentAt-p.sentAt > span {
			break
		}
		least = min(least, p.wait)
	}
	return least
}

// recent is the rate at which packets came lately: over the last span of the
// receiver's clock, or over what is kept of it, but of none that was sent before
// since; 0 when that says nothing.
func (a *arrivals) recent(span, since int64) units.Rate {
	k := a.kept()
	if k < busyPackets {
		return 0
	}
	newest := a.nth(0)
	first := newest
	for n := int64(1); n < k && newest.at-first.at < span; n++ {
		p := a.nth(n)
		if p.sentAt < since {
			break
		}
		first = p
	}
	d := newest.at - first.at
	if d < span/3 {
		return 0
	}
	return units.Size(newest.bytes - first.bytes).Over(time.Duration(d))
}

// delivery is a rate measured while the bottleneck was busy throughout.
type delivery struct {
	rate units.Rate    // at which packets came out
	with units.Rate    // the same with those that were lost on the way
	span time.Duration // how long it was watched
	fed  time.Duration // how long it took to send the same packets
	ok   bool
}

// busy measures the delivery rate over the newest packets that all waited
// longer than over: then the bottleneck never idled, and what came out is what
// it carries. It looks back span and at least busyPackets, or a third of that
// when it was not busy for longer. Where a packet was sent more than its wait and
// serve after the one before, which takes that at most to be served, that one had
// left already: the bottleneck idled, although the newer one waited. It may seem
// to, for the least delay of its size is of a time when the path was faster.
func (a *arrivals) busy(over, span, serve int64) delivery {
	k := a.kept()
	if k == 0 {
		return delivery{}
	}
	newest := a.nth(0)
	if newest.wait <= over {
		return delivery{}
	}
	first := newest
	n := int64(1)
	for ; n < k; n++ {
		p := a.nth(n)
		if first.sentAt-p.sentAt > p.wait+serve {
			break
		}
		// The first packet of the run may have found the queue empty: what
		// follows it was served back to back.
		first = p
		if p.wait <= over || n >= busyPackets-1 && newest.at-p.at >= span {
			n++
			break
		}
	}
	if n < busyPackets || n < keptArrivals/2 && newest.at-first.at < span/3 {
		return delivery{}
	}
	d := time.Duration(newest.at - first.at)
	b := units.Size(newest.bytes - first.bytes)
	return delivery{
		rate: b.Over(d),
		with: units.Size(newest.sent - first.sent).Over(d),
		span: d,
		fed:  time.Duration(newest.sentAt - first.sentAt),
		ok:   d > 0,
	}
}
