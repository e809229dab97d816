package layer

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/svctest"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// truth is what a test knows of one frame beside what the encoder says.
type truth struct {
	*svctest.Frame
	arrived, total  int
	forwarded       int
	refused, failed bool // a packet of it was dropped, or thrown away by the pacer
}

// whole says whether a receiver has it.
func (f *truth) whole() bool { return f.forwarded == f.total && !f.failed }

// upstream is a publisher and its uplink: frames become packets, of which some
// are lost, and some of those repaired.
type upstream struct {
	kind        codec.Kind
	described   bool // with dependency descriptors
	encoder     *svctest.Encoder
	descriptors codec.Descriptors
	extended    int64
	time        uint32
	frames      map[*svctest.Frame]*truth
	missing     []int64 // waited for
	queue       []sending
}

// sending is a packet on its way, or one that will never come.
type sending struct {
	packet *packet.Packet
	frame  *truth
	due    int // packets until it comes
	lost   bool
}

func newUpstream(kind codec.Kind, described bool, m svctest.Mode, number uint16) *upstream {
	return &upstream{kind: kind, described: described, encoder: svctest.New(m, number), extended: 1000, frames: map[*svctest.Frame]*truth{}}
}

// next makes the packets of one picture and answers what arrives meanwhile.
func (u *upstream) next(key bool, sizes func() int, fate func() (lost bool, late int)) (arrived []sending) {
	u.time += 3000
	for _, f := range u.encoder.Next(key) {
		known := &truth{Frame: f, total: sizes()}
		u.frames[f] = known
		for i := range known.total {
			p := u.packet(f, i == 0, i == known.total-1)
			lost, late := fate()
			s := sending{packet: p, frame: known, due: late, lost: lost}
			if lost || late > 0 {
				u.missing = append(u.missing, p.Extended)
				u.queue = append(u.queue, s)
			} else {
				arrived = append(arrived, u.arrive(s))
			}
			arrived = append(arrived, u.repair()...)
		}
	}
	return arrived
}

// repair answers what comes late now, and gives up what never will.
func (u *upstream) repair() (arrived []sending) {
	var rest []sending
	for _, s := range u.queue {
		if s.due--; s.due > 0 {
			rest = append(rest, s)
			continue
		}
		for i, e := range u.missing {
			if e == s.packet.Extended {
				u.missing = append(u.missing[:i:i], u.missing[i+1:]...)
				break
			}
		}
		if !s.lost {
			arrived = append(arrived, u.arrive(s))
		}
	}
	u.queue = rest
	return arrived
}

func (u *upstream) arrive(s sending) sending {
	s.packet.Settled = u.extended
	if len(u.missing) > 0 {
		s.packet.Settled = u.missing[0]
	}
	s.frame.arrived++
	return s
}

func (u *upstream) packet(f *svctest.Frame, start, end bool) *packet.Packet {
	p := &packet.Packet{
		Kind: u.kind, SSRC: 1, Extended: u.extended, Timestamp: u.time, Marker: end && f.Last(),
		Payload: f.VP9(start, end, 10), Descriptor: f.Descriptor(start, end),
		Info: codec.Info{FrameStart: start, FrameEnd: end, Keyframe: f.Key && start, SwitchUp: f.Key, Spatial: uint8(f.Spatial), Temporal: uint8(f.Temporal)},
	}
	if u.kind == codec.VP9 {
		p.Info, _ = codec.Inspect(codec.VP9, p.Payload, nil, p.Marker)
	}
	if u.described {
		p.Placement, _, _, _ = u.descriptors.Read(p.Descriptor, true)
	}
	u.extended++
	return p
}

// receiver is what a subscriber gets.
type receiver struct {
	t        *rapid.T
	upstream *upstream
	picture  int // of the newest frame that goes on
	ended    int // last picture whose end was marked
	top      int // and the layer of that mark
}

// take judges one packet that goes on.
func (r *receiver) take(s sending, last bool) {
	f := s.frame
	if f.refused {
		r.t.Fatalf("part of frame %d (picture %d, layer %d %d) goes on, part does not", f.Number, f.Picture, f.Spatial, f.Temporal)
	}
	f.forwarded++
	if f.forwarded == 1 {
		for _, ref := range f.References {
			if known := r.upstream.frames[ref]; !r.mayStillCome(known, s.packet) {
				r.t.Fatalf("frame %d (picture %d, layer %d %d) needs frame %d of picture %d, which the subscriber does not have: %+v",
					f.Number, f.Picture, f.Spatial, f.Temporal, ref.Number, ref.Picture, known)
			}
		}
	}
	if f.Picture < r.picture {
		return
	}
	if f.Picture == r.ended && f.Spatial > r.top {
		r.t.Fatalf("picture %d goes on after its end", f.Picture)
	}
	r.picture = f.Picture
	if last {
		r.ended, r.top = f.Picture, f.Spatial
	}
}

