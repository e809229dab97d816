package rewrite

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// in is one incoming packet; frame is its frame's number at 30 a second.
type in struct {
	ssrc     uint32
	extended int64
	frame    int
	temporal uint8
	marker   bool
}

const frameTicks = 3000 // 90 kHz at 30 frames a second

func (i in) packet() *packet.Packet {
	return &packet.Packet{
		Arrival:   epoch.Add(time.Duration(i.frame) * time.Second / 30),
		Extended:  i.extended,
		Sequence:  uint16(i.extended),
		SSRC:      i.ssrc,
		Timestamp: i.ssrc*1_000_003 + uint32(i.frame)*frameTicks,
		Marker:    i.marker,
		Kind:      codec.VP8,
		Payload:   []byte{0x90, 0x80, 0x00, 0x01},
		Info: codec.Info{
			HasPictureID: true, LongPictureID: true, PictureID: uint16(i.ssrc*777+uint32(i.frame)) & 0x7fff,
			HasTL0PICIDX: true, TL0PICIDX: uint8(i.ssrc*13 + uint32(i.frame/2)), Temporal: i.temporal,
		},
	}
}

func newTestStream() *Stream {
	return New(Config{ClockRate: 90000, Sequence: 65534, Timestamp: 4294967000, PictureID: 32767, TL0PICIDX: 255})
}

// TestFlow walks one stream through drops, loss, lateness and switches and
// checks every number that goes out.
func TestFlow(t *testing.T) {
	type want struct {
		ok  bool
		out Output
	}
	base := uint32(4294967000)
	yes := func(seq uint16, ticks uint32, id uint16, tl0 uint8) want {
		return want{true, Output{Sequence: seq, Timestamp: base + ticks, PictureID: id, TL0PICIDX: tl0}}
	}
	no := want{}
	steps := []struct {
		name string
		do   string // rewrite, drop, switch (and rewrite)
		in   in
		want want
	}{
		{"first packet gets the initial values", "rewrite", in{ssrc: 1, extended: 10, frame: 0}, yes(65534, 0, 32767, 255)},
		{"same frame", "rewrite", in{ssrc: 1, extended: 11, frame: 0}, yes(65535, 0, 32767, 255)},
		{"all numbers wrap", "rewrite", in{ssrc: 1, extended: 12, frame: 2}, yes(0, 6000, 1, 0)},
		{"temporal frame dropped", "drop", in{ssrc: 1, extended: 13, frame: 3, temporal: 1}, no},
		{"its second packet", "drop", in{ssrc: 1, extended: 14, frame: 3, temporal: 1}, no},
		{"its rest is refused though asked for", "rewrite", in{ssrc: 1, extended: 15, frame: 3, temporal: 1}, no},
		{"no gap behind it", "rewrite", in{ssrc: 1, extended: 16, frame: 4}, yes(1, 12000, 2, 1)},
		{"a gap in is the same gap out", "rewrite", in{ssrc: 1, extended: 19, frame: 5}, yes(4, 15000, 3, 1)},
		{"drop after the gap", "drop", in{ssrc: 1, extended: 20, frame: 6, temporal: 1}, no},
		{"then another", "rewrite", in{ssrc: 1, extended: 21, frame: 7}, yes(5, 21000, 4, 2)},
		{"late packet gets its own number", "rewrite", in{ssrc: 1, extended: 17, frame: 4}, yes(2, 12000, 2, 1)},
		{"but once", "rewrite", in{ssrc: 1, extended: 17, frame: 4}, no},
		{"a late one that is dropped leaves a hole to fill", "drop", in{ssrc: 1, extended: 18, frame: 5}, want{true, Output{Sequence: 3, Timestamp: base + 15000}}},
		{"also once", "drop", in{ssrc: 1, extended: 18, frame: 5}, no},
		{"sent is sent", "rewrite", in{ssrc: 1, extended: 16, frame: 4}, no},
		{"dropped stays dropped", "rewrite", in{ssrc: 1, extended: 13, frame: 3, temporal: 1}, no},
		{"trailing loss is promised to nobody", "drop", in{ssrc: 1, extended: 25, frame: 8}, no},
		{"another source keeps real time", "switch", in{ssrc: 2, extended: 700, frame: 10}, yes(6, 30000, 5, 3)},
		{"old source refused", "rewrite", in{ssrc: 1, extended: 22, frame: 8}, no},
		{"older of the new source refused", "rewrite", in{ssrc: 2, extended: 699, frame: 9}, no},
		{"nor dropped", "drop", in{ssrc: 2, extended: 699, frame: 9}, no},
		{"new source goes on", "rewrite", in{ssrc: 2, extended: 701, frame: 12}, yes(7, 36000, 7, 4)},
		{"pause and resume", "switch", in{ssrc: 2, extended: 2000, frame: 400}, yes(8, 1200000, 8, 5)},
		{"and back to the first", "switch", in{ssrc: 1, extended: 21, frame: 401}, yes(9, 1203000, 9, 6)},
	}
	s := newTestStream()
	for _, step := range steps {
		p := step.in.packet()
		var got want
		switch step.do {
		case "drop":
			got.out, got.ok = s.Drop(p)
		case "switch":
			s.Switch(p.Arrival, p)
			fallthrough
		default:
			got.out, got.ok = s.Rewrite(p.Arrival, p)
		}
		if got != step.want {
			t.Fatalf("%s: %s", step.name, cmp.Diff(step.want, got, cmp.AllowUnexported(want{})))
		}
	}
}

