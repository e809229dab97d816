package sfu

import (
	"crypto/rand"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
)

// joinLimiter is a token bucket for each remote address.
type joinLimiter struct{ buckets *bucket.Map }

func newJoinLimiter(rate, burst float64) *joinLimiter {
	return &joinLimiter{bucket.New(rate, burst)}
}

// allow takes one token of an address.
func (l *joinLimiter) allow(now time.Time, address string) bool {
	ok, _ := l.buckets.Take(now, networkOf(address), 1)
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

// randomID answers a prefix and 96 random bits.
func randomID(prefix string) string {
	var b [12]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}
