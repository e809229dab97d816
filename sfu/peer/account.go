package peer

import (
	"sync/atomic"

	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// tally is what all downlinks together have done, and do now.
type tally struct {
	retransmitted, refused, unknown atomic.Uint64
	givenUp, queueDrops             atomic.Uint64
	// slots counts video slots with a source by why they get what they get.
	slots [allocator.Reasons]atomic.Int64
}

// accounted is what of one downlink is in the tally.
type accounted struct {
	retransmitted, refused, unknown uint64
	givenUp, queueDrops             uint64
	slots                           [allocator.Reasons]int64
}

// account brings the tally up to date with a downlink's statistics; nil when
// the downlink ends.
func (e *egress) account(stats *downlink.Stats) {
	t, was := &e.peer.media.counts.tally, &e.accounted
	is := accounted{
		retransmitted: was.retransmitted, refused: was.refused, unknown: was.unknown,
		givenUp: was.givenUp, queueDrops: was.queueDrops,
	}
	if stats != nil {
		is = accounted{}
		for i := range stats.Slots {
			s := &stats.Slots[i]
			is.retransmitted += s.Retransmissions
			is.refused += s.NACKRefused
			is.unknown += s.NACKUnknown
			is.givenUp += s.GivenUp
			is.queueDrops += s.QueueDrops
			if s.Kind == downlink.Video && s.Source != 0 && s.Grant.Reason < allocator.Reasons {
				is.slots[s.Grant.Reason]++
			}
		}
	}
	t.retransmitted.Add(is.retransmitted - was.retransmitted)
	t.refused.Add(is.refused - was.refused)
	t.unknown.Add(is.unknown - was.unknown)
	t.givenUp.Add(is.givenUp - was.givenUp)
	t.queueDrops.Add(is.queueDrops - was.queueDrops)
	for i := range is.slots {
		t.slots[i].Add(is.slots[i] - was.slots[i])
	}
	*was = is
}

// DownlinkStats are totals over all downlinks since the media plane started,
// up to a second old.
type DownlinkStats struct {
	// Retransmitted packets were asked for again and sent; Refused requests
	// were one too many or too soon, Unknown ones named nothing that is kept.
	Retransmitted, Refused, Unknown uint64
	// GivenUp counts key frames asked for in place of packets that a
	// subscriber lacks and nobody can send it.
	GivenUp uint64
	// QueueDrops are packets that pacers threw away: more came than the
	// estimate lets out.
	QueueDrops uint64
	// VideoSlots counts the slots that carry a picture now, by the reason of
	// their grant.
	VideoSlots [allocator.Reasons]int64
}

func (t *tally) stats() DownlinkStats {
	s := DownlinkStats{
		Retransmitted: t.retransmitted.Load(), Refused: t.refused.Load(), Unknown: t.unknown.Load(),
		GivenUp: t.givenUp.Load(), QueueDrops: t.queueDrops.Load(),
	}
	for i := range t.slots {
		s.VideoSlots[i] = t.slots[i].Load()
	}
	return s
}
