package layer

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/svctest"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// scalablePackets are the packets of many pictures of a scalable stream.
func scalablePackets() (packets []*packet.Packet) {
	u := newUpstream(codec.AV1, true, svctest.Mode{Spatials: 3, Temporals: 3}, 0)
	for picture := range 4000 {
		for _, s := range u.next(picture%1000 == 0, func() int { return 3 }, func() (bool, int) { return false, 0 }) {
			packets = append(packets, s.packet)
		}
	}
	return packets
}

func TestDecideScalableAllocatesNothing(t *testing.T) {
	packets := scalablePackets()
	s := New(codec.AV1)
	s.SetTarget(Target{2, 2})
	now, i := epoch, 0
	if n := testing.AllocsPerRun(5000, func() {
		if s.Decide(now, packets[i]) == Drop {
			t.Fatal("dropped")
		}
		s.Last(packets[i])
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecideScalable(b *testing.B) {
	packets := scalablePackets()
	s := New(codec.AV1)
	s.SetTarget(Target{1, 1})
	now, i := epoch, 0
	b.ReportAllocs()
	for b.Loop() {
		if i == len(packets) {
			i = 0
			s.SourceChanged()
		}
		s.Decide(now, packets[i])
		now = now.Add(time.Millisecond)
		i++
	}
}