// mayStillCome says whether a frame is with the receiver, or what is missing of
// it may still be repaired.
func (r *receiver) mayStillCome(f *truth, p *packet.Packet) bool {
	return f.whole() || !f.refused && !f.failed && p.Settled < p.Extended
}

var modes = []svctest.Mode{
	{Spatials: 1, Temporals: 1}, {Spatials: 1, Temporals: 3}, {Spatials: 2, Temporals: 2}, {Spatials: 3, Temporals: 1},
	{Spatials: 3, Temporals: 3}, {Spatials: 2, Temporals: 3, Key: true}, {Spatials: 3, Temporals: 3, Key: true},
}

// Whatever the targets, the publisher's layers, the loss on the way in and the
// pacer do: no frame goes on of which something that it needs did not; no frame
// goes on in part; and what ends a picture is the last of it.
func TestScalableNeverUndecodable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]codec.Kind{codec.AV1, codec.VP9, codec.H264}).Draw(t, "kind")
		mode := rapid.SampledFrom(modes).Draw(t, "mode")
		loss := rapid.IntRange(0, 3).Draw(t, "loss")
		u := newUpstream(kind, true, mode, rapid.Uint16().Draw(t, "number"))
		s := New(kind)
		s.SetTarget(Target{2, 2})
		r := receiver{t: t, upstream: u, ended: -1}
		now := epoch
		waited := 0
		for range rapid.IntRange(20, 120).Draw(t, "pictures") {
			switch rapid.IntRange(0, 19).Draw(t, "event") {
			case 1, 2:
				s.SetTarget(Target{int8(rapid.IntRange(-1, 3).Draw(t, "spatial")), int8(rapid.IntRange(0, 3).Draw(t, "temporal"))})
			case 3:
				u.encoder.Active = rapid.IntRange(1, mode.Spatials).Draw(t, "active")
			}
			// A key frame that is wanted comes within ten pictures.
			if _, wants := s.WantsKeyframe(); wants {
				waited++
			} else {
				waited = 0
			}
			now = now.Add(33 * time.Millisecond)
			arrived := u.next(waited > rapid.IntRange(0, 9).Draw(t, "patience"),
				func() int { return rapid.IntRange(1, 3).Draw(t, "packets") },
				func() (bool, int) {
					if loss == 0 || rapid.IntRange(0, 29).Draw(t, "fate") >= loss {
						return false, 0
					}
					return rapid.Bool().Draw(t, "lost"), rapid.IntRange(1, 25).Draw(t, "late")
				})
			for _, sent := range arrived {
				offerScalable(t, &s, &r, now, sent)
			}
		}
	})
}

func offerScalable(t *rapid.T, s *Selector, r *receiver, now time.Time, sent sending) {
	p := sent.packet
	switch d := s.Decide(now, p); d {
	case Drop:
		// A frame of before the last switch may be given up in part.
		sent.frame.refused = true
	case Switch:
		if !sent.frame.Key {
			t.Fatal("switch without a key frame")
		}
		fallthrough
	case Forward:
		r.take(sent, s.Last(p))
		if rapid.IntRange(0, 24).Draw(t, "lose") == 12 {
			sent.frame.failed = true
			s.FrameLost(p)
		}
	}
}

