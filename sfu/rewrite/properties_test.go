package rewrite

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// camera is one model source: a VP8 stream of L1T2 or L1T3 frames.
type camera struct {
	ssrc      uint32
	extended  int64
	offset    uint32 // of its timestamps
	picture   uint16
	tl0       uint8
	long      bool
	patterned []uint8 // temporal ids, repeated
	count     int
}

// frame makes the packets of the frame captured at a time since epoch.
func (c *camera) frame(captured, delay time.Duration, packets int) []*packet.Packet {
	temporal := c.patterned[c.count%len(c.patterned)]
	if temporal == 0 {
		c.tl0++
	}
	c.count++
	c.picture++
	made := make([]*packet.Packet, packets)
	for i := range made {
		made[i] = &packet.Packet{
			Arrival: epoch.Add(captured + delay), Extended: c.extended, Sequence: uint16(c.extended),
			SSRC: c.ssrc, Timestamp: c.offset + uint32(captured*90/time.Millisecond),
			Marker: i == packets-1, Kind: codec.VP8, Payload: []byte{0x90},
			Info: codec.Info{
				FrameStart: i == 0, FrameEnd: i == packets-1, Temporal: temporal,
				HasPictureID: true, LongPictureID: c.long, PictureID: c.picture & pictureMask(&codec.Info{LongPictureID: c.long}),
				HasTL0PICIDX: true, TL0PICIDX: c.tl0,
			},
		}
		c.extended++
	}
	return made
}

func drawCameras(t *rapid.T) []*camera {
	long := rapid.Bool().Draw(t, "long")
	cameras := make([]*camera, rapid.IntRange(1, 3).Draw(t, "cameras"))
	for i := range cameras {
		cameras[i] = &camera{
			ssrc:      uint32(i) + 1,
			extended:  rapid.Int64Range(0, 70000).Draw(t, "extended"),
			offset:    rapid.Uint32().Draw(t, "timestamp"),
			picture:   rapid.Uint16().Draw(t, "picture"),
			tl0:       rapid.Uint8().Draw(t, "tl0"),
			long:      long,
			patterned: [][]uint8{{0}, {0, 1}, {0, 2, 1, 2}}[rapid.IntRange(0, 2).Draw(t, "pattern")],
		}
	}
	return cameras
}

// receiver is who gets the stream: it unwraps what it sees.
type receiver struct {
	started   bool
	sequence  int64
	timestamp int64
	picture   int64
	tl0       int64
}

func unwrap(last int64, value, mask uint64) int64 {
	step := (value - uint64(last)) & mask
	if step > mask/2 {
		return last - int64(mask+1-step)
	}
	return last + int64(step)
}

// Without loss on the way in, whatever is dropped and however often the source
// changes: sequence numbers and picture ids go up by exactly one, TL0PICIDX by
// one for each base frame, and timestamps keep real time within 20 ms. Packets of
// our own go in between.
func TestContinuous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cameras := drawCameras(t)
		s := New(Config{
			ClockRate: 90000, Sequence: rapid.Uint16().Draw(t, "sequence"), Timestamp: rapid.Uint32().Draw(t, "base"),
			PictureID: rapid.Uint16().Draw(t, "id") & 0x7fff, TL0PICIDX: rapid.Uint8().Draw(t, "tl0"),
		})
		var r receiver
		current, limit := cameras[0], uint8(2)
		change := true
		var origin time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 120).Draw(t, "frames") {
			now += time.Duration(rapid.IntRange(20, 80).Draw(t, "interval")) * time.Millisecond
			switch rapid.IntRange(0, 15).Draw(t, "event") {
			case 1: // another source or layer
				current, change = cameras[rapid.IntRange(0, len(cameras)-1).Draw(t, "camera")], true
			case 2:
				limit = uint8(rapid.IntRange(0, 2).Draw(t, "limit"))
			case 3: // nothing is sent for a while
				now += time.Duration(rapid.IntRange(0, 100_000).Draw(t, "pause")) * time.Millisecond
				change = true
			}
			delay := time.Duration(rapid.IntRange(0, 5000).Draw(t, "jitter")) * time.Microsecond
			for _, c := range cameras {
				packets := c.frame(now, delay, rapid.IntRange(1, 3).Draw(t, "packets"))
				if c != current {
					for _, p := range packets {
						s.Drop(p) // of another source: harmless
					}
					continue
				}
				temporal := packets[0].Info.Temporal
				if change && temporal != 0 || temporal > limit {
					for _, p := range packets {
						if _, fill := s.Drop(p); fill {
							t.Fatal("a hole to fill without loss")
						}
					}
					continue
				}
				if change {
					s.Switch(packets[0].Arrival, packets[0])
					change = false
				}
				r.frame(t, s, packets, now, &origin)
				for range rapid.IntRange(0, 2).Draw(t, "own") {
					r.sequence++
					if n, ok := s.Insert(); !ok || n != uint16(r.sequence) {
						t.Fatalf("a packet of our own has number %d (%v), want %d", n, ok, uint16(r.sequence))
					}
				}
			}
		}
	})
}

