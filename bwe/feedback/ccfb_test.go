package feedback

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe"
)

// whatever arrives of several streams in whatever order, our decoder and pion's
// parser read back what was recorded.
func TestStreamsRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultRecorderConfig()
		cfg.MaxSize = rapid.SampledFrom([]int{700, 1100}).Draw(t, "size")
		r, err := NewRecorder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var sent Sent
		var d StreamDecoder
		type came struct {
			at  time.Duration
			ecn uint8
		}
		next := []uint16{65500, 3, 30000, 0}
		arrivals := map[int64]came{}
		now, path := epoch, int64(0)
		var offset time.Duration
		first := true
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			for range rapid.IntRange(0, 40).Draw(t, "packets") {
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "gap")) * time.Millisecond)
				i := rapid.IntRange(0, len(next)-1).Draw(t, "stream")
				sent.Note(uint32(i), next[i], path)
				if rapid.IntRange(0, 4).Draw(t, "lost?") > 0 {
					ecn := uint8(rapid.IntRange(0, 3).Draw(t, "ecn"))
					r.OnStream(now, uint32(i), next[i], 1000, ecn)
					arrivals[path] = came{now.Sub(epoch), ecn}
				}
				next[i]++
				path++
			}
			for more := true; more; {
				var b []byte
				if b, more = r.Build(now, nil); len(b) == 0 {
					break
				}
				if len(b) > cfg.MaxSize || len(b)%4 != 0 {
					t.Fatalf("a report of %d bytes, at most %d", len(b), cfg.MaxSize)
				}
				var p rtcp.CCFeedbackReport
				if err := p.Unmarshal(b); err != nil {
					t.Fatalf("pion/rtcp refuses: %v\n%x", err, b)
				}
				reports, err := d.Decode(nil, b, &sent)
				if err != nil {
					t.Fatal(err)
				}
				metrics := 0
				for _, block := range p.ReportBlocks {
					metrics += len(block.MetricBlocks)
				}
				if metrics != len(reports) {
					t.Fatalf("%d reports of %d", len(reports), metrics)
				}
				for i, g := range reports {
					if i > 0 && g.Sequence < reports[i-1].Sequence {
						t.Fatal("not in the order of sending")
					}
					want, did := arrivals[g.Sequence]
					if did != g.Received {
						t.Fatalf("packet %d: received %v, reported %v", g.Sequence, did, g.Received)
					}
					if !did {
						continue
					}
					if first {
						offset, first = g.Arrival-want.at, false
					}
					if off := g.Arrival - want.at - offset; off > 2*time.Millisecond || off < -2*time.Millisecond || g.ECN != want.ecn {
						t.Fatalf("packet %d: off by %v, ECN %d, want %d", g.Sequence, off, g.ECN, want.ecn)
					}
				}
			}
		}
		if r.pending() {
			t.Fatal("something is still pending")
		}
	})
}

// A packet of RFC 8888's own making, checked byte by byte.
func TestStreamReportBytes(t *testing.T) {
	cfg := DefaultRecorderConfig()
	cfg.SenderSSRC = 0x01020304
	r, err := NewRecorder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.OnStream(epoch, 0xa0b0c0d0, 500, 1000, 3)
	r.OnStream(epoch.Add(250*time.Millisecond), 0xa0b0c0d0, 502, 1000, 0)
	b, more := r.Build(epoch.Add(500*time.Millisecond), nil)
	want := []byte{
		0x8b, 205, 0, 6, 1, 2, 3, 4,
		0xa0, 0xb0, 0xc0, 0xd0, 500 >> 8, 500 & 0xff, 0, 3,
		0x80 | 3<<5 | 0x02, 0x00, 0, 0, 0x81, 0x00, 0, 0, // half a second, lost, a quarter, padding
		0, 0, 0x80, 0x10, // 2001 ticks
	}
	if more || string(b) != string(want) {
		t.Errorf("wrote\n%x, want\n%x", b, want)
	}
}

