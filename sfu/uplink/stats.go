package uplink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Stats is what a stream has counted since it was made.
type Stats struct {
	Verdicts  [verdicts]uint64 // packets of the media stream, by Verdict
	RTX       [verdicts]uint64 // packets of the retransmission stream, by Verdict
	Bytes     units.Size       // accepted, on the wire
	Recovered uint64           // numbers that came by retransmission first
	Keyframes uint64           // key frames begun
	Restarts  uint64           // the source began anew
	NACKs     uint64           // packets asked for, each time counted
	GivenUp   uint64           // missing packets that are no longer asked for
	Resets    uint64           // gaps too long to ask for
	Requests  uint64           // key frames asked for

	Missing      int           // waited for now
	Cached       int           // packets held now
	Lost         uint64        // by the rule of reception reports, since the last restart
	FractionLost float64       // in the interval of the last reception report, 0 to 1
	Jitter       time.Duration // RFC 3550 §6.4.1
	RTT          time.Duration // as told by SetRTT
}

// Stats answers the counters. It changes nothing.
func (s *Stream) Stats() Stats {
	stats := s.stats
	stats.NACKs, stats.GivenUp, stats.Resets = s.gaps.sent, s.gaps.givenUp, s.gaps.resets
	stats.Requests = s.wish.count
	stats.Missing, stats.Cached = len(s.gaps.list), s.window.held
	if s.order.started {
		stats.Lost = uint64(s.report.lost(s.order.highest))
	}
	stats.FractionLost = float64(s.report.fraction) / 256
	stats.Jitter = time.Duration(float64(s.report.jitter>>4) / float64(s.report.clockRate) * float64(time.Second))
	stats.RTT = s.rtt
	return stats
}