// frame takes one whole frame and holds it against what came before.
func (r *receiver) frame(t *rapid.T, s *Stream, packets []*packet.Packet, captured time.Duration, origin *time.Duration) {
	for i, p := range packets {
		out, ok := s.Rewrite(p.Arrival, p)
		if !ok {
			t.Fatalf("packet %d of the frame at %v was refused", i, captured)
		}
		if !r.started {
			r.started, *origin = true, captured
			r.sequence, r.timestamp = int64(out.Sequence)-1, int64(out.Timestamp)
			r.picture, r.tl0 = int64(out.PictureID)-1, int64(out.TL0PICIDX)-1
		}
		if want := uint16(r.sequence + 1); out.Sequence != want {
			t.Fatalf("sequence %d, want %d", out.Sequence, want)
		}
		r.sequence++
		stamp := unwrap(r.timestamp, uint64(out.Timestamp), 0xffffffff)
		if i == 0 && stamp <= r.timestamp && captured != *origin || i > 0 && stamp != r.timestamp {
			t.Fatalf("timestamp %d after %d, packet %d of its frame", stamp, r.timestamp, i)
		}
		r.timestamp = stamp
		if i == 0 {
			r.picture++
			if p.Info.Temporal == 0 {
				r.tl0++
			}
		}
		if want := uint16(r.picture) & pictureMask(&p.Info); out.PictureID != want {
			t.Fatalf("picture id %d, want %d", out.PictureID, want)
		}
		if out.TL0PICIDX != uint8(r.tl0) {
			t.Fatalf("TL0PICIDX %d, want %d", out.TL0PICIDX, uint8(r.tl0))
		}
	}
	r.realTime(t, s, captured-*origin)
}

// realTime holds the last timestamp, and the sender report of now, against the
// time that passed since the first frame.
func (r *receiver) realTime(t *rapid.T, s *Stream, passed time.Duration) {
	first := int64(s.clock.base)
	off := time.Duration(unwrap(r.timestamp, uint64(uint32(first)), 0xffffffff)) // unwrapped beside the newest
	sent := time.Duration(r.timestamp-int64(off)) * time.Second / 90000
	if d := sent - passed; d.Abs() > 20*time.Millisecond {
		t.Fatalf("timestamps are %v off real time after %v", d, passed)
	}
}

// With loss, reordering, retransmission and duplicates on the way in: no number
// goes out twice, every packet keeps its place, and once all that was lost has
// come there is no hole left.
func TestLossAndReordering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCameras(t)[0]
		var packets []*packet.Packet
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "frames") {
			now += 33 * time.Millisecond
			packets = append(packets, c.frame(now, 0, rapid.IntRange(1, 4).Draw(t, "packets"))...)
		}
		limit := uint8(rapid.IntRange(0, 2).Draw(t, "limit"))
		order := drawOrder(t, len(packets))

		s := New(Config{Sequence: rapid.Uint16().Draw(t, "sequence"), Timestamp: rapid.Uint32().Draw(t, "base")})
		s.Switch(epoch, packets[0])
		g := got{from: map[int64]int64{}, out: map[int64]Output{}}
		for _, i := range order {
			p := packets[i]
			if p.Info.Temporal > limit {
				if out, fill := s.Drop(p); fill {
					g.note(t, p, out)
				}
				continue
			}
			if out, ok := s.Rewrite(p.Arrival, p); ok {
				g.note(t, p, out)
				if rapid.IntRange(0, 3).Draw(t, "own") == 1 {
					g.own(t, s)
				}
			} else if _, seen := g.out[p.Extended]; !seen {
				t.Fatalf("packet %d was refused the first time", p.Extended)
			}
		}
		g.check(t, packets, limit)
	})
}

