package uplink

import "time"

const (
	// A key frame that has not come is asked for again after 1.5 RTT, within
	// these bounds.
	minKeyframeRepeat = 300 * time.Millisecond
	maxKeyframeRepeat = 2 * time.Second
	// keyframeSpacing is the least time from one request to the next after
	// the first was answered: a key frame costs a publisher as much as many
	// other frames, whoever wants it.
	keyframeSpacing = 500 * time.Millisecond
	// silentRequests is how often a stream that sends nothing at all is asked
	// for a key frame. Browsers answer with a key frame on every layer, so a
	// paused layer must not be asked for ever.
	silentRequests = 4
)

// wish merges everybody's wish for a key frame into few requests.
type wish struct {
	wanted    time.Time // since when; zero: nobody wants one
	sent      time.Time // last request
	satisfied bool      // a key frame has come since
	unheard   int       // requests since the last packet of any kind
	count     uint64
}

// WantKeyframe notes that somebody needs a key frame of this stream. Wishes
// are merged until one arrives.
func (s *Stream) WantKeyframe(now time.Time) {
	if s.wish.wanted.IsZero() && !s.closed {
		s.wish.wanted = now
	}
}

// KeyframeDue answers whether to send a PLI (RFC 4585 §6.3.1) to the publisher
// now, and takes it for sent if so.
func (s *Stream) KeyframeDue(now time.Time) bool {
	next := s.wish.next(s.rtt)
	if next.IsZero() || now.Before(next) {
		return false
	}
	s.wish.sent, s.wish.satisfied = now, false
	s.wish.unheard++
	s.wish.count++
	return true
}

// next is when a request may be sent, zero for never.
func (w *wish) next(rtt time.Duration) time.Time {
	if w.wanted.IsZero() || w.unheard >= silentRequests {
		return time.Time{}
	}
	if w.sent.IsZero() {
		return w.wanted
	}
	pause := min(max(rtt*3/2, minKeyframeRepeat), maxKeyframeRepeat)
	if w.satisfied {
		pause = max(pause, keyframeSpacing)
	}
	if w.unheard > 1 {
		pause <<= w.unheard - 1
	}
	if next := w.sent.Add(pause); next.After(w.wanted) {
		return next
	}
	return w.wanted
}

// heard notes that the stream sends something.
func (w *wish) heard() { w.unheard = 0 }

// satisfy notes that a key frame has begun.
func (w *wish) satisfy() { w.wanted, w.satisfied = time.Time{}, true }
