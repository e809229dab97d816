package turn

import (
	"net/netip"
	"time"
)

const (
	// maxBuckets bounds the memory that forged addresses can take: about 5 MB.
	maxBuckets = 1 << 16
	// sweepInterval is how often at most full buckets are looked for.
	sweepInterval = time.Second
)

// limiter holds one token bucket for each source address. It is pure: whoever
// owns it tells the time and holds the lock.
type limiter struct {
	rate    float64 // tokens a second
	burst   float64 // tokens in a full bucket
	max     int     // buckets
	buckets map[netip.Addr]bucket
	crowd   bucket // shared by the newcomers while buckets is full
	swept   time.Time
}

// bucket is a level at a moment; it fills as time goes by.
type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(rate float64, burst int) *limiter {
	return &limiter{
		rate: rate, burst: float64(burst), max: maxBuckets,
		buckets: make(map[netip.Addr]bucket),
		crowd:   bucket{tokens: float64(burst)},
	}
}

// sourceKey is what counts as one source: an IPv4 address, or an IPv6 /64, which
// is what one customer has.
func sourceKey(addr netip.Addr) netip.Addr {
	addr = normal(addr)
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return addr
}

// ready says whether take would succeed.
func (l *limiter) ready(now time.Time, source netip.Addr) bool {
	b, known := l.buckets[sourceKey(source)]
	if !known {
		if len(l.buckets) < l.max {
			return true
		}
		b = l.crowd
	}
	return l.level(now, b) >= 1
}

// take spends a token of source's bucket and says whether there was one.
func (l *limiter) take(now time.Time, source netip.Addr) bool {
	key := sourceKey(source)
	b, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= l.max {
			l.sweep(now)
		}
		if len(l.buckets) >= l.max {
			return l.spend(now, &l.crowd)
		}
		b = bucket{tokens: l.burst, at: now}
	}
	ok := l.spend(now, &b)
	l.buckets[key] = b
	return ok
}

// spend takes a token out of b if one is there.
func (l *limiter) spend(now time.Time, b *bucket) bool {
	b.tokens, b.at = l.level(now, *b), now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// level answers how full b is now.
func (l *limiter) level(now time.Time, b bucket) float64 {
	return min(l.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate)
}

// sweep forgets the buckets that are full again: they say nothing.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < sweepInterval {
		return
	}
	l.swept = now
	for key, b := range l.buckets {
		if l.level(now, b) >= l.burst {
			delete(l.buckets, key)
		}
	}
}