// drawOrder is 0 to n-1 in an order of arrival: each packet may come late, and
// some come twice.
func drawOrder(t *rapid.T, n int) []int {
	due := make([][]int, n+1)
	order := []int{0} // the packet of the switch
	for i := 1; i < n; i++ {
		at := i
		if rapid.IntRange(0, 7).Draw(t, "late") == 1 {
			at = min(n, i+rapid.IntRange(1, 40).Draw(t, "by"))
		}
		due[at] = append(due[at], i)
		if rapid.IntRange(0, 15).Draw(t, "twice") == 1 {
			due[min(n, at+1)] = append(due[min(n, at+1)], i)
		}
	}
	for _, d := range due {
		order = append(order, d...)
	}
	return order
}

// got is what came out, by outgoing number (unwrapped) and by incoming number.
type got struct {
	last int64
	from map[int64]int64
	out  map[int64]Output
}

func (g *got) note(t *rapid.T, p *packet.Packet, out Output) {
	if len(g.out) == 0 {
		g.last = int64(out.Sequence)
	}
	number := unwrap(g.last, uint64(out.Sequence), 0xffff)
	g.last = max(g.last, number)
	if other, twice := g.from[number]; twice {
		t.Fatalf("number %d went out for packet %d and for %d", number, other, p.Extended)
	}
	if _, twice := g.out[p.Extended]; twice {
		t.Fatalf("packet %d went out twice", p.Extended)
	}
	g.from[number], g.out[p.Extended] = p.Extended, out
}

// own puts a packet of our own behind what went out, if it may.
func (g *got) own(t *rapid.T, s *Stream) {
	sequence, ok := s.Insert()
	if !ok {
		return
	}
	g.last++
	if sequence != uint16(g.last) || g.from[g.last] != 0 {
		t.Fatalf("a packet of our own has number %d behind %d", sequence, uint16(g.last-1))
	}
	g.from[g.last] = own
}

// own stands for a packet of our own in got.from.
const own = -1

// check reads the whole stream in order, as a receiver does in the end.
func (g *got) check(t *rapid.T, packets []*packet.Packet, limit uint8) {
	previous := Output{}
	began := false
	for number := g.last - int64(len(g.from)) + 1; number <= g.last; number++ {
		extended, ok := g.from[number]
		if !ok {
			t.Fatalf("number %d is missing of %d", number, len(g.from))
		}
		if extended == own {
			continue
		}
		p, out := packets[extended-packets[0].Extended], g.out[extended]
		if began && int32(out.Timestamp-previous.Timestamp) < 0 {
			t.Fatalf("timestamp of packet %d goes back", extended)
		}
		// An empty packet in a hole is of no frame.
		if want := packets[0].Timestamp - g.out[packets[0].Extended].Timestamp; p.Info.Temporal <= limit && p.Timestamp-out.Timestamp != want {
			t.Fatalf("timestamp of packet %d is not that of its frame", extended)
		}
		previous, began = out, true
	}
}

// Frames that go out have picture ids in their order and no two the same,
// whatever was lost and dropped.
func TestPictureIDsUnderLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCameras(t)[0]
		c.long = true
		s := New(Config{PictureID: uint16(rapid.IntRange(0, 0x7fff).Draw(t, "id"))})
		var packets []*packet.Packet
		frameOf := map[uint32]int{}
		now := time.Duration(0)
		for i := range rapid.IntRange(1, 60).Draw(t, "frames") {
			now += 33 * time.Millisecond
			made := c.frame(now, 0, rapid.IntRange(1, 3).Draw(t, "packets"))
			frameOf[made[0].Timestamp] = i
			packets = append(packets, made...)
		}
		limit := uint8(rapid.IntRange(0, 2).Draw(t, "limit"))
		s.Switch(epoch, packets[0])
		id := map[int]int64{} // of each frame that went out
		last := int64(-1)
		for _, i := range drawOrder(t, len(packets)) {
			p := packets[i]
			if p.Info.Temporal > limit {
				s.Drop(p)
				continue
			}
			out, ok := s.Rewrite(p.Arrival, p)
			if !ok {
				continue
			}
			if last < 0 {
				last = int64(out.PictureID)
			}
			number := unwrap(last, uint64(out.PictureID), 0x7fff)
			last = max(last, number)
			f := frameOf[p.Timestamp]
			if before, seen := id[f]; seen && before != number {
				t.Fatalf("frame %d has picture ids %d and %d", f, before, number)
			}
			id[f] = number
		}
		previous, before := -1, int64(0)
		for f := range len(frameOf) {
			number, sent := id[f]
			if !sent {
				continue
			}
			if previous >= 0 && (number <= before || number-before > int64(f-previous)) {
				t.Fatalf("frames %d and %d have picture ids %d and %d", previous, f, before, number)
			}
			previous, before = f, number
		}
	})
}
