package bwe_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// steadyCall drives a controller as a call of 1 Mbit/s does: a packet each 8
// ms, of which every fifth brings a report of the five before.
type steadyCall struct {
	c       *bwe.Controller
	now     time.Time
	n       int64
	reports [5]bwe.PacketReport
}

func newSteadyCall(tb testing.TB) *steadyCall {
	tb.Helper()
	cfg := bwe.DefaultConfig()
	cfg.Known = units.Mbps
	c, err := bwe.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	c.SetLadder(epoch, bwe.Ladder{Base: 30 * units.Kbps, Next: units.Mbps, Full: units.Mbps})
	s := &steadyCall{c: c, now: epoch}
	for range 2000 {
		s.send()
		s.report()
	}
	return s
}

func (s *steadyCall) send() {
	s.now = s.now.Add(8 * time.Millisecond)
	s.c.OnSent(s.now, bwe.SentPacket{Sequence: s.n, Size: 1000, Kind: bwe.Video})
	s.n++
}

func (s *steadyCall) report() {
	if s.n%5 != 0 || s.n < 20 {
		return
	}
	for i := range s.reports {
		sequence := s.n - 15 + int64(i)
		s.reports[i] = bwe.PacketReport{Sequence: sequence, Received: true, Arrival: time.Duration(sequence) * 8 * time.Millisecond}
	}
	s.c.OnFeedback(s.now, s.reports[:])
}

// BenchmarkPacket is what a sent packet costs.
func BenchmarkPacket(b *testing.B) {
	s := newSteadyCall(b)
	b.ReportAllocs()
	for b.Loop() {
		s.send()
	}
}

// BenchmarkReport is what a report of five packets costs, sending them included.
func BenchmarkReport(b *testing.B) {
	s := newSteadyCall(b)
	b.ReportAllocs()
	for b.Loop() {
		for range 5 {
			s.send()
		}
		s.report()
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	s := newSteadyCall(t)
	if n := testing.AllocsPerRun(1000, func() {
		s.send()
		s.report()
		s.c.OnTick(s.now)
	}); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
