// Package bucket limits how often something happens: a token bucket, and one for each
// of many keys with a bound on how many keys are remembered.
package bucket

import (
	"sync"
	"time"
)

// maxKeys bounds the keys that are counted at once.
const maxKeys = 10_000

// Map is a token bucket for each key. Any goroutine may use it; its lock is a leaf.
type Map struct {
	rate, burst float64

	mu      sync.Mutex
	buckets map[string]Bucket
}

// A Bucket is a token bucket, full at first. Its caller holds the lock.
type Bucket struct {
	tokens float64
	at     time.Time
}

// fill adds what came since the last time: rate a second, up to burst.
func (b *Bucket) fill(now time.Time, rate, burst float64) {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()*rate)
	}
	b.at = now
}

// Take takes n tokens of a bucket that holds burst and gains rate a second, or none
// and says so.
func (b *Bucket) Take(now time.Time, rate, burst, n float64) bool {
	b.fill(now, rate, burst)
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// New answers buckets that hold burst tokens and gain rate a second.
func New(rate, burst float64) *Map {
	return &Map{rate: rate, burst: burst, buckets: make(map[string]Bucket)}
}

// Take takes n tokens of a key, or none and answers how long to wait for them.
func (m *Map) Take(now time.Time, key string, n int) (ok bool, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, known := m.buckets[key]
	if !known {
		if len(m.buckets) >= maxKeys {
			m.forgetFull(now)
		}
		if len(m.buckets) >= maxKeys {
			return false, time.Second // an attack from everywhere: refuse newcomers
		}
	}
	b.fill(now, m.rate, m.burst)
	need := min(float64(n), m.burst) - b.tokens
	if ok = need <= 0; ok {
		b.tokens -= float64(n) // below 0 for more than the burst: paid back later
	} else {
		wait = max(time.Millisecond, time.Duration(need/m.rate*float64(time.Second)))
	}
	m.buckets[key] = b
	return ok, wait
}

// forgetFull drops the keys whose bucket is full again.
func (m *Map) forgetFull(now time.Time) {
	for key, b := range m.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*m.rate >= m.burst {
			delete(m.buckets, key)
		}
	}
}
