package rewrite

import "testing"

// A late packet finds its place only if that place is still its own.
func TestLateRefused(t *testing.T) {
	refuse := func(t *testing.T, s *Stream, i in) {
		t.Helper()
		p := i.packet()
		if out, ok := s.Rewrite(p.Arrival, p); ok {
			t.Errorf("packet %d went out as %+v", i.extended, out)
		}
		if out, fill := s.Drop(p); fill {
			t.Errorf("packet %d has a hole: %+v", i.extended, out)
		}
	}
	t.Run("missed before the source was left and taken again", func(t *testing.T) {
		s := newTestStream()
		rewrite(t, s, in{ssrc: 1, extended: 1, frame: 1}, 65534)
		rewrite(t, s, in{ssrc: 1, extended: 3, frame: 3}, 0)
		for i, back := range []in{{ssrc: 2, extended: 1, frame: 4}, {ssrc: 1, extended: 10, frame: 5}} {
			p := back.packet()
			s.Switch(p.Arrival, p)
			rewrite(t, s, back, uint16(i+1))
		}
		refuse(t, s, in{ssrc: 1, extended: 2, frame: 2})
	})
	t.Run("missed more than a ring ago", func(t *testing.T) {
		s := newTestStream()
		rewrite(t, s, in{ssrc: 1, extended: 1, frame: 1}, 65534)
		for e := int64(3); e < ringSize+2; e++ {
			rewrite(t, s, in{ssrc: 1, extended: e, frame: 3}, uint16(e-3))
		}
		// Number 514 is missing, and takes the place of 2.
		rewrite(t, s, in{ssrc: 1, extended: ringSize + 3, frame: 4}, ringSize)
		refuse(t, s, in{ssrc: 1, extended: 2, frame: 2})
		rewrite(t, s, in{ssrc: 1, extended: ringSize + 2, frame: 4}, ringSize-1)
	})
	t.Run("of a frame that was dropped", func(t *testing.T) {
		s := newTestStream()
		rewrite(t, s, in{ssrc: 1, extended: 1, frame: 1}, 65534)
		s.Drop(in{ssrc: 1, extended: 2, frame: 2, temporal: 1}.packet())
		rewrite(t, s, in{ssrc: 1, extended: 4, frame: 3}, 0)
		p := in{ssrc: 1, extended: 3, frame: 2, temporal: 1}.packet()
		if out, ok := s.Rewrite(p.Arrival, p); ok {
			t.Errorf("the rest of a dropped frame went out as %+v", out)
		}
		if out, fill := s.Drop(p); !fill || out.Sequence != 65535 {
			t.Errorf("its hole is %+v %v, want 65535", out, fill)
		}
	})
	t.Run("of a frame that is long over", func(t *testing.T) {
		s := newTestStream()
		rewrite(t, s, in{ssrc: 1, extended: 1, frame: 1}, 65534)
		for e := int64(3); e < 80; e++ {
			rewrite(t, s, in{ssrc: 1, extended: e, frame: int(e)}, uint16(e-3))
		}
		p := in{ssrc: 1, extended: 2, frame: 2}.packet()
		if out, ok := s.Rewrite(p.Arrival, p); ok {
			t.Errorf("went out as %+v", out)
		}
	})
}

// A base frame that is dropped takes its TL0PICIDX with it (RFC 7741 §4.2).
func TestBaseFrameDropped(t *testing.T) {
	s := newTestStream()
	for i, step := range []struct {
		in   in
		drop bool
		want uint8
	}{
		{in{ssrc: 1, extended: 1, frame: 0}, false, 255},
		{in{ssrc: 1, extended: 2, frame: 2}, false, 0},
		{in{ssrc: 1, extended: 3, frame: 3, temporal: 1}, true, 0},
		{in{ssrc: 1, extended: 4, frame: 4}, true, 0},
		{in{ssrc: 1, extended: 5, frame: 4}, true, 0},
		{in{ssrc: 1, extended: 6, frame: 6}, false, 1},
		{in{ssrc: 1, extended: 7, frame: 7, temporal: 1}, false, 1},
	} {
		p := step.in.packet()
		if step.drop {
			s.Drop(p)
			continue
		}
		if out, ok := s.Rewrite(p.Arrival, p); !ok || out.TL0PICIDX != step.want {
			t.Errorf("step %d: TL0PICIDX %d %v, want %d", i, out.TL0PICIDX, ok, step.want)
		}
	}
}
