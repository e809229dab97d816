package jitter

import "time"

// Stats is what a buffer has done since it was made, and its delays as they are.
type Stats struct {
	// Packets pushed, by verdict; Recovered is the part of Accepted that was
	// redundant. Late counts those too that overlapped.
	Accepted, Recovered, Duplicate, Late, Padding, Malformed, Unsettled uint64
	Overflows                                                           uint64 // packets that gave way to newer ones
	Restarts                                                            uint64 // timestamps that leapt

	// Time handed out by Pop. Starved is silence because nothing came for long,
	// Silent all other.
	Played, Repaired, Concealed, Starved, Silent time.Duration
	Skipped                                      time.Duration // of packets left out to catch up
	LongestGap                                   time.Duration // concealed and starved without a break

	Target time.Duration // that the buffer adds to the fastest packet
	Delay  time.Duration // of the packet played last
	Skew   float64       // millionths that the sender's clock is faster
}

// Stats answers what happened so far.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Target, s.Skew = b.delays.target(), b.delays.skew()
	return s
}

// Missing is the share of time, 0 to 1, in which there should have been sound
// and was only a guess or nothing. Silence counts on neither side.
func (s Stats) Missing() float64 {
	missing := s.Concealed + s.Starved
	all := missing + s.Played + s.Repaired
	if all == 0 {
		return 0
	}
	return float64(missing) / float64(all)
}

func (s *Stats) count(v Verdict, redundant bool) {
	switch v {
	case Accepted:
		s.Accepted++
		if redundant {
			s.Recovered++
		}
	case Duplicate:
		s.Duplicate++
	case Late:
		s.Late++
	case Padding:
		s.Padding++
	case Malformed:
		s.Malformed++
	case Unsettled:
		s.Unsettled++
	}
}

// account adds a frame to the statistics.
func (b *Buffer) account(f Frame) {
	s := &b.stats
	switch {
	case f.Kind == Play:
		s.Played += f.Duration
	case f.Kind == Repair:
		s.Repaired += f.Duration
	case f.Kind == Conceal:
		s.Concealed += f.Duration
	case b.starved:
		s.Starved += f.Duration
	default:
		s.Silent += f.Duration
	}
	if f.Kind == Conceal || (f.Kind == Silence && b.starved) {
		b.missing += f.Duration
		s.LongestGap = max(s.LongestGap, b.missing)
	} else {
		b.missing = 0
	}
}
