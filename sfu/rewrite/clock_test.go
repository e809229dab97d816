package rewrite

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// source is a model of one sender's timestamps, video at 30 frames a second.
type source struct {
	ssrc     uint32
	offset   uint32
	rate     float64 // true ticks a second
	extended int64
}

// send offers the frame captured at a time since epoch, which arrives after a
// delay, and answers the ticks since the first packet that the stream sent.
func (c *source) send(t *testing.T, s *Stream, captured, delay time.Duration, change bool) int64 {
	t.Helper()
	c.extended++
	p := &packet.Packet{
		SSRC: c.ssrc, Extended: c.extended, Kind: codec.H264, Payload: []byte{1},
		Timestamp: c.offset + uint32(int64(captured.Seconds()*c.rate)),
		Arrival:   epoch.Add(captured + delay),
	}
	if change {
		s.Switch(p.Arrival, p)
	}
	out, ok := s.Rewrite(p.Arrival, p)
	if !ok {
		t.Fatal("refused")
	}
	return int64(int32(out.Timestamp - s.clock.base))
}

func expectTicks(t *testing.T, what string, got int64, want, within time.Duration) {
	t.Helper()
	if off := time.Duration(got)*time.Second/90000 - want; off.Abs() > within {
		t.Errorf("%s: %v off", what, off)
	}
}

const frameTime = time.Second / 30

// Many switches between sources whose packets jitter by 20 ms do not add up.
func TestSwitchesDoNotAddUp(t *testing.T) {
	s := New(Config{Timestamp: 5})
	sources := []*source{{ssrc: 1, offset: 77, rate: 90000}, {ssrc: 2, offset: 4e9, rate: 90000}}
	random := uint32(1)
	for i := range 3000 {
		random = random*1664525 + 1013904223
		jitter := time.Duration(random>>8%20_000) * time.Microsecond
		now := time.Duration(i) * frameTime
		got := sources[i/10%2].send(t, s, now, 30*time.Millisecond+jitter, i%10 == 0)
		expectTicks(t, "switching", got, now, 25*time.Millisecond)
	}
}

// A source whose clock is 200 parts in a million fast is followed, and another
// one takes over without a jump.
func TestDrift(t *testing.T) {
	s := New(Config{})
	fast := &source{ssrc: 1, offset: 1000, rate: 90000 * 1.0002}
	var last int64
	now := time.Duration(0)
	for ; now < 20*time.Minute; now += frameTime {
		last = fast.send(t, s, now, 0, now == 0)
	}
	slow := &source{ssrc: 2, rate: 90000}
	step := slow.send(t, s, now, 0, true) - last
	expectTicks(t, "after drift", step, frameTime, 20*time.Millisecond)
}

// The first packet came out of a full queue, five seconds late: that is not held
// against the sources of later.
func TestLateStart(t *testing.T) {
	s := New(Config{})
	a, b := &source{ssrc: 1, rate: 90000}, &source{ssrc: 2, rate: 90000}
	var last int64
	now := time.Duration(0)
	for ; now < 5*time.Minute; now += frameTime {
		delay := max(0, 5*time.Second-now)
		last = a.send(t, s, now, delay, now == 0)
	}
	expectTicks(t, "switch", b.send(t, s, now, 0, true)-last, frameTime, 2*time.Millisecond)
}

// The link holds everything back for six seconds and delivers it at once: the
// timestamps are the source's own.
func TestBurstAfterOutage(t *testing.T) {
	s := New(Config{})
	c := &source{ssrc: 1, offset: 9, rate: 90000}
	for i := range 600 {
		now := time.Duration(i) * frameTime
		var delay time.Duration
		if release := 16 * time.Second; now > 10*time.Second && now < release {
			delay = release - now
		}
		expectTicks(t, "burst", c.send(t, s, now, delay, false), now, time.Millisecond)
	}
}

// Timestamps of a source that jump are laid onto real time, and those that go
// back are not followed back.
func TestSourceJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 6 * time.Hour, 11 * time.Second, -11 * time.Second} {
		s := New(Config{Timestamp: 0xfffffff0})
		c := &source{ssrc: 1, rate: 90000}
		last := int64(-1)
		for i := range 100 {
			if i == 50 {
				c.offset += uint32(int64(jump) * 90000 / int64(time.Second))
			}
			now := time.Duration(i) * frameTime
			got := c.send(t, s, now, 0, false)
			expectTicks(t, jump.String(), got, now, 20*time.Millisecond)
			if got <= last {
				t.Fatalf("%v: tick %d after %d", jump, got, last)
			}
			last = got
		}
	}
}

