package layer

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// picture is one frame of the model encoder.
type picture struct {
	refs     []*picture // what it needs
	temporal uint8
	key      bool
	up       bool // its switch-up bit
	packets  int  // not offered yet
	begun    bool // a packet of it went on
	whole    bool // all of them did
}

func (f *picture) decodable() bool {
	for _, r := range f.refs {
		if !r.whole {
			return false
		}
	}
	return true
}

// encoder makes one simulcast layer, whose frames refer to as much as the
// switch-up bits permit them to.
type encoder struct {
	kind     codec.Kind
	layer    uint8
	last     [3]*picture // newest of each temporal layer that may be referred to
	extended int64
	time     uint32
	frame    *picture
	offset   int
}

func (e *encoder) next(t *rapid.T) {
	f := &picture{packets: rapid.IntRange(1, 4).Draw(t, "packets")}
	f.key = e.last[0] == nil || rapid.IntRange(0, 39).Draw(t, "key") == 20
	f.up = f.key || rapid.Bool().Draw(t, "up")
	if f.key {
		e.last = [3]*picture{f}
	} else {
		f.temporal = uint8(rapid.IntRange(0, 2).Draw(t, "temporal"))
		highest := f.temporal
		if f.up && e.kind == codec.VP8 {
			highest = 0 // Y: the base layer only
		}
		for _, r := range e.last[:highest+1] {
			if r != nil {
				f.refs = append(f.refs, r)
			}
		}
		e.last[f.temporal] = f
		if f.up && e.kind == codec.VP9 {
			clear(e.last[f.temporal+1:]) // U: nothing above is referred to again
		}
	}
	e.frame, e.offset = f, 0
	e.time += 3000
}

func (e *encoder) packet() *packet.Packet {
	f := e.frame
	p := &packet.Packet{
		Kind: e.kind, Layer: e.layer, SSRC: uint32(e.layer) + 1,
		Extended: e.extended, Timestamp: e.time, Payload: []byte{0},
		Info: codec.Info{
			FrameStart: e.offset == 0, Keyframe: f.key && e.offset == 0,
			SwitchUp: f.up, Temporal: f.temporal,
		},
	}
	e.extended++
	e.offset++
	f.packets--
	return p
}

// Whatever the targets, the encoder and the pacer do: no frame goes on whose
// references did not, whole; and no frame goes on in part, but the last before a
// switch to another layer or the loss of one.
func TestNeverUndecodable(t *testing.T) {
	for _, kind := range []codec.Kind{codec.VP8, codec.VP9} {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkDecodable(t, kind) })
		})
	}
}

func checkDecodable(t *rapid.T, kind codec.Kind) {
	s := New(kind)
	s.SetTarget(Target{2, 2})
	encoders := make([]encoder, rapid.IntRange(1, 3).Draw(t, "layers"))
	for i := range encoders {
		encoders[i] = encoder{kind: kind, layer: uint8(i)}
	}
	now := epoch
	var sending *picture // begun and not whole
	for range rapid.IntRange(50, 300).Draw(t, "steps") {
		if rapid.IntRange(0, 15).Draw(t, "retarget") == 8 {
			s.SetTarget(Target{int8(rapid.IntRange(-1, 3).Draw(t, "spatial")), int8(rapid.IntRange(-1, 3).Draw(t, "temporal"))})
		}
		e := &encoders[rapid.IntRange(0, len(encoders)-1).Draw(t, "encoder")]
		if e.frame == nil || e.frame.packets == 0 {
			e.next(t)
		}
		f, p := e.frame, e.packet()
		now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "ms")) * time.Millisecond)

		switch d := s.Decide(now, p); d {
		case Switch:
			if !p.Info.Keyframe {
				t.Fatal("switch without a key frame")
			}
			sending = nil // the rest of the old layer's frame is given up
			fallthrough
		case Forward:
			if sending != nil && sending != f {
				t.Fatalf("a frame was left in part")
			}
			if !f.begun && e.offset != 1 {
				t.Fatal("a frame goes on without its beginning")
			}
			f.begun = true
			if !f.decodable() {
				t.Fatalf("layer %d temporal %d (%v): references are missing", e.layer, f.temporal, d)
			}
			sending = f
			if f.packets == 0 {
				f.whole, sending = true, nil
			}
		case Drop:
			if sending == f {
				t.Fatal("a frame was broken off")
			}
		}
		check(t, &s, p)
		if sending == f && rapid.IntRange(0, 31).Draw(t, "lose") == 16 {
			s.FrameLost(p)
			sending = nil
			f.packets = 0 // of no interest any more, and not whole
		}
	}
}

