package uplink

import (
	"slices"
	"time"
)

// Retransmission without a bound is a congestion collapse: asked again for
// packets that it has already sent again, a publisher fills its uplink with
// repetitions and loses its new packets in its own queue. Hence three bounds:
// per packet (MaxNACKs), at one time (maxMissing), and in total (one NACK for
// each packet received, saved up to maxCredit).
const (
	// MaxNACKs is how often one packet is asked for at most.
	MaxNACKs = 3

	// maxMissing is how many packets are asked for at one time, and the
	// longest gap that is worth asking for: beyond it a key frame is quicker.
	maxMissing = 256
	// maxCredit is how many NACKs may be saved up: a burst of loss.
	maxCredit = 128

	// defaultRTT is assumed until SetRTT.
	defaultRTT = 100 * time.Millisecond
	// minWait is how long a packet may be late before it is asked for.
	minWait = 10 * time.Millisecond
	// maxWait bounds what that wait learns from packets that came late.
	maxWait = 100 * time.Millisecond
	// minRepeat is the least time between two NACKs of one packet.
	minRepeat = 20 * time.Millisecond
	// A missing packet is given up after 4 RTT, within these bounds.
	minLife = time.Second
	maxLife = 3 * time.Second

	// repairVoiceWithin is the round trip up to which a lost packet of sound is
	// asked for: later it comes after it should have been played.
	repairVoiceWithin = 200 * time.Millisecond

	// minReorder is by how many newer packets a missing one is taken for lost
	// before its wait is over; RFC 9002 §6.1.1.
	minReorder = 3
	maxReorder = 32
	// relearn is after how many packets the learnt tolerance of reordering is
	// halved.
	relearn = 512
)

// missing is one packet that has not come.
type missing struct {
	extended int64
	noticed  time.Time
	due      time.Time // next NACK, or when it is given up
	asked    time.Time // first NACK
	tries    uint8
}

// gaps is what is missing from a stream, in ascending order. The zero value
// notes nothing, for a stream whose publisher does not answer NACKs.
type gaps struct {
	list    []missing // never grows beyond its capacity
	due     time.Time // earliest due; zero: nothing is missing
	unasked int64     // lowest number never asked for; 0: none
	credit  int
	fresh   int // packets since the tolerance was halved

	// Learnt from packets that came late by themselves: how late, and behind
	// how many newer ones.
	delay time.Duration
	depth int64

	answer time.Duration // round trip, by retransmissions; 0 = none has come

	givenUp uint64 // never came
	sent    uint64
	resets  uint64
}

func newGaps() gaps {
	return gaps{list: make([]missing, 0, maxMissing), credit: maxCredit, depth: minReorder}
}

// reset forgets what is missing.
func (g *gaps) reset() {
	g.givenUp += uint64(len(g.list))
	g.list, g.due, g.unasked = g.list[:0], time.Time{}, 0
}

// leap notes that the numbers from first up to, but not including, end were
// skipped. They are waited for before they are asked for.
func (g *gaps) leap(now time.Time, first, end int64, wait time.Duration) {
	n := int(min(end-first, maxMissing+1))
	if cap(g.list) == 0 {
		return
	}
	if n > maxMissing {
		g.reset()
		g.resets++
		g.givenUp += uint64(end - first)
		return
	}
	if n > 0 {
		if excess := len(g.list) + n - maxMissing; excess > 0 {
			g.givenUp += uint64(excess)
			g.list = slices.Delete(g.list, 0, excess)
		}
		due := now.Add(wait)
		for e := first; e < end; e++ {
			g.list = append(g.list, missing{extended: e, noticed: now, due: due})
		}
		g.due = earlier(g.due, due)
		if g.unasked == 0 {
			g.unasked = first
		}
	}
	if g.unasked != 0 && end-g.unasked >= g.depth {
		g.due = earlier(g.due, now)
	}
}

// clear notes that a packet has come.
func (g *gaps) clear(extended int64) {
	if i, found := g.find(extended); found {
		g.list = slices.Delete(g.list, i, i+1)
		if len(g.list) == 0 {
			g.due, g.unasked = time.Time{}, 0
		}
	}
}

