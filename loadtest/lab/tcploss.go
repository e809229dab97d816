package lab

import "time"

const (
	// duplicates above a segment make it lost (RFC 6675 §2).
	duplicates = 3
	// Retransmission timeouts: RFC 6298, with the variation and the most that
	// Linux uses: a timeout is 200 ms above the round-trip time at the least.
	leastVariation = 200 * time.Millisecond
	firstRTO       = time.Second
	mostRTO        = 120 * time.Second
)

// newest is the segment that was sent last among those that arrived (RFC 8985
// §5.2, "RACK.segment").
type newest struct {
	sent   time.Duration
	number int64
	stamp  stamp
	fresh  bool // since the rate was last sampled
}

// note answers whether a segment that arrived is the newest.
func (n *newest) note(s *segment, number int64) bool {
	if n.stamp.set && (s.sent < n.sent || s.sent == n.sent && number < n.number) {
		return false
	}
	*n = newest{sent: s.sent, number: number, stamp: s.stamp, fresh: true}
	return true
}

// findLosses marks what is lost and answers how many were found: segments that
// were sent once, when enough was acknowledged above them (RFC 6675 §4); those
// sent again, when something sent later has arrived (RFC 8985 §6.2, with a
// reordering window of 0, as in its recovery). Without the second a lost
// retransmission would end in nothing but a timeout.
func (t *tcp) findLosses() float64 {
	found := 0.0
	above := 0
	for n := t.sackedTo - 1; n >= t.first; n-- {
		s := &t.segments[n-t.first]
		switch {
		case s.sacked:
			above++
			continue
		case s.lost:
			continue
		case s.twice:
			if s.sent >= t.newest.sent {
				continue
			}
		case above < duplicates:
			continue
		}
		s.lost = true
		t.waiting++
		t.flying--
		found++
	}
	return found
}

// expire is what a timeout does (RFC 5681 §3.1, RFC 6298 §5).
func (t *tcp) expire(now time.Duration) {
	if len(t.segments) == 0 {
		return
	}
	t.control.expired(t, now)
	t.recovering, t.expired, t.point = true, true, t.next
	t.rto = min(2*t.rto, mostRTO)
	t.waiting, t.flying = 0, 0
	for i := range t.segments {
		if s := &t.segments[i]; !s.sacked {
			s.lost = true
			t.waiting++
		}
	}
	t.pause = now
}

// arm starts the retransmission timer anew.
func (t *tcp) arm(now time.Duration) {
	t.timer = never
	if len(t.segments) > 0 {
		t.timer = now + t.rto
		t.world.at(t.timer, t, timeout)
	}
}

// sample is RFC 6298 §2.
func (t *tcp) sample(rtt time.Duration) {
	if t.srtt == 0 {
		t.srtt, t.rttvar = rtt, rtt/2
	} else {
		d := t.srtt - rtt
		if d < 0 {
			d = -d
		}
		t.rttvar += (d - t.rttvar) / 4
		t.srtt += (rtt - t.srtt) / 8
	}
	t.rto = min(t.srtt+max(leastVariation, 4*t.rttvar), mostRTO)
}