func TestTimestampsGoBack(t *testing.T) {
	s := New(Config{})
	last := int64(-1)
	c := &source{ssrc: 1, rate: 90000}
	for i, captured := range []int{0, 3, 1, 2, 6, 4, 5, 9} { // B-frames
		got := c.send(t, s, time.Duration(captured)*frameTime, time.Duration(i-captured)*frameTime, false)
		if got <= last {
			t.Errorf("frame %d: tick %d after %d", i, got, last)
		}
		last = got
	}
	expectTicks(t, "afterwards", last, 9*frameTime, time.Millisecond)
}

// A publisher that pauses its clock with its camera comes back in real time,
// and one that does not keeps its own timestamps.
func TestResume(t *testing.T) {
	for _, clockPauses := range []bool{false, true} {
		s := New(Config{})
		c := &source{ssrc: 1, rate: 90000}
		c.send(t, s, 0, 0, true)
		c.send(t, s, frameTime, 10*time.Millisecond, false)
		pause := time.Minute
		if clockPauses {
			c.offset -= uint32(pause / time.Second * 90000)
		}
		got := c.send(t, s, frameTime+pause, 0, true)
		within := 20 * time.Millisecond
		if !clockPauses {
			within = time.Microsecond * 50
		}
		expectTicks(t, "resumed", got, frameTime+pause, within)
	}
}

// The sender report names the timestamp of now, also between frames and after a
// switch (RFC 3550 §6.4.1).
func TestSenderReport(t *testing.T) {
	s := New(Config{Timestamp: 0xffffff00})
	sources := []*source{{ssrc: 1, rate: 90000}, {ssrc: 2, offset: 123456, rate: 90000}}
	for i := range 90 {
		now := time.Duration(i) * frameTime
		sources[i/30%2].send(t, s, now, 40*time.Millisecond, i%30 == 0)
		later := now + 55*time.Millisecond // 15 ms after its arrival
		got, ok := s.SenderReport(epoch.Add(later))
		if !ok {
			t.Fatal("no report")
		}
		// What arrives now was captured 40 ms ago, and the first packet is tick 0.
		expectTicks(t, "report", int64(int32(got-0xffffff00)), later-40*time.Millisecond, time.Millisecond)
	}
}

// With the sources' own reports a switch is exact however late the packets come,
// and the sender report is about capture; a report that lies is not believed.
func TestCaptured(t *testing.T) {
	sources := []*source{{ssrc: 1, rate: 90000, offset: 55}, {ssrc: 2, offset: 123456, rate: 90000}, {ssrc: 3, rate: 90000}}
	s := New(Config{Captured: func(ssrc, timestamp uint32) (time.Time, bool) {
		if ssrc == 3 {
			return epoch.Add(-time.Hour), true
		}
		ticks := timestamp - sources[ssrc-1].offset
		return epoch.Add(time.Duration(ticks) * time.Second / 90000), true
	}})
	delays := []time.Duration{20 * time.Millisecond, 220 * time.Millisecond, 20 * time.Millisecond}
	now := time.Duration(0)
	for i := range 300 {
		now = time.Duration(i) * frameTime
		which := i / 30 % 2
		got := sources[which].send(t, s, now, delays[which], i%30 == 0)
		if i%30 == 0 {
			expectTicks(t, "exact switch", got, now, 100*time.Microsecond)
		}
		report, _ := s.SenderReport(epoch.Add(now + delays[which]))
		expectTicks(t, "report of capture", int64(int32(report)), now+delays[which], time.Millisecond)
	}
	got := sources[2].send(t, s, now+frameTime, delays[2], true)
	if off := time.Duration(got)*time.Second/90000 - now; off < 0 || off > time.Second {
		t.Errorf("a lie moved the stream by %v", off)
	}
	if s.clock.captureKnown {
		t.Error("a lie was believed")
	}
}

// A packet that was not given its arrival counts from the call.
func TestArrivalUnknown(t *testing.T) {
	s := New(Config{ClockRate: 48000})
	for i := range 2 {
		p := &packet.Packet{SSRC: uint32(i), Extended: 1, Kind: codec.Opus, Payload: []byte{1}, Timestamp: 1000}
		now := epoch.Add(time.Duration(i) * 20 * time.Millisecond)
		s.Switch(now, p)
		if out, ok := s.Rewrite(now, p); !ok || out.Timestamp != uint32(i)*960 {
			t.Errorf("packet %d: %+v %v", i, out, ok)
		}
	}
}