func TestStreamStampsWrap(t *testing.T) {
	r, d, sent := newRecorder(t), &StreamDecoder{}, &Sent{}
	now, last := epoch, time.Duration(0)
	for i := range uint16(12) {
		sent.Note(1, i, int64(i))
		r.OnStream(now, 1, i, 100, 0)
		b, _ := r.Build(now, nil)
		got, err := d.Decode(nil, b, sent)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if step := got[0].Arrival - last; i > 0 && (step-7*time.Hour).Abs() > time.Millisecond {
			t.Fatalf("step %d: %v", i, step)
		}
		last = got[0].Arrival
		now = now.Add(7 * time.Hour) // the wire wraps after 18.2
	}
}

func TestSentForgets(t *testing.T) {
	var s Sent
	for i := range int64(100) {
		s.Note(9, uint16(i), i)
	}
	if n := len(s.streams[0].ring); n != leastSent {
		t.Errorf("100 packets take %d places", n)
	}
	s = Sent{}
	for i := range int64(200_000) {
		s.Note(uint32(i%3), uint16(i/3), i)
	}
	last := 199_998 / 3
	if p, ok := s.Path(0, uint16(last)); !ok || p != 199_998 {
		t.Errorf("the newest of a stream is %d, %v", p, ok)
	}
	if _, ok := s.Path(0, uint16(last-Window/3-100)); ok {
		t.Error("a packet beyond the window is known")
	}
	if _, ok := s.Path(7, 1); ok {
		t.Error("a stream that was never sent is known")
	}
	for i := range uint32(1000) {
		s.Note(1000+i, 0, 200_000+int64(i))
	}
	if len(s.streams) > mostSentStreams {
		t.Errorf("%d streams are remembered", len(s.streams))
	}
	n := testing.AllocsPerRun(1000, func() {
		s.Note(0, uint16(s.newest), s.newest)
	})
	if n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// Sound is sent again under its own number where there is no stream for that.
func TestSentAgainTellsNothing(t *testing.T) {
	var s Sent
	s.Note(1, 7, 0)
	s.Note(1, 8, 1)
	s.Note(1, 7, 2)
	if _, ok := s.Path(1, 7); ok {
		t.Error("which of the two came is not known")
	}
	if p, ok := s.Path(1, 8); !ok || p != 1 {
		t.Error("the packet between them is not known")
	}
	if p, ok := s.Repeat(1, 8); !ok || p != 1 {
		t.Errorf("the packet that goes again was %d, %v", p, ok)
	}
	if _, ok := s.Repeat(1, 8); ok {
		t.Error("a packet that went again is known when it goes once more")
	}
	if _, ok := s.Path(1, 8); ok {
		t.Error("which of the two came is known after Repeat")
	}
	if _, ok := s.Repeat(3, 1); ok {
		t.Error("a packet of a stream that was never sent is known")
	}
	for i := range int64(Window) {
		s.Note(2, uint16(i), 3+i)
	}
	s.Note(1, 7, 3+Window) // a turn of the counter later
	if p, ok := s.Path(1, 7); !ok || p != 3+Window {
		t.Error("the same number much later is another packet")
	}
}

// Streams without end take each other's place.
func TestRecorderBoundsStreams(t *testing.T) {
	r := newRecorder(t)
	for i := range uint32(5000) {
		r.OnStream(epoch.Add(time.Duration(i)*time.Millisecond), i, uint16(i), 100, 0)
	}
	if len(r.streams) != mostStreams {
		t.Errorf("%d streams are kept", len(r.streams))
	}
	b, _ := r.Build(epoch.Add(6*time.Second), nil)
	var p rtcp.CCFeedbackReport
	if err := p.Unmarshal(b); err != nil {
		t.Error(err)
	}
}

func TestNextSplitsCompounds(t *testing.T) {
	b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{}, &rtcp.PictureLossIndication{MediaSSRC: 1}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for p, rest := Next(b); p != nil; p, rest = Next(rest) {
		n++
	}
	if n != 2 {
		t.Errorf("%d packets of two", n)
	}
	for i := range b {
		for p, rest := Next(b[:i]); p != nil; p, rest = Next(rest) {
			if len(p) < 4 || len(p)%4 != 0 {
				t.Fatalf("a packet of %d bytes", len(p))
			}
		}
	}
}

func FuzzStreams(f *testing.F) {
	r, err := NewRecorder(DefaultRecorderConfig())
	if err != nil {
		f.Fatal(err)
	}
	for i := range uint16(9) {
		r.OnStream(epoch.Add(time.Duration(i)*9*time.Millisecond), uint32(i%2), i, 100, uint8(i))
	}
	b, _ := r.Build(epoch.Add(time.Second), nil)
	f.Add(b)
	f.Add([]byte("\x8b\xcd\x00\x02aaaabbbb"))
	f.Add([]byte("\xab\xcd\x00\x04aaaabbbb\x00\x00\xff\xff\x00\x00\x00\x04"))
	var sent Sent
	for i := range int64(20000) {
		sent.Note(uint32(i%2), uint16(i), i)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d StreamDecoder
		for range 2 {
			got, err := d.Decode(nil, b, &sent)
			if err != nil && len(got) > 0 {
				t.Fatal("reports of a packet that was refused")
			}
			if len(got) > Window {
				t.Fatalf("%d reports", len(got))
			}
			for i, g := range got {
				if g.Sequence < 20000-Window || g.Sequence >= 20000 || i > 0 && g.Sequence < got[i-1].Sequence {
					t.Fatalf("report of packet %d", g.Sequence)
				}
			}
			if len(b) >= 4 {
				binary.BigEndian.PutUint32(b[len(b)-4:], 0x7fffffff)
			}
		}
	})
}

