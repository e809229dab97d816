package media

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// film polls e whenever it is due until end and hands every frame to each.
func film(t *testing.T, e *VP8, end time.Duration, each func(now time.Time, f Frame)) {
	t.Helper()
	for now := e.Next(); !now.IsZero() && now.Before(start.Add(end)); now = e.Next() {
		f, ok := e.Poll(now)
		if !ok {
			t.Fatalf("nothing at %v, when it was due", now.Sub(start))
		}
		if _, ok := e.Poll(now); ok {
			t.Fatalf("two frames at %v", now.Sub(start))
		}
		each(now, f)
	}
}

// TestVP8AsPionReadsIt takes every packet apart with another implementation of
// RFC 7741.
func TestVP8AsPionReadsIt(t *testing.T) {
	for layers := 1; layers <= 3; layers++ {
		for _, noKeyIndex := range []bool{false, true} {
			e := NewVP8(start, VP8Config{TemporalLayers: layers, NoKeyIndex: noKeyIndex, Rate: units.Mbps, Source: 5})
			buf := make([]byte, 1500)
			frames := 0
			film(t, e, 2990*time.Millisecond, func(now time.Time, f Frame) {
				var whole []byte
				n := f.Packets()
				for i := range n {
					payload, last := f.Packet(i, buf)
					var p codecs.VP8Packet
					body, err := p.Unmarshal(payload)
					if err != nil {
						t.Fatal(err)
					}
					whole = append(whole, body...)
					if len(payload) > DefaultMaxPayload || last != (i == n-1) || p.S != b2u(i == 0) || p.PID != 0 {
						t.Fatalf("packet %d of %d: %d bytes, last %v, S %d", i, n, len(payload), last, p.S)
					}
					if p.I != 1 || p.PictureID != f.PictureID || payload[2]&0x80 == 0 {
						t.Fatalf("picture id %d, want %d in 15 bits", p.PictureID, f.PictureID)
					}
					if p.L != b2u(layers > 1) || p.T != p.L || p.K != b2u(!noKeyIndex) || p.N != b2u(f.Discardable) {
						t.Fatalf("%d layers: L %d T %d K %d N %d", layers, p.L, p.T, p.K, p.N)
					}
					if layers > 1 && (p.TID != f.Temporal || p.Y != b2u(f.Sync) || p.TL0PICIDX != f.TL0) {
						t.Fatalf("TID %d Y %d TL0 %d, want %+v", p.TID, p.Y, p.TL0PICIDX, f)
					}
					if p.K == 1 && p.KEYIDX != f.KeyIndex {
						t.Fatalf("KEYIDX %d, want %d", p.KEYIDX, f.KeyIndex)
					}
					if s, ok := VideoStamp(payload); ok && (s.Number != f.Number || s.Source != 5 || !s.Sent.Equal(now)) {
						t.Fatalf("stamp %+v of frame %+v", s, f)
					} else if !ok && len(payload) >= videoStampOffset+StampSize {
						t.Fatalf("no stamp in %d bytes", len(payload))
					}
				}
				if len(whole) != f.Size {
					t.Fatalf("%d bytes in %d packets, want %d", len(whole), n, f.Size)
				}
				checkFrameHeader(t, f, whole)
				frames++
			})
			if frames != 90 {
				t.Errorf("%d frames in three seconds", frames)
			}
		}
	}
}

