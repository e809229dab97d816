package voice

import "testing"

// BenchmarkPush is what one packet of 20 ms costs for one subscriber.
func BenchmarkPush(b *testing.B) {
	for _, m := range []Mode{{}, {Packet: 60 * ms}, {Packet: 60 * ms, Redundancy: 1}, {Redundancy: 2}} {
		b.Run(m.String(), func(b *testing.B) {
			s := newSlot(b)
			s.s.SetMode(m)
			step := stepper(s)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

// stepper answers a function that pushes the next packet and takes what leaves.
func stepper(s *slot) func() {
	n := int64(0)
	return func() {
		p := s.packet0(n)
		n++
		s.now = s.now.Add(20 * ms)
		s.s.Push(s.now, &s.shop, p)
		p.Release()
		for out, ok := s.s.Pop(); ok; out, ok = s.s.Pop() {
			out.Packet.Release()
		}
	}
}

func TestPushDoesNotAllocate(t *testing.T) {
	s := testingSlot(t)
	step := stepper(s)
	for _, m := range []Mode{{}, {Packet: 60 * ms}, {Packet: 120 * ms, Redundancy: 2}} {
		s.s.SetMode(m)
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(1000, step); n > 0 {
			t.Errorf("%v: %v allocations for each packet", m, n)
		}
	}
}
