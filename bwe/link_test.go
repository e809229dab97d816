package bwe_test

import (
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// link is one bottleneck: a rate that may change, a tail-drop queue, a delay
// and random loss. It is the smallest thing that can be congested; the lab has
// a better one.
type link struct {
	rate   func(at time.Duration) units.Rate
	delay  time.Duration                        // one way
	queue  time.Duration                        // tail drop
	loss   float64                              // after the bottleneck
	burst  float64                              // chance to stay in a loss burst; 0 is independent loss
	jitter time.Duration                        // standard deviation, added without reordering
	slot   time.Duration                        // deliveries wait for the next multiple
	detour func(at time.Duration) time.Duration // more delay
	stall  time.Duration                        // each second begins with so long of nothing
	bucket units.Size                           // >0: a policer of this depth; queue and rate do not delay
	repair bool                                 // TCP: what is lost comes a round trip later, and holds up what follows

	free    time.Duration // bottleneck is busy until then
	last    time.Duration
	tokens  float64
	filled  time.Duration
	bad     bool
	random  *rand.Rand
	waits   []time.Duration
	from    time.Duration // measured from then
	dropped int
	offered int
	deliver units.Size
}

// send answers when a packet arrives, and whether it does.
func (l *link) send(now time.Duration, size units.Size) (time.Duration, bool) {
	measured := now >= l.from
	if measured {
		l.offered++
	}
	if l.bucket > 0 {
		l.tokens = min(float64(l.bucket), l.tokens+float64(l.rate(now))/8*(now-l.filled).Seconds())
		l.filled = now
		if l.tokens < float64(size) {
			if measured {
				l.dropped++
			}
			return 0, false
		}
		l.tokens -= float64(size)
		if measured {
			l.deliver += size
			l.waits = append(l.waits, 0)
		}
		return now + l.delay, true
	}
	start := max(now, l.free)
	for l.rate(start) == 0 {
		start += 5 * time.Millisecond
	}
	wait := start - now
	if wait > l.queue {
		if measured {
			l.dropped++
		}
		return 0, false
	}
	// Serialise piece by piece, for the rate may change under way.
	left := float64(size) * 8
	for at := start; ; {
		r := float64(l.rate(at))
		step := 5 * time.Millisecond
		if can := r * step.Seconds(); can < left {
			left -= can
			at += step
			continue
		}
		l.free = at + time.Duration(left/r*float64(time.Second))
		break
	}
	if measured {
		l.waits = append(l.waits, wait)
	}
	var again time.Duration
	for l.random.Float64() < l.lossNow() {
		if !l.repair {
			return 0, false
		}
		// Sent again as soon as three segments after it were acknowledged (RFC 5681
		// §3.2), about, and after as long again if that is lost too.
		again += 2*l.delay + 10*time.Millisecond
		l.free += size.At(l.rate(l.free))
	}
	if measured {
		l.deliver += size
	}
	at := l.free + l.delay + again
	if l.detour != nil {
		at += l.detour(now)
	}
	if l.jitter > 0 {
		at += time.Duration(min(3, max(-3, l.random.NormFloat64()))*float64(l.jitter)) + 3*l.jitter
	}
	if l.stall > 0 {
		// A receiver that is not scheduled for a while every second.
		if phase := at % time.Second; phase < l.stall {
			at += l.stall - phase
		}
	}
	if l.slot > 0 {
		at = (at + l.slot - 1) / l.slot * l.slot
	}
	l.last = max(l.last, at)
	return l.last, true
}

func (l *link) lossNow() float64 {
	if l.burst == 0 {
		return l.loss
	}
	// Gilbert-Elliott with 80 % loss in the bad state and a mean of loss.
	leave := 1 - l.burst
	share := l.loss / 0.8
	enter := leave * share / (1 - share)
	if l.bad {
		l.bad = l.random.Float64() >= leave
	} else {
		l.bad = l.random.Float64() < enter
	}
	if l.bad {
		return 0.8
	}
	return 0
}
