package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

const (
	// brief is how short a picture was shown that came too soon: it is a nuisance, and
	// on a path that carries one picture what it takes is missing for the first.
	brief = 10 * time.Second
	// Such a picture rests for firstRest, each time twice as long, up to longestRest;
	// not in the first brief of its source, in which the path is found out.
	firstRest   = 4 * time.Second
	longestRest = 32 * time.Second
)

// rest is how long a picture stays away that came back and was lost again soon:
// estimates and what layers weigh wander by more than any headroom.
type rest struct {
	source uint32
	since  time.Time // the source is in the slot
	came   time.Time
	until  time.Time
	length time.Duration
}

// noticeRest notes that a picture came or was lost for want of room.
func (d *Downlink) noticeRest(now time.Time, s *slot, was, is allocator.Grant) {
	r := &s.rest
	if r.source != s.source.ID {
		*r = rest{source: s.source.ID, since: now}
	}
	switch {
	case is.Active() && !was.Active():
		r.came, r.until = now, time.Time{}
	case is.Active() || !was.Active() || is.Reason != allocator.PausedBandwidth || r.came.IsZero():
	case now.Sub(r.came) >= brief || now.Sub(r.since) < brief:
		r.length = 0
	default:
		r.length = min(max(2*r.length, firstRest), longestRest)
		r.until = now.Add(r.length)
		d.allocateSoon(now, r.length)
	}
}

// rests says that the slot's picture is not to come back yet.
func (s *slot) rests(now time.Time) bool {
	return s.rest.source == s.source.ID && now.Before(s.rest.until)
}