// What is lost inside a frame that is dropped would have been dropped: no hole.
func TestLossInsideDroppedFrame(t *testing.T) {
	s := newTestStream()
	rewrite(t, s, in{ssrc: 1, extended: 1, frame: 0}, 65534)
	s.Drop(in{ssrc: 1, extended: 2, frame: 1, temporal: 1}.packet())
	s.Drop(in{ssrc: 1, extended: 5, frame: 1, temporal: 1}.packet())
	rewrite(t, s, in{ssrc: 1, extended: 6, frame: 2}, 65535)
	if _, fill := s.Drop(in{ssrc: 1, extended: 3, frame: 1, temporal: 1}.packet()); fill {
		t.Error("a packet of a dropped frame has a hole to fill")
	}
}

// Padding on the media stream uses up a number of the source and nothing else.
func TestPaddingTakesNoPictureID(t *testing.T) {
	s := newTestStream()
	rewrite(t, s, in{ssrc: 1, extended: 1, frame: 0}, 65534)
	padding := in{ssrc: 1, extended: 2, frame: 0}.packet()
	padding.Payload, padding.Info = nil, codec.Info{}
	s.Drop(padding)
	p := in{ssrc: 1, extended: 3, frame: 1}.packet()
	out, ok := s.Rewrite(p.Arrival, p)
	if !ok || out.Sequence != 65535 || out.PictureID != 0 {
		t.Errorf("after padding: %+v %v, want sequence 65535 and picture id 0", out, ok)
	}
}

// A loss larger than the ring shows as one missing packet, and what was lost
// is refused. So is a source that began anew, whose timestamps fit nothing.
func TestLeap(t *testing.T) {
	for _, leap := range []int64{ringSize, ringSize + 1, maxLeap, maxLeap + 1, 1 << 20, 1 << 40} {
		s := newTestStream()
		rewrite(t, s, in{ssrc: 1, extended: 100, frame: 0}, 65534)
		p := in{ssrc: 1, extended: 100 + leap + 1, frame: 30}.packet()
		if leap >= maxLeap {
			p.Timestamp += 0x70000000
		}
		out, ok := s.Rewrite(p.Arrival, p)
		if !ok || out.Sequence != 0 {
			t.Fatalf("leap %d: sequence %d %v, want 0 after 65534", leap, out.Sequence, ok)
		}
		if got := out.Timestamp - 4294967000; got != 30*frameTicks {
			t.Errorf("leap %d: %d ticks later, want %d", leap, got, 30*frameTicks)
		}
		q := in{ssrc: 1, extended: 100 + leap, frame: 29}.packet()
		if _, ok := s.Rewrite(q.Arrival, q); ok {
			t.Errorf("leap %d: the lost packet before it was let through", leap)
		}
	}
}

// RFC 7741 §4.2 allows 7-bit picture ids, and none: the form is the source's.
func TestPictureForms(t *testing.T) {
	s := newTestStream()
	send := func(ssrc uint32, extended int64, info codec.Info) Output {
		t.Helper()
		p := in{ssrc: ssrc, extended: extended, frame: int(extended)}.packet()
		p.Info = info
		if extended%100 == 0 {
			s.Switch(p.Arrival, p)
		}
		out, ok := s.Rewrite(p.Arrival, p)
		if !ok {
			t.Fatal("refused")
		}
		return out
	}
	short := codec.Info{HasPictureID: true, PictureID: 126}
	long := codec.Info{HasPictureID: true, LongPictureID: true, PictureID: 9}
	for i, step := range []struct {
		ssrc     uint32
		extended int64
		info     codec.Info
		want     uint16
	}{
		{1, 100, short, 127},
		{1, 101, codec.Info{HasPictureID: true, PictureID: 127}, 0},
		{2, 200, codec.Info{}, 0},
		{3, 300, long, 1},
		{4, 400, short, 2},
	} {
		if got := send(step.ssrc, step.extended, step.info); step.info.HasPictureID && got.PictureID != step.want {
			t.Errorf("step %d: picture id %d, want %d", i, got.PictureID, step.want)
		}
	}
}

func TestOtherKindsHaveNoPictureID(t *testing.T) {
	s := newTestStream()
	p := in{ssrc: 1, extended: 5, frame: 0}.packet()
	p.Kind = codec.H264
	out, ok := s.Rewrite(p.Arrival, p)
	if want := (Output{Sequence: 65534, Timestamp: 4294967000}); !ok || out != want {
		t.Errorf("got %+v %v, want %+v", out, ok, want)
	}
}

func TestNothingSent(t *testing.T) {
	s := New(Config{})
	if _, fill := s.Drop(in{ssrc: 1, extended: 5}.packet()); fill {
		t.Error("a drop before anything was sent has a hole to fill")
	}
	if _, ok := s.SenderReport(epoch); ok {
		t.Error("a sender report before anything was sent")
	}
	p := in{ssrc: 1, extended: 6}.packet()
	if out, ok := s.Rewrite(epoch, p); !ok || out != (Output{}) {
		t.Errorf("first packet: %+v %v", out, ok)
	}
}

func rewrite(t *testing.T, s *Stream, i in, want uint16) {
	t.Helper()
	p := i.packet()
	out, ok := s.Rewrite(p.Arrival, p)
	if !ok || out.Sequence != want {
		t.Fatalf("extended %d: sequence %d %v, want %d", i.extended, out.Sequence, ok, want)
	}
}
