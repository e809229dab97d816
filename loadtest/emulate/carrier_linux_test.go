package emulate

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// slow is a machine that is too busy on every beat.
type slow struct{ by time.Duration }

func (s slow) keep(*carrier, time.Time, bool)          { time.Sleep(s.by) }
func (slow) clients() int                              { return 0 }
func (slow) queues(time.Time) (up, down time.Duration) { return 0, 0 }
func (slow) write([]byte) bool                         { return true }

// TestLateRunIsInvalid: an emulator that cannot keep time says so.
func TestLateRunIsInvalid(t *testing.T) {
	testenv.Sockets(t)
	c, err := newCarrier(Links{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.poller.close()
	s := slow{25 * time.Millisecond}
	c.house = s
	c.start = time.Now()
	p, err := Links{Down: link.Config{Delay: 5 * time.Millisecond}}.open(c.start, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.ways = p[:]
	for range 10 {
		c.offer(c.start, p[Down], Down, make([]byte, 100), 128, false, s)
	}
	if err := c.run(context.Background(), 300*time.Millisecond, nil); err != nil {
		t.Fatal(err)
	}
	r := c.summary("udp")
	if r.Valid || !strings.Contains(strings.Join(r.Invalid, "\n"), "woke up") {
		t.Errorf("a run on a machine that stops for 25 ms is valid %v: %v", r.Valid, r.Invalid)
	}
	if r.Down.Delivered != 10 {
		t.Errorf("%d of 10 packets", r.Down.Delivered)
	}
}

// TestPollerKeepsTime: a deadline is never early, and is met without traffic.
func TestPollerKeepsTime(t *testing.T) {
	testenv.Sockets(t)
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for i := range 20 {
		deadline := time.Now().Add(time.Duration(i) * time.Millisecond)
		for time.Now().Before(deadline) {
			if _, err := p.wait(deadline); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A deadline that is past, the same again, and one of another time.
	past := time.Now().Add(-time.Hour)
	for range 3 {
		if _, err := p.wait(past); err != nil {
			t.Fatal(err)
		}
	}
	p.interrupt()
	if _, err := p.wait(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	p.close()
	p.interrupt()
}

// BenchmarkCarry is one packet through the link, without its system calls.
func BenchmarkCarry(b *testing.B) {
	c, err := newCarrier(Links{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.poller.close()
	p, err := Links{}.open(time.Now(), 0)
	if err != nil {
		b.Fatal(err)
	}
	packet := make([]byte, 1200)
	b.ReportAllocs()
	for b.Loop() {
		c.offer(time.Now(), p[Up], Up, packet, 1228, false, slow{})
		c.deliver(p[Up])
	}
	if c.meters[Up].delivered.Packets == 0 {
		b.Fatal("nothing was carried")
	}
}
