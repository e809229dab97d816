package rewrite

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/svctest"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// scalable is a model source with layers inside: frames with VP9 picture ids,
// TL0PICIDX (as in non-flexible mode) and the numbers of dependency descriptors.
type scalable struct {
	ssrc     uint32
	encoder  *svctest.Encoder
	extended int64
	offset   uint32
	picture  uint16 // added to the encoder's
	tl0      uint8
}

// framed is a packet and the frame that it is part of.
type framed struct {
	*packet.Packet
	frame *svctest.Frame
}

// next makes the packets of the picture captured at a time since epoch.
func (c *scalable) next(key bool, captured, delay time.Duration, packets int) (made []framed) {
	for _, f := range c.encoder.Next(key) {
		if f.Spatial == 0 && f.Temporal == 0 {
			c.tl0++
		}
		for i := range packets {
			made = append(made, framed{&packet.Packet{
				Arrival: epoch.Add(captured + delay), Extended: c.extended, SSRC: c.ssrc,
				Timestamp: c.offset + uint32(captured*90/time.Millisecond),
				Kind:      codec.VP9, Payload: []byte{0xa0}, Descriptor: []byte{0, 0, 0},
				Placement: codec.Placement{Number: f.Number},
				Info: codec.Info{
					FrameStart: i == 0, FrameEnd: i == packets-1, Spatial: uint8(f.Spatial), Temporal: uint8(f.Temporal),
					HasPictureID: true, LongPictureID: true, PictureID: (c.picture + uint16(f.Picture)) & 0x7fff,
					HasTL0PICIDX: true, TL0PICIDX: c.tl0,
				},
			}, f})
			c.extended++
		}
	}
	return made
}

var modes = []svctest.Mode{{Spatials: 1, Temporals: 3}, {Spatials: 2, Temporals: 2}, {Spatials: 3, Temporals: 3}, {Spatials: 3, Temporals: 3, Key: true}}

func drawScalable(t *rapid.T) (sources []*scalable) {
	for i := range rapid.IntRange(1, 3).Draw(t, "sources") {
		sources = append(sources, &scalable{
			ssrc:     uint32(i) + 1,
			encoder:  svctest.New(rapid.SampledFrom(modes).Draw(t, "mode"), rapid.Uint16().Draw(t, "number")),
			extended: rapid.Int64Range(0, 70000).Draw(t, "extended"),
			offset:   rapid.Uint32().Draw(t, "timestamp"),
			picture:  rapid.Uint16().Draw(t, "picture"),
			tl0:      rapid.Uint8().Draw(t, "tl0"),
		})
	}
	return sources
}

// decoder is who gets the stream: it finds what a frame refers to by the numbers
// that it sees.
type decoder struct {
	receiver
	begun    time.Duration
	pictures map[*svctest.Frame]uint16 // picture id of each frame that came
	frames   map[*svctest.Frame]uint16 // and its number
	newest   int64                     // frame number
	switched bool                      // the next frame is the first of a source
}

// take judges one packet that goes out.
func (d *decoder) take(t *rapid.T, p framed, out Output) {
	if !d.started {
		d.started = true
		d.sequence, d.timestamp = int64(out.Sequence)-1, int64(out.Timestamp)
		d.picture, d.tl0, d.newest = int64(out.PictureID)-1, int64(out.TL0PICIDX)-1, int64(out.Frame)-1
	}
	if want := uint16(d.sequence + 1); out.Sequence != want {
		t.Fatalf("sequence %d, want %d", out.Sequence, want)
	}
	d.sequence++
	stamp := unwrap(d.timestamp, uint64(out.Timestamp), 0xffffffff)
	if stamp < d.timestamp {
		t.Fatalf("timestamp %d after %d", stamp, d.timestamp)
	}
	d.timestamp = stamp
	picture := unwrap(d.picture, uint64(out.PictureID), 0x7fff)
	number := unwrap(d.newest, uint64(out.Frame), 0xffff)
	tl0 := unwrap(d.tl0, uint64(out.TL0PICIDX), 0xff)
	if d.switched && (picture != d.picture+1 || number != d.newest+1 || tl0 != d.tl0+1) {
		t.Fatalf("a source begins with picture %d after %d, frame %d after %d, TL0PICIDX %d after %d",
			picture, d.picture, number, d.newest, tl0, d.tl0)
	}
	if picture < d.picture || number < d.newest || tl0 < d.tl0 || tl0 > d.tl0+1 {
		t.Fatalf("picture %d after %d, frame %d after %d, TL0PICIDX %d after %d", picture, d.picture, number, d.newest, tl0, d.tl0)
	}
	d.switched = false
	d.picture, d.newest, d.tl0 = picture, number, tl0
	for _, r := range p.frame.References {
		id, came := d.pictures[r]
		if !came {
			continue // of a layer that does not go on
		}
		if back := (out.PictureID - id) & 0x7fff; int(back) != p.frame.Picture-r.Picture {
			t.Fatalf("picture %d refers %d back, its descriptor says %d", out.PictureID, back, p.frame.Picture-r.Picture)
		}
		if back := out.Frame - d.frames[r]; back != p.frame.Number-r.Number {
			t.Fatalf("frame %d refers %d back, its descriptor says %d", out.Frame, back, p.frame.Number-r.Number)
		}
	}
	d.pictures[p.frame], d.frames[p.frame] = out.PictureID, out.Frame
}

