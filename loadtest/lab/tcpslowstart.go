package lab

import "time"

// hystart leaves slow start when the round-trip time rises, before something is
// lost: HyStart++ (RFC 9406), which RFC 9438 §4.10 recommends and without which
// CUBIC overshoots by a whole window.
type hystart struct {
	end        int64 // the round lasts until this segment is acknowledged
	last, this time.Duration
	samples    int
	careful    bool          // conservative slow start
	rounds     int           // of it
	baseline   time.Duration // round-trip time when it began
}

const (
	// RFC 9406 §4.3.
	leastRise     = 4 * time.Millisecond
	mostRise      = 16 * time.Millisecond
	riseDivisor   = 8
	roundSamples  = 8
	carefulShare  = 4
	carefulRounds = 5
	mostGrowth    = 8 // segments for one acknowledgement, unpaced
)

func (h *hystart) begin(t *tcp) { h.end, h.last, h.this = t.next, never, never }

// grow answers by how much the window grows.
func (h *hystart) grow(t *tcp, a acked, c *byLoss) float64 {
	if t.first > h.end {
		h.round(t, c)
	}
	if a.rtt > 0 {
		h.this = min(h.this, a.rtt)
		h.samples++
	}
	n := min(a.segments, mostGrowth)
	if h.samples >= roundSamples && h.this < never {
		rise := max(leastRise, min(h.last/riseDivisor, mostRise))
		switch {
		case h.careful && h.this < h.baseline:
			h.careful = false // it was no queue
		case !h.careful && h.last < never && h.this >= h.last+rise:
			h.careful, h.rounds, h.baseline = true, 0, h.this
		}
	}
	if h.careful {
		return n / carefulShare
	}
	return n
}

// round begins a round trip.
func (h *hystart) round(t *tcp, c *byLoss) {
	h.last, h.this, h.samples, h.end = h.this, never, 0, t.next
	if h.careful {
		if h.rounds++; h.rounds >= carefulRounds {
			c.slow = t.window
		}
	}
}