// FuzzNext walks compounds.
func FuzzNext(f *testing.F) {
	f.Add([]byte("\x80\xc9\x00\x01aaaa\x81\xce\x00\x02bbbbcccc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for p, rest := Next(b); p != nil; p, rest = Next(rest) {
			total += len(p)
			if len(p) < 4 || total+len(rest) != len(b) {
				t.Fatal("bytes were lost or made up")
			}
			_ = IsReport(p)
		}
	})
}

func TestStreamDecoderRefuses(t *testing.T) {
	var d StreamDecoder
	if _, err := d.Decode(nil, []byte{0x8f, 205, 0, 0}, &Sent{}); !errors.Is(err, ErrNotCCFB) {
		t.Error(err)
	}
	for _, b := range []string{"\x8b\xcd\x00\x01aaaa", "\x8b\xcd\x00\x09aaaabbbb", "\x8b\xcd\x00\x04aaaabbbb\x00\x00\x00\x09cccc", "\xab\xcd\x00\x02aaaabbb\x09"} {
		if got, err := d.Decode(nil, []byte(b), &Sent{}); !errors.Is(err, ErrTruncated) || len(got) > 0 {
			t.Errorf("%q: %v, %v", b, got, err)
		}
	}
}

func TestStreamsSteadyStateAllocatesNothing(t *testing.T) {
	step := steadyStreams(t)
	if n := testing.AllocsPerRun(500, step); n != 0 {
		t.Fatalf("%v allocations a report", n)
	}
}

// steadyStreams is steady by stream.
func steadyStreams(t testing.TB) func() {
	r, d, sent := newRecorder(t), &StreamDecoder{}, &Sent{}
	b := make([]byte, 0, 1500)
	dst := make([]bwe.PacketReport, 0, 100)
	now, path := epoch, int64(0)
	step := func() {
		for range 20 {
			now = now.Add(7 * time.Millisecond)
			ssrc, seq := uint32(path&1), uint16(path/2)
			sent.Note(ssrc, seq, path)
			if path%9 != 0 {
				r.OnStream(now, ssrc, seq, 1200, 0)
			}
			path++
		}
		b, _ = r.Build(now, b[:0])
		var err error
		if dst, err = d.Decode(dst[:0], b, sent); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		step() // until every memory has its length
	}
	return step
}

func BenchmarkTwentyPacketsByStream(b *testing.B) {
	step := steadyStreams(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