// Whatever layers are left out, however often the source changes, through every
// wrap: sequence numbers have no hole, pictures and frames refer to what their
// descriptors mean, and real time is kept within 20 ms.
func TestScalableContinuous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sources := drawScalable(t)
		s := New(Config{
			ClockRate: 90000, Sequence: rapid.Uint16().Draw(t, "sequence"), Timestamp: rapid.Uint32().Draw(t, "base"),
			PictureID: rapid.Uint16().Draw(t, "id") & 0x7fff, TL0PICIDX: rapid.Uint8().Draw(t, "firstTL0"),
		})
		d := decoder{pictures: map[*svctest.Frame]uint16{}, frames: map[*svctest.Frame]uint16{}}
		current, spatial, temporal, change := sources[0], 2, 2, true
		now := time.Duration(0)
		for range rapid.IntRange(1, 100).Draw(t, "pictures") {
			now += time.Duration(rapid.IntRange(20, 80).Draw(t, "interval")) * time.Millisecond
			switch rapid.IntRange(0, 11).Draw(t, "event") {
			case 1:
				current, change = sources[rapid.IntRange(0, len(sources)-1).Draw(t, "source")], true
			case 2:
				spatial, temporal = rapid.IntRange(0, 2).Draw(t, "spatial"), rapid.IntRange(0, 2).Draw(t, "temporal")
			case 3:
				now += time.Duration(rapid.IntRange(0, 100_000).Draw(t, "pause")) * time.Millisecond
				change = true
			}
			took := false
			delay := time.Duration(rapid.IntRange(0, 5000).Draw(t, "jitter")) * time.Microsecond
			for _, c := range sources {
				for i, p := range c.next(change && c == current, now, delay, rapid.IntRange(1, 3).Draw(t, "packets")) {
					switch {
					case c == current && change && i == 0:
						s.Switch(p.Arrival, p.Packet)
						d.switched, change = d.started, false
						if !d.started {
							d.begun = now
						}
					case c != current || change || p.frame.Spatial > spatial || p.frame.Temporal > temporal:
						if _, fill := s.Drop(p.Packet); fill {
							t.Fatal("a hole to fill without loss")
						}
						continue
					}
					out, ok := s.Rewrite(p.Arrival, p.Packet)
					if !ok {
						t.Fatalf("packet %d was refused", p.Extended)
					}
					d.take(t, p, out)
					took = true
				}
			}
			if took {
				d.realTime(t, s, now-d.begun)
			}
		}
	})
}

// With loss and reordering on the way in as well: no number goes out twice, every
// packet of a frame carries the frame's numbers, and distances stay.
func TestScalableUnderLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawScalable(t)[0]
		var packets []framed
		now := time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(t, "pictures") {
			now += 33 * time.Millisecond
			packets = append(packets, c.next(false, now, 0, rapid.IntRange(1, 3).Draw(t, "packets"))...)
		}
		spatial, temporal := rapid.IntRange(0, 2).Draw(t, "spatial"), rapid.IntRange(0, 2).Draw(t, "temporal")
		s := New(Config{Sequence: rapid.Uint16().Draw(t, "sequence"), PictureID: rapid.Uint16().Draw(t, "id") & 0x7fff})
		s.Switch(epoch, packets[0].Packet)
		used := map[uint16]bool{}
		first := Output{}
		for n, i := range drawOrder(t, len(packets)) {
			p := packets[i]
			if p.frame.Spatial > spatial || p.frame.Temporal > temporal {
				if out, fill := s.Drop(p.Packet); fill {
					used[out.Sequence] = true
				}
				continue
			}
			out, ok := s.Rewrite(p.Arrival, p.Packet)
			if !ok {
				continue // a duplicate
			}
			if n == 0 {
				first = out
			}
			if used[out.Sequence] {
				t.Fatalf("number %d went out twice", out.Sequence)
			}
			used[out.Sequence] = true
			if got, want := (out.PictureID-first.PictureID)&0x7fff, uint16(p.frame.Picture); got != want {
				t.Fatalf("picture %d has the id of picture %d", want, got)
			}
			if got, want := out.Frame-first.Frame, p.frame.Number-packets[0].frame.Number; got != want {
				t.Fatalf("frame %d has the number of frame %d", want, got)
			}
		}
	})
}