// Without loss and with key frames when they are wanted the target is reached,
// as near as the publisher sends it: down at the next picture where the layers
// build on each other, without a key frame.
func TestScalableReachesTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]codec.Kind{codec.AV1, codec.VP9}).Draw(t, "kind")
		mode := rapid.SampledFrom(modes).Draw(t, "mode")
		described := kind == codec.AV1 || rapid.Bool().Draw(t, "described")
		u := newUpstream(kind, described, mode, rapid.Uint16().Draw(t, "number"))
		s := New(kind)
		r := receiver{t: t, upstream: u, ended: -1}
		now := epoch
		var needed []uint16
		picture := func(key bool) {
			needed = needed[:0]
			now = now.Add(33 * time.Millisecond)
			goesOn := -1
			for _, sent := range u.next(key, func() int { return 2 }, func() (bool, int) { return false, 0 }) {
				switch s.Decide(now, sent.packet) {
				case Drop:
					sent.frame.refused = true
				default:
					goesOn = sent.frame.Picture
					r.take(sent, s.Last(sent.packet))
					needed = append(needed, sent.frame.Needed)
				}
			}
			if goesOn >= 0 && r.ended != goesOn {
				t.Fatalf("%v: nothing ends picture %d", mode, goesOn)
			}
		}
		for range 6 {
			before := s.Current()
			target := Target{int8(rapid.IntRange(-1, 3).Draw(t, "spatial")), int8(rapid.IntRange(0, 3).Draw(t, "temporal"))}
			s.SetTarget(target)
			if described {
				u.encoder.Active = rapid.IntRange(1, mode.Spatials).Draw(t, "active")
			}
			picture(false)
			if before.Spatial >= 0 && target.Spatial >= 0 && before.Spatial < int8(u.encoder.Active) {
				shown := false // while a key frame is waited for
				for range 4 {
					picture(false)
					shown = shown || len(needed) > 0
				}
				if !shown {
					t.Fatalf("%v: nothing goes on between %v and %v", mode, before, target)
				}
			}
			down := target.Spatial >= 0 && target.Spatial < before.Spatial
			if _, wants := s.WantsKeyframe(); down && wants && !mode.Key {
				t.Fatalf("from %v to %v only with a key frame, though every layer is there", before, target)
			}
			for range 8 {
				_, wants := s.WantsKeyframe()
				picture(wants)
			}
			want := Target{min(target.Spatial, int8(u.encoder.Active-1)), min(target.Temporal, int8(mode.Temporals-1))}
			if target.Spatial < 0 {
				want = Paused
			}
			if got := s.Current(); got.Spatial != want.Spatial || got.Temporal < want.Temporal || described && got != want {
				t.Fatalf("%v: at %v with target %v and %d layers sent, want %v", mode, got, target, u.encoder.Active, want)
			}
			for _, mask := range needed {
				if got := s.Current(); mask>>(3*got.Spatial+min(got.Temporal, int8(mode.Temporals-1)))&1 == 0 {
					t.Fatalf("%v: what goes on is not needed at %v", mode, got)
				}
			}
			if _, wants := s.WantsKeyframe(); wants {
				t.Fatalf("%v: at the target and wants a key frame", mode)
			}
		}
	})
}

// A frame of the chain that never comes is noticed as soon as nothing of it is
// waited for, and a key frame is asked for; one that does come breaks nothing.
func TestBrokenChain(t *testing.T) {
	for _, mode := range modes {
		for _, repaired := range []bool{false, true} {
			u := newUpstream(codec.AV1, true, mode, 7)
			s := New(codec.AV1)
			s.SetTarget(Target{2, 2})
			now := epoch
			asked := -1
			for picture := range 40 {
				now = now.Add(33 * time.Millisecond)
				index := 0
				for _, sent := range u.next(false, func() int { return 2 }, func() (bool, int) {
					// The first packet of the base layer, or where the largest stands
					// alone, of that.
					lose := picture == 8 && (index == 0 && !mode.Key || index == 2*mode.Spatials-2 && mode.Key)
					index++
					if !lose {
						return false, 0
					}
					return !repaired, 20
				}) {
					s.Decide(now, sent.packet)
				}
				if _, wants := s.WantsKeyframe(); wants && asked < 0 {
					asked = picture
				}
			}
			switch {
			case repaired && asked >= 0:
				t.Errorf("%v: a key frame is wanted at picture %d for a packet that came late", mode, asked)
			case !repaired && asked < 0:
				t.Errorf("%v: no key frame is wanted for a frame that never came", mode)
			}
		}
	}
}

// A picture of which one frame is thrown away is of no use to a decoder, and so is
// what refers to another frame of it.
func TestFrameLostCostsItsPicture(t *testing.T) {
	for _, lost := range []int{0, 1} { // spatial layer
		u := newUpstream(codec.AV1, true, svctest.Mode{Spatials: 2, Temporals: 3}, 7)
		s := New(codec.AV1)
		s.SetTarget(Target{1, 2})
		now := epoch
		var passed []int // of each picture, how many packets
		for picture := range 9 {
			now = now.Add(33 * time.Millisecond)
			n := 0
			sent := u.next(false, func() int { return 1 }, func() (bool, int) { return false, 0 })
			for _, v := range sent {
				if s.Decide(now, v.packet) != Drop {
					n++
				}
			}
			if picture == 2 { // of temporal layer 1: pictures are 0 2 1 2 0
				s.FrameLost(sent[lost].packet)
			}
			passed = append(passed, n)
		}
		want := []int{2, 2, 2, 0, 2, 2, 2, 2, 2}
		if !slices.Equal(passed, want) {
			t.Errorf("layer %d was lost: packets of pictures that went on %v, want %v", lost, passed, want)
		}
	}
}
