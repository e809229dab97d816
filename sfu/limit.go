package sfu

import (
	"crypto/rand"
	"encoding/base64"
	"net/netip"
	"sync"
	"time"
)

// maxAddresses bounds the addresses whose joins are counted at once.
const maxAddresses = 10_000

// joinLimiter is a token bucket for each remote address.
type joinLimiter struct {
	rate, burst float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newJoinLimiter(rate, burst float64) *joinLimiter {
	return &joinLimiter{rate: rate, burst: burst, buckets: make(map[string]bucket)}
}

// allow takes one token of an address.
func (l *joinLimiter) allow(now time.Time, address string) bool {
	address = networkOf(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[address]
	if !known {
		if len(l.buckets) >= maxAddresses {
			l.forgetFull(now)
		}
		if len(l.buckets) >= maxAddresses {
			return false // an attack from everywhere: refuse newcomers
		}
		b = bucket{tokens: l.burst, at: now}
	}
	b.tokens = min(l.burst, b.tokens+now.Sub(b.at).Seconds()*l.rate)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.buckets[address] = b
	return ok
}

// networkOf answers what one subscriber of a provider has: an IPv4 address, or
// the /64 of an IPv6 address (RFC 6177).
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}

// forgetFull drops the addresses whose bucket is full again.
func (l *joinLimiter) forgetFull(now time.Time) {
	for address, b := range l.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*l.rate >= l.burst {
			delete(l.buckets, address)
		}
	}
}

// randomID answers a prefix and 96 random bits.
func randomID(prefix string) string {
	var b [12]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}
