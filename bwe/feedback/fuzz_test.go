package feedback

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe"
)

func FuzzDecode(f *testing.F) {
	r := newRecorder(f)
	for i := range uint16(60) {
		if i%7 != 3 {
			r.OnArrival(epoch.Add(time.Duration(i)*11*time.Millisecond), i*uint16(1+i%3), 1000)
		}
	}
	b, _ := r.Build(epoch, nil)
	f.Add(b, int64(200))
	f.Add(lyingReport(0, 65535, 0x1fff, 0x3fff), int64(1<<40))
	f.Add(lyingReport(65535, 14, 0x8000|0x3fff, 0xc000|0x1555), int64(-1))
	f.Fuzz(func(t *testing.T, packet []byte, highest int64) {
		if highest < -1 || highest > 1<<60 {
			return
		}
		var d Decoder
		got, err := d.Decode(nil, packet, highest)
		if err != nil && len(got) != 0 {
			t.Fatal("an error and reports")
		}
		if len(got) > Window {
			t.Fatalf("%d reports", len(got))
		}
		last := int64(-1)
		for _, g := range got {
			if g.Sequence <= last || g.Sequence > highest {
				t.Fatalf("sequence %d after %d, sent up to %d", g.Sequence, last, highest)
			}
			last = g.Sequence
		}
	})
}

// FuzzRecorder reads its input as steps: two bytes of sequence, one of time.
func FuzzRecorder(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 2, 1, 255, 255, 9, 0, 0, 200})
	f.Add([]byte{128, 0, 0, 0, 0, 0, 127, 255, 255})
	f.Fuzz(func(t *testing.T, steps []byte) {
		r := newRecorder(t)
		var d Decoder
		now := epoch
		var b []byte
		for ; len(steps) >= 3; steps = steps[3:] {
			now = now.Add(time.Duration(int8(steps[2])) * 40 * time.Millisecond)
			r.OnArrival(now, binary.BigEndian.Uint16(steps), 1200)
			r.OnMedia(now, uint32(steps[0]&15), binary.BigEndian.Uint32([]byte{steps[1], steps[2], steps[0], steps[1]}), uint32(steps[2])*1000)
			if n := r.Next(); !n.IsZero() && n.After(now.Add(time.Hour)) {
				t.Fatalf("a report is due at %v", n.Sub(epoch))
			}
			if steps[2]&7 != 7 {
				continue
			}
			for more, n := true, 0; more; n++ {
				if b, more = r.Build(now, b[:0]); len(b) == 0 {
					break // a duplicate: nothing new
				}
				if len(b) > 1100 {
					t.Fatalf("a report of %d bytes", len(b))
				}
				if _, err := d.Decode(nil, b, 1<<20); err != nil {
					t.Fatalf("our own report: %v", err)
				}
				var p rtcp.TransportLayerCC
				if err := p.Unmarshal(b); err != nil {
					t.Fatalf("pion/rtcp refuses: %v", err)
				}
				if n > history {
					t.Fatal("reports without end")
				}
			}
		}
	})
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	step := steady(t)
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Fatalf("%v allocations a report", n)
	}
}

// steady answers a step that records 20 packets, builds and reads a report.
func steady(t testing.TB) func() {
	r := newRecorder(t)
	d := &Decoder{}
	b := make([]byte, 0, 1500)
	dst := make([]bwe.PacketReport, 0, 100)
	now, seq := epoch, int64(0)
	return func() {
		for range 20 {
			now = now.Add(7 * time.Millisecond)
			seq++
			if seq%9 != 0 {
				r.OnArrival(now, uint16(seq), 1200)
			}
		}
		b, _ = r.Build(now, b[:0])
		var err error
		if dst, err = d.Decode(dst[:0], b, seq); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkTwentyPackets(b *testing.B) {
	step := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