// check holds the answers of the selector against each other.
func check(t *rapid.T, s *Selector, p *packet.Packet) {
	current, target := s.Current(), s.Target()
	layer, wants := s.WantsKeyframe()
	switch {
	case wants && target.Spatial < 0:
		t.Fatal("paused, yet wants a key frame")
	case wants && int8(layer) > target.Spatial:
		t.Fatalf("wants layer %d above target %v", layer, target)
	case wants && int8(layer) == current.Spatial:
		t.Fatal("wants the layer that it has")
	case current.Spatial < 0 && target.Spatial >= 0 && !wants:
		t.Fatal("has nothing and wants nothing")
	}
}

// With a key frame of every layer now and then the target is reached.
func TestReachesTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(codec.VP8)
		numbers := [3]int64{}
		now, frame := epoch, uint32(0)
		for range 5 {
			target := Target{int8(rapid.IntRange(0, 2).Draw(t, "spatial")), int8(rapid.IntRange(0, 2).Draw(t, "temporal"))}
			s.SetTarget(target)
			for i := range 8 {
				frame++
				now = now.Add(33 * time.Millisecond)
				_, wants := s.WantsKeyframe()
				key := wants && i == 3
				for l := range uint8(3) {
					o := offer{layer: l, extended: numbers[l], frame: frame, flags: "su", temporal: []uint8{0, 2, 1, 2}[i%4]}
					if key {
						o.flags, o.temporal = "ks", 0
					}
					numbers[l]++
					s.Decide(now, o.packet())
				}
			}
			if s.Current() != target {
				t.Fatalf("current %v, target %v", s.Current(), target)
			}
		}
	})
}

// Anything at all may be offered.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 0x37, 0xff, 0, 0, 1, 2})
	f.Add([]byte("\x03\x01\x00\x01\x07\x00\x01\x03\x01\x01\x01\x07\x01\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New(codec.VP8)
		now := epoch
		var extended int64
		for ; len(data) >= 7; data = data[7:] {
			s.SetTarget(Target{int8(data[0]), int8(data[1])})
			extended += int64(int8(data[2])) << (data[3] >> 4)
			p := &packet.Packet{
				Layer: data[3] & 0x0f, SSRC: uint32(data[5] >> 6), Extended: extended, Timestamp: uint32(data[4]), Payload: data[:data[6]&1],
				Info: codec.Info{Keyframe: data[5]&1 != 0, FrameStart: data[5]&2 != 0, SwitchUp: data[5]&4 != 0, Discardable: data[5]&8 != 0, Temporal: data[6] >> 4},
			}
			now = now.Add(time.Duration(int8(data[6])) * time.Millisecond)
			before := s.Current()
			if s.Decide(now, p) != Drop && len(p.Payload) == 0 {
				t.Fatal("padding goes on")
			}
			after := s.Current()
			if after.Spatial > before.Spatial && after.Spatial > max(s.Target().Spatial, -1) {
				t.Fatalf("went up to %v, target is %v", after, s.Target())
			}
			if after.Spatial < -1 || after.Spatial >= maxLayers || after.Temporal < 0 || after.Temporal >= maxTemporal {
				t.Fatal(fmt.Sprint("impossible layer ", after))
			}
			if data[6]&2 != 0 {
				s.FrameLost(p)
			}
			if l, ok := s.WantsKeyframe(); ok && int8(l) > s.Target().Spatial {
				t.Fatal("wants more than the target")
			}
		}
	})
}