// late learns from a packet that has come late. When it was asked for and
// retransmissions share the stream, it may have been sent again, which teaches nothing.
func (g *gaps) late(now time.Time, extended, highest int64, shared bool) {
	i, found := g.find(extended)
	if !found || shared && g.list[i].tries > 0 {
		return
	}
	g.depth = min(max(g.depth, highest-extended+1), maxReorder)
	g.delay = min(max(g.delay, now.Sub(g.list[i].noticed)*5/4), maxWait)
}

// answered learns a round trip from a packet that was asked for and has been sent
// again. Which request it answers is not told: the first is taken, so that the
// shortest of several is nearest to the truth.
func (g *gaps) answered(now time.Time, extended int64) {
	if i, found := g.find(extended); found && g.list[i].tries > 0 {
		if rtt := now.Sub(g.list[i].asked); g.answer == 0 || rtt < g.answer {
			g.answer = rtt
		} else {
			g.answer += (rtt - g.answer) / 8
		}
	}
}

// earn counts a received packet: it pays for one NACK, and the tolerance of
// reordering fades with it.
func (g *gaps) earn() {
	g.credit = min(g.credit+1, maxCredit)
	if g.fresh++; g.fresh >= relearn {
		g.fresh = 0
		g.delay /= 2
		g.depth = max(g.depth/2, minReorder)
	}
}

// settled is the number below which nothing is waited for, when extended has
// just come.
func (g *gaps) settled(extended, highest int64) int64 {
	switch {
	case len(g.list) > 0:
		return g.list[0].extended
	case cap(g.list) == 0: // nothing can be asked for, so reordering is all there is to wait for
		return highest - maxReorder
	}
	return max(extended, highest)
}

func (g *gaps) find(extended int64) (int, bool) {
	return slices.BinarySearchFunc(g.list, extended, func(m missing, e int64) int {
		return int(max(min(m.extended-e, 1), -1))
	})
}

// wait is how long a packet may be late before it is asked for: an eighth of
// the round trip costs little beside it, and never less than what is usual here.
func (s *Stream) wait() time.Duration {
	return max(min(max(s.rtt/8, minWait), maxWait), s.gaps.delay)
}

// AppendNACKs appends the sequence numbers to ask for now, in ascending order,
// and gives up those that are no longer worth it. Call it when Next says, or
// after every packet.
func (s *Stream) AppendNACKs(now time.Time, dst []uint16) []uint16 {
	g := &s.gaps
	if g.due.IsZero() || now.Before(g.due) {
		return dst
	}
	if s.cfg.Kind.Audio() && s.rtt >= repairVoiceWithin {
		g.reset()
		return dst
	}
	life := min(max(4*s.rtt, minLife), maxLife)
	repeat := max(s.rtt*5/4, minRepeat)
	lowest := s.order.highest - s.order.reach // at or below: would be TooOld
	g.due, g.unasked = time.Time{}, 0
	kept := g.list[:0]
	for _, m := range g.list {
		if m.extended <= lowest || now.Sub(m.noticed) >= life {
			g.givenUp++
			continue
		}
		ready := !now.Before(m.due) || m.tries == 0 && s.order.highest-m.extended >= g.depth
		if ready && m.tries < MaxNACKs && g.credit > 0 {
			dst = append(dst, uint16(m.extended))
			g.credit--
			g.sent++
			if m.tries++; m.tries == 1 {
				m.asked = now
			}
			m.due = now.Add(repeat * time.Duration(m.tries))
		}
		if end := m.noticed.Add(life); m.tries >= MaxNACKs || m.due.After(end) {
			m.due = end // nothing more to ask
		} else if !m.due.After(now) {
			m.due = now.Add(minRepeat) // no credit
		}
		if m.tries == 0 && g.unasked == 0 {
			g.unasked = m.extended
		}
		g.due = earlier(g.due, m.due)
		kept = append(kept, m)
	}
	g.list = kept
	return dst
}