func b2u(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// checkFrameHeader reads RFC 6386 §9.1.
func checkFrameHeader(t *testing.T, f Frame, b []byte) {
	t.Helper()
	tag := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if key := tag&1 == 0; key != f.Keyframe {
		t.Fatalf("frame %d: key %v, want %v", f.Number, key, f.Keyframe)
	}
	if version, shown, partition := tag>>1&7, tag>>4&1, tag>>5; version != 0 || shown != 1 || partition >= f.Size {
		t.Fatalf("version %d, shown %d, first partition %d of %d", version, shown, partition, f.Size)
	}
	if f.Keyframe {
		width, height := int(b[6])|int(b[7]&0x3F)<<8, int(b[8])|int(b[9]&0x3F)<<8
		if !bytes.Equal(b[3:6], []byte{0x9D, 0x01, 0x2A}) || width != f.Width || height != f.Height {
			t.Fatalf("key frame % x says %dx%d", b[3:10], width, height)
		}
	}
}

// TestVP8L1T3 checks the pattern that libwebrtc sends, and its counters.
func TestVP8L1T3(t *testing.T) {
	e := NewVP8(start, VP8Config{})
	wantTID := []uint8{0, 2, 1, 2, 0, 2, 1, 2}
	wantSync := []bool{false, true, true, false, false, false, false, false}
	var before Frame
	step := 0
	film(t, e, 4*time.Second, func(_ time.Time, f Frame) {
		if f.Keyframe {
			step = 0
		}
		if f.Temporal != wantTID[step] || f.Sync != (wantSync[step] || f.Keyframe) || f.Discardable != (f.Temporal == 2) {
			t.Fatalf("step %d: %+v", step, f)
		}
		if f.Number > 0 {
			if f.PictureID != (before.PictureID+1)&0x7FFF {
				t.Fatalf("picture id %d after %d", f.PictureID, before.PictureID)
			}
			if f.TL0-before.TL0 != b2u(f.Temporal == 0) {
				t.Fatalf("TL0PICIDX %d after %d, TID %d", f.TL0, before.TL0, f.Temporal)
			}
			if (f.KeyIndex-before.KeyIndex)&0x1F != b2u(f.Keyframe) {
				t.Fatalf("KEYIDX %d after %d", f.KeyIndex, before.KeyIndex)
			}
			if d := f.Timestamp - before.Timestamp; d < 2999 || d > 3001 {
				t.Fatalf("timestamp moved by %d", d)
			}
		}
		if f.Number == 41 {
			e.RequestKeyFrame() // in the middle of the pattern
		}
		if f.Keyframe != (f.Number == 0 || f.Number == 42) {
			t.Fatalf("frame %d: key %v", f.Number, f.Keyframe)
		}
		before = f
		step = (step + 1) % 8
	})
}

func TestVP8PictureIDWraps(t *testing.T) {
	e := NewVP8(start, VP8Config{})
	e.pictureID = 0x7FFE
	var got []uint16
	film(t, e, 100*time.Millisecond, func(_ time.Time, f Frame) { got = append(got, f.PictureID) })
	if got[0] != 0x7FFF || got[1] != 0 {
		t.Errorf("picture ids %v", got)
	}
}

func TestVP8KeyFramesAreThrottled(t *testing.T) {
	e := NewVP8(start, VP8Config{})
	keys := 0
	film(t, e, 3*time.Second, func(_ time.Time, f Frame) {
		e.RequestKeyFrame()
		if f.Keyframe {
			keys++
		}
	})
	if keys < 9 || keys > 10 {
		t.Errorf("%d key frames in three seconds of requests", keys)
	}
}

func TestVP8KeepsItsRate(t *testing.T) {
	for _, rate := range []units.Rate{30, 100, 500, 2500} {
		for _, layers := range []int{1, 2, 3} {
			rate := rate * units.Kbps
			config := VP8Config{Rate: rate, TemporalLayers: layers, Seed: uint64(rate)}
			if rate >= units.Mbps {
				config.Width, config.Height = 1280, 720
			}
			var total, base units.Size
			film(t, NewVP8(start, config), 30*time.Second, func(_ time.Time, f Frame) {
				total += units.Size(f.Size)
				if f.Temporal == 0 {
					base += units.Size(f.Size)
				}
			})
			if off := float64(total.Over(30*time.Second))/float64(rate) - 1; math.Abs(off) > 0.05 {
				t.Errorf("%v, %d layers: off by %.1f %%", rate, layers, 100*off)
			}
			want := []float64{1, 0.6, 0.4}[layers-1]
			if share := float64(base) / float64(total); math.Abs(share-want) > 0.12 {
				t.Errorf("%v: base of %d layers takes %.2f, want %.2f", rate, layers, share, want)
			}
		}
	}
}

func TestVP8FollowsItsTarget(t *testing.T) {
	e := NewVP8(start, VP8Config{Rate: 800 * units.Kbps})
	var seconds [30]units.Size
	changed := false
	film(t, e, 30*time.Second, func(now time.Time, f Frame) {
		seconds[int(now.Sub(start)/time.Second)] += units.Size(f.Size)
		if !changed && now.Sub(start) >= 10*time.Second {
			e.SetRate(now, 200*units.Kbps)
			changed = true
		}
	})
	rate := func(from, to int) (sum units.Rate) {
		for _, s := range seconds[from:to] {
			sum += s.Over(time.Second)
		}
		return sum / units.Rate(to-from)
	}
	if got := rate(5, 10); got < 750*units.Kbps || got > 850*units.Kbps {
		t.Errorf("before: %v", got)
	}
	// The lag of 200 ms costs (800-200) kbit/s x 0.2 s at most.
	if got := rate(10, 11); got > 370*units.Kbps {
		t.Errorf("in the first second: %v", got)
	}
	if got := rate(12, 30); got < 190*units.Kbps || got > 210*units.Kbps {
		t.Errorf("after: %v", got)
	}
}

func TestVP8DropsFramesWhenStarved(t *testing.T) {
	frames, bytes := 0, 0
	film(t, NewVP8(start, VP8Config{Rate: 10 * units.Kbps}), time.Minute, func(_ time.Time, f Frame) {
		frames++
		bytes += f.Size
	})
	if frames < 2*50 || frames > 30*50 {
		t.Errorf("%d frames in a minute at 10 kbit/s", frames)
	}
	if got := units.Size(bytes).Over(time.Minute); got > 11*units.Kbps {
		t.Errorf("sent %v", got)
	}
}

func TestVP8PausesAndResumesWithAKeyFrame(t *testing.T) {
	e := NewVP8(start, VP8Config{})
	film(t, e, time.Second, func(time.Time, Frame) {})
	e.SetRate(start.Add(time.Second), 0)
	if !e.Paused() || !e.Next().IsZero() {
		t.Fatal("goes on without a rate")
	}
	if _, ok := e.Poll(start.Add(time.Minute)); ok {
		t.Fatal("a frame while paused")
	}
	resume := start.Add(5 * time.Second)
	e.SetRate(resume, 300*units.Kbps)
	if next := e.Next(); next.Sub(resume).Abs() > time.Second/30 {
		t.Fatalf("next frame %v after resuming", next.Sub(resume))
	}
	if f, ok := e.Poll(resume.Add(time.Second / 30)); !ok || !f.Keyframe {
		t.Fatalf("resumed with %+v, %v", f, ok)
	}
}

func TestVP8LeavesOutWhatALateCallerMissed(t *testing.T) {
	e := NewVP8(start, VP8Config{})
	first, _ := e.Poll(start)
	f, ok := e.Poll(start.Add(2 * time.Second))
	if !ok || f.Timestamp-first.Timestamp < 2*VideoClock-3100 || f.Number != 1 {
		t.Fatalf("got %+v, %v", f, ok)
	}
	if _, ok := e.Poll(start.Add(2 * time.Second)); ok {
		t.Fatal("frames from the past")
	}
}

func TestVP8BadArguments(t *testing.T) {
	e := NewVP8(start, VP8Config{Width: -5, Height: 1 << 20, FrameRate: math.NaN(), Rate: -1, TemporalLayers: 9, MaxPayload: 1})
	f, ok := e.Poll(start)
	if !ok || f.Packets() < 1 {
		t.Fatalf("%+v, %v", f, ok)
	}
	buf := make([]byte, 2000)
	for i := range f.Packets() {
		if p, _ := f.Packet(i, buf); p == nil || len(p) > leastMaxPayload {
			t.Fatalf("packet %d: %d bytes", i, len(p))
		}
	}
	for _, i := range []int{-1, f.Packets()} {
		if p, _ := f.Packet(i, buf); p != nil {
			t.Errorf("packet %d", i)
		}
	}
	if p, _ := f.Packet(0, buf[:10]); p != nil {
		t.Error("a packet in ten bytes")
	}
	if (Frame{}).Packets() != 0 {
		t.Error("the zero frame has packets")
	}
}

func TestVP8DoesNotAllocate(t *testing.T) {
	e := NewVP8(start, VP8Config{Rate: 2 * units.Mbps})
	buf := make([]byte, 1500)
	got := testing.AllocsPerRun(500, func() {
		f, _ := e.Poll(e.Next())
		for i := range f.Packets() {
			f.Packet(i, buf)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations a frame", got)
	}
}

func BenchmarkVP8Packet(b *testing.B) {
	e := NewVP8(start, VP8Config{Rate: 2 * units.Mbps})
	buf := make([]byte, 1500)
	var f Frame
	i, n := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		if i == n {
			f, _ = e.Poll(e.Next())
			i, n = 0, f.Packets()
		}
		f.Packet(i, buf)
		i++
	}
}
