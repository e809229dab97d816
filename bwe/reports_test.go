package bwe

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A capacity comes of packets that all waited: not of the newest that did not, nor of
// those before a pause in which the bottleneck idled.
func TestOnlyBusyPeriodsCount(t *testing.T) {
	const over, span, serve = int64(3 * time.Millisecond), int64(200 * time.Millisecond), int64(20 * time.Millisecond)
	run := func(wait func(i int64) time.Duration, pauseAt int64) delivery {
		var a arrivals
		at := int64(time.Second)
		for i := range int64(60) {
			if at += int64(10 * time.Millisecond); i == pauseAt {
				at += int64(300 * time.Millisecond)
			}
			a.add(&sent{sequence: i, at: at, size: 1250, through: 1250 * (i + 1)}, at+int64(wait(i)), int64(wait(i)))
		}
		return a.busy(over, span, serve)
	}
	all := func(int64) time.Duration { return 30 * time.Millisecond }
	if d := run(all, -1); !d.ok || d.rate < 990*units.Kbps || d.rate > 1010*units.Kbps {
		t.Errorf("busy throughout at 1 Mbit/s: %+v", d)
	}
	if d := run(func(int64) time.Duration { return time.Millisecond }, -1); d.ok {
		t.Errorf("nothing waited, and the path carries %v", d.rate)
	}
	if d := run(func(i int64) time.Duration { return time.Duration(30-30*(i/59)) * time.Millisecond }, -1); d.ok {
		t.Errorf("the newest did not wait, and the path carries %v", d.rate)
	}
	if d := run(all, 50); !d.ok || d.rate < 990*units.Kbps {
		t.Errorf("after a pause, in which nothing was under way, it carries %+v", d)
	}
	if d := run(all, 57); d.ok {
		t.Errorf("three packets after a pause tell of %v", d.rate)
	}
}

// Marks are answered once a response, however many come.
func TestOneCutForMarksAResponse(t *testing.T) {
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.capacity, c.minRTT, c.interval = units.Mbps, int64(100*time.Millisecond), float64(50*time.Millisecond)
	now := int64(10 * time.Second)
	for i := range int64(30) { // 600 ms
		c.marks++
		c.heedMarks(now + i*int64(20*time.Millisecond))
	}
	if c.stats.Cuts != 4 || c.capacity < 650*units.Kbps || c.capacity > 660*units.Kbps {
		t.Errorf("%d cuts to %v by marks for 600 ms, four responses of 150 ms; want 4, to 656 kbit/s", c.stats.Cuts, c.capacity)
	}
}

// A packet told lost that came all the same was only late, and is no loss; what came is not
// lost again.
func TestLatePacketsAreNoLoss(t *testing.T) {
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms int64) time.Time { return time.Unix(1_700_000_000, ms*int64(time.Millisecond)) }
	for i := range int64(10) {
		c.OnSent(at(10*i), SentPacket{Sequence: i, Size: 1000})
	}
	var told []PacketReport
	for i := range int64(10) {
		told = append(told, PacketReport{Sequence: i, Received: i != 4 && i != 6, Arrival: time.Duration(10*i+50) * time.Millisecond})
	}
	c.OnFeedback(at(200), told)
	if c.losses.missed != 2 || c.losses.got != 8 {
		t.Fatalf("%d lost, %d came; want 2 and 8", c.losses.missed, c.losses.got)
	}
	c.OnFeedback(at(220), []PacketReport{{Sequence: 4, Received: true, Arrival: 210 * time.Millisecond}, {Sequence: 5}, {Sequence: 6}})
	if c.losses.missed != 1 || c.losses.got != 9 {
		t.Errorf("one came late: %d lost, %d came; want 1 and 9", c.losses.missed, c.losses.got)
	}
}

// What was given up in a silence is under way again when it ends: it may be in the queue.
func TestGivenUpPacketsComeBack(t *testing.T) {
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	base := time.Unix(1_700_000_000, 0)
	for i := range int64(10) {
		c.OnSent(base.Add(time.Duration(i)*10*time.Millisecond), SentPacket{Sequence: i, Size: 1000})
	}
	c.OnFeedback(base.Add(150*time.Millisecond), []PacketReport{{Sequence: 0, Received: true, Arrival: 50 * time.Millisecond}})
	for c.State() != Blackout {
		c.OnTick(c.Next())
	}
	if n := c.history.flying(); n != 0 {
		t.Fatalf("%d bytes are under way in a silence", n)
	}
	c.OnFeedback(base.Add(3*time.Second), []PacketReport{{Sequence: 1, Received: true, Arrival: 2900 * time.Millisecond}})
	if n := c.history.flying(); n != 8000 || c.State() == Blackout {
		t.Errorf("%d bytes are under way after it, in state %v; want 8000", n, c.State())
	}
}
