package uplink

import (
	"math/bits"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// A rate is measured over two seconds: one alone swings by a fifth with
	// the frames of an ordinary encoder, and the allocator would follow.
	buckets     = 20
	bucketTime  = 100 * time.Millisecond
	meterWindow = buckets * bucketTime
	// keyShare is the part of a key frame that counts for what an operating
	// point costs. Key frames come when a subscriber asks for them: with all of
	// it, who comes back to a picture would raise its price and be sent away
	// again. It is about what another frame weighs beside it.
	keyShare = 5
	// minSpan is the shortest time that a young stream's rate is taken over.
	minSpan = 500 * time.Millisecond

	// Spatials and Temporals are how many layers of one stream are told apart;
	// higher ones count as the highest.
	Spatials  = 4
	Temporals = 4
	points    = Spatials * Temporals
)

// point is an operating point of the stream: a spatial and a temporal layer.
type point uint8

func at(spatial, temporal uint8) point {
	return point(min(spatial, Spatials-1)*Temporals + min(temporal, Temporals-1))
}

// counts are bytes by operating point.
type counts struct {
	needed [points]units.Size // by whoever gets that point
	own    [points]units.Size // of exactly these layers
}

// meter measures the wire rate of accepted packets by operating point over a
// sliding window.
type meter struct {
	ring   [buckets]counts
	total  counts
	origin time.Time // start of bucket 0
	begun  time.Time // first packet after nothing was in the window
	latest int64     // number of the newest bucket
}

// add counts a packet of a point, which those in needed (bit i for point i) get
// at a price.
func (m *meter) add(now time.Time, size, price units.Size, needed uint16, own point) {
	if m.origin.IsZero() {
		m.origin = now
	}
	m.slide(now)
	if m.total == (counts{}) {
		m.begun = now
	}
	bucket := &m.ring[m.latest%buckets]
	bucket.own[own] += size
	m.total.own[own] += size
	for ; needed != 0; needed &= needed - 1 {
		i := bits.TrailingZeros16(needed)
		bucket.needed[i] += price
		m.total.needed[i] += price
	}
}

// slide empties the buckets that have left the window.
func (m *meter) slide(now time.Time) {
	current := max(int64(now.Sub(m.origin)/bucketTime), m.latest)
	for range min(current-m.latest, buckets) {
		m.latest++
		bucket := &m.ring[m.latest%buckets]
		for i := range points {
			m.total.needed[i] -= bucket.needed[i]
			m.total.own[i] -= bucket.own[i]
		}
		*bucket = counts{}
	}
	m.latest = current
}

// span is the time over which rates are taken.
func (m *meter) span(now time.Time) time.Duration {
	oldest := m.origin.Add(time.Duration(m.latest-buckets+1) * bucketTime)
	if m.begun.After(oldest) {
		oldest = m.begun
	}
	return max(now.Sub(oldest), minSpan)
}

// Rate answers the wire rate of the stream over the last two seconds: accepted
// packets, each once, with Config.Overhead. It is what forwarding all of the
// stream to one subscriber costs; retransmissions and padding are not in it.
func (s *Stream) Rate(now time.Time) units.Rate {
	m := &s.meter
	if m.origin.IsZero() {
		return 0
	}
	m.slide(now)
	var sum units.Size
	for _, size := range m.total.own {
		sum += size
	}
	return sum.Over(m.span(now))
}

// Rates are wire rates by spatial and temporal layer, each with everything that
// it needs; 0 where nothing of these layers came within the last two seconds.
// Key frames count as ordinary ones.
type Rates [Spatials][Temporals]units.Rate

// Rates answers the wire rates of the operating points of the stream.
func (s *Stream) Rates(now time.Time) (r Rates) {
	m := &s.meter
	if m.origin.IsZero() {
		return r
	}
	m.slide(now)
	span := m.span(now)
	for i := range points {
		if m.total.own[i] > 0 {
			r[i/Temporals][i%Temporals] = m.total.needed[i].Over(span)
		}
	}
	return r
}

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

// Interval answers the usual time from frame to frame; 0 before the second.
func (s *Stream) Interval() time.Duration { return s.beat.interval }
