package peer

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// What a downlink has done is counted once however often it is looked at, and
// stays when it ends; what it does ends with it.
func TestDownlinksAreAccounted(t *testing.T) {
	m := &Media{}
	first, second := &egress{peer: &Peer{media: m}}, &egress{peer: &Peer{media: m}}
	slot := func(reason allocator.Reason, n uint64) downlink.SlotStats {
		return downlink.SlotStats{
			Kind: downlink.Video, Source: 7, Grant: allocator.Grant{Reason: reason},
			Retransmissions: n, NACKRefused: 2 * n, NACKUnknown: 3 * n, GivenUp: 4 * n, QueueDrops: 5 * n,
		}
	}
	sound := downlink.SlotStats{Kind: downlink.Audio, Source: 8, Grant: allocator.Grant{Reason: allocator.Full}, Retransmissions: 1}
	empty := downlink.SlotStats{Kind: downlink.Video, Grant: allocator.Grant{Reason: allocator.NoSource}}
	expect := func(what string, total uint64, full, paused int64) {
		t.Helper()
		s := m.counts.tally.stats()
		if s.Retransmitted != total+1 || s.Refused != 2*total || s.Unknown != 3*total || s.GivenUp != 4*total || s.QueueDrops != 5*total {
			t.Errorf("%s: counted %+v, want multiples of %d", what, s, total)
		}
		if s.VideoSlots[allocator.Full] != full || s.VideoSlots[allocator.PausedBandwidth] != paused || s.VideoSlots[allocator.NoSource] != 0 {
			t.Errorf("%s: slots %v, want %d full and %d paused", what, s.VideoSlots, full, paused)
		}
	}
	stats := &downlink.Stats{Slots: []downlink.SlotStats{sound, slot(allocator.Full, 10), empty}}
	first.account(stats)
	first.account(stats)
	expect("looked at twice", 10, 1, 0)
	first.account(&downlink.Stats{Slots: []downlink.SlotStats{sound, slot(allocator.PausedBandwidth, 12), empty}})
	second.account(&downlink.Stats{Slots: []downlink.SlotStats{slot(allocator.Full, 5)}})
	expect("paused, and another one", 17, 1, 1)
	first.account(nil)
	expect("one has ended", 17, 1, 0)
	second.account(nil)
	expect("both have ended", 17, 0, 0)
}
