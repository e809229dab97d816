package voice

import (
	"slices"
	"testing"
	"time"
)

// hold offers packets of 20 ms in time to a stream whose path is not open.
func (s *slot) hold(from, to int64) {
	for n := from; n < to; n++ {
		p := s.packet(n, silkWide20, 30)
		s.s.Hold(p)
		p.Release()
		s.wait(20 * ms)
	}
}

// begin opens the path.
func (s *slot) begin() {
	s.s.Begin(s.now, &s.shop)
	s.drain()
}

// What was said right before a path opens leaves with it, as one packet of the mode's
// length, and the next one follows in time.
func TestHeldSoundLeavesAtOnce(t *testing.T) {
	for packet, first := range map[time.Duration]int64{0: 19, 20 * ms: 19, 60 * ms: 17, 120 * ms: 14} {
		s := testingSlot(t)
		s.s.SetMode(Mode{Packet: packet})
		s.hold(0, 20)
		if len(s.out) > 0 || !s.s.Next().IsZero() {
			t.Fatalf("%v: something leaves, or wants to at %v, before the path is open", packet, s.s.Next())
		}
		s.begin()
		opened := s.now
		if len(s.out) != 1 || s.out[0].timestamp != uint32(first)*frame20 || !s.out[0].at.Equal(opened) {
			t.Fatalf("%v: %+v left at %v, want one from frame %d on", packet, s.out, opened, first)
		}
		s.talk(20, 32)
		if s.out[1].timestamp != 20*frame20 {
			t.Errorf("%v: the second begins at frame %d, want 20", packet, s.out[1].timestamp/frame20)
		}
	}
}

// Sound that is not the newest, or not of one piece, is not held.
func TestOldSoundIsNotHeld(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *slot)
		want []uint32
	}{
		{"silence since", func(s *slot) { s.hold(0, 9); s.wait(time.Second) }, nil},
		{"a gap", func(s *slot) { s.hold(0, 9); s.wait(40 * ms); s.hold(11, 13) }, []uint32{11}},
		{"another source", func(s *slot) {
			s.hold(0, 9)
			p := s.packet(9, silkWide20, 30)
			p.SSRC++
			s.s.Hold(p)
			p.Release()
		}, []uint32{9}},
		{"another configuration", func(s *slot) {
			s.hold(0, 9)
			p := s.packet(9, celt20, 30)
			s.s.Hold(p)
			p.Release()
		}, []uint32{9}},
		{"no Opus", func(s *slot) {
			s.hold(0, 9)
			p := s.packet(9, silkWide20, 30)
			p.Payload = p.Payload[:0]
			s.s.Hold(p)
			p.Release()
		}, nil},
		{"nothing", func(*slot) {}, nil},
	} {
		s := testingSlot(t)
		s.s.SetMode(Mode{Packet: 120 * ms})
		c.do(s)
		s.begin()
		var got []uint32
		for _, l := range s.out {
			got = append(got, l.timestamp/frame20)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: packets from frames %v leave, want %v", c.name, got, c.want)
		}
	}
}
