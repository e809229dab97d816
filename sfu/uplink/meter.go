package uplink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// A rate is measured over two seconds: one alone swings by a fifth with
	// the frames of an ordinary encoder, and the allocator would follow.
	buckets     = 20
	bucketTime  = 100 * time.Millisecond
	meterWindow = buckets * bucketTime
	// minSpan is the shortest time that a young stream's rate is taken over.
	minSpan = 500 * time.Millisecond

	// temporals is how many temporal layers are told apart; higher ones count
	// as the highest.
	temporals = 4
)

// meter measures the wire rate of accepted packets by temporal layer over a
// sliding window.
type meter struct {
	ring   [buckets][temporals]units.Size
	total  [temporals]units.Size
	origin time.Time // start of bucket 0
	begun  time.Time // first packet after nothing was in the window
	latest int64     // number of the newest bucket
}

func (m *meter) add(now time.Time, size units.Size, temporal uint8) {
	if m.origin.IsZero() {
		m.origin = now
	}
	m.slide(now)
	if m.total == ([temporals]units.Size{}) {
		m.begun = now
	}
	t := min(temporal, temporals-1)
	m.ring[m.latest%buckets][t] += size
	m.total[t] += size
}

// slide empties the buckets that have left the window.
func (m *meter) slide(now time.Time) {
	current := max(int64(now.Sub(m.origin)/bucketTime), m.latest)
	for range min(current-m.latest, buckets) {
		m.latest++
		bucket := &m.ring[m.latest%buckets]
		for t, size := range bucket {
			m.total[t] -= size
		}
		*bucket = [temporals]units.Size{}
	}
	m.latest = current
}

// rates answers the rate of each temporal layer with all below it.
func (m *meter) rates(now time.Time) (rates [temporals]units.Rate) {
	if m.origin.IsZero() {
		return rates
	}
	m.slide(now)
	oldest := m.origin.Add(time.Duration(m.latest-buckets+1) * bucketTime)
	if m.begun.After(oldest) {
		oldest = m.begun
	}
	span := max(now.Sub(oldest), minSpan)
	var sum units.Size
	for t, size := range m.total {
		sum += size
		rates[t] = sum.Over(span)
	}
	return rates
}

// Rate answers the wire rate of the stream over the last two seconds: accepted
// packets, each once, with Config.Overhead. It is what forwarding all of the
// stream to one subscriber costs; retransmissions and padding are not in it.
func (s *Stream) Rate(now time.Time) units.Rate { return s.meter.rates(now)[temporals-1] }

// Rates answers the wire rate up to and including each temporal layer, so each
// is at least the one before, and the last is Rate.
func (s *Stream) Rates(now time.Time) [temporals]units.Rate { return s.meter.rates(now) }

const (
	// A stream is taken for inactive after four times its usual frame
	// interval, within these bounds. The upper one covers a voice in silence
	// (a packet per 400 ms) and a video of two frames a second.
	minIdle = time.Second
	maxIdle = 3 * time.Second
)

// beat tells whether a stream is still sending.
type beat struct {
	last      time.Time     // packet; zero: none
	frame     time.Time     // first packet of the newest timestamp
	timestamp uint32        // newest
	interval  time.Duration // smoothed, between timestamps
}

func (b *beat) add(now time.Time, timestamp uint32) {
	if b.last.IsZero() {
		b.frame, b.timestamp = now, timestamp
	} else if int32(timestamp-b.timestamp) > 0 || now.Sub(b.last) >= maxIdle {
		b.interval += (min(now.Sub(b.frame), maxIdle) - b.interval) / 8
		b.frame, b.timestamp = now, timestamp
	}
	b.last = now
}

func (b *beat) alive(now time.Time) bool {
	return !b.last.IsZero() && now.Sub(b.last) <= min(max(4*b.interval, minIdle), maxIdle)
}

// Active answers whether the stream sends: whether a packet was accepted within
// the last second, or longer ago for a stream of few frames.
func (s *Stream) Active(now time.Time) bool { return s.beat.alive(now) }
