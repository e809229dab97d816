package layer

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// offer is one packet that is offered, and what happens before it.
type offer struct {
	layer    uint8
	extended int64
	frame    uint32 // its timestamp, and 33 ms of time each
	flags    string // k key, s frame start, u switch-up, d discardable, p padding, h parameter sets
	temporal uint8
	target   *Target // set before
	ssrc     uint32  // 0: the layer's usual one
	want     Decision
	current  *Target // expected after; nil is not checked
	keyframe int     // expected WantsKeyframe after; -1 none, -2 not checked
}

func (o offer) packet() *packet.Packet {
	p := &packet.Packet{
		Layer: o.layer, Extended: o.extended, Timestamp: o.frame * 3000,
		SSRC: 100 + uint32(o.layer), Kind: codec.VP8, Payload: []byte{0},
	}
	if o.ssrc != 0 {
		p.SSRC = o.ssrc
	}
	p.Info.Temporal = o.temporal
	for _, f := range o.flags {
		switch f {
		case 'k':
			p.Info.Keyframe, p.Info.SwitchUp = true, true
		case 's':
			p.Info.FrameStart = true
		case 'u':
			p.Info.SwitchUp = true
		case 'd':
			p.Info.Discardable = true
		case 'p':
			p.Payload = nil
		case 'h':
			p.Info.Parameters = true
		}
	}
	return p
}

func to(spatial, temporal int8) *Target { return &Target{spatial, temporal} }

func at(frame uint32) time.Time { return epoch.Add(time.Duration(frame) * 33 * time.Millisecond) }

func run(t *testing.T, kind codec.Kind, offers []offer) *Selector {
	t.Helper()
	s := New(kind)
	for i, o := range offers {
		if o.target != nil {
			s.SetTarget(*o.target)
		}
		if got := s.Decide(at(o.frame), o.packet()); got != o.want {
			t.Fatalf("step %d (%+v): %v, want %v", i, o, got, o.want)
		}
		if o.current != nil && s.Current() != *o.current {
			t.Fatalf("step %d (%+v): current %v, want %v", i, o, s.Current(), *o.current)
		}
		if o.keyframe == -2 {
			continue
		}
		layer, ok := s.WantsKeyframe()
		if ok != (o.keyframe >= 0) || ok && int(layer) != o.keyframe {
			t.Fatalf("step %d (%+v): wants key frame of %d %v, want %d", i, o, layer, ok, o.keyframe)
		}
	}
	return &s
}

func TestStartAndPause(t *testing.T) {
	run(t, codec.VP8, []offer{
		{layer: 0, extended: 1, frame: 1, flags: "ks", want: Drop, current: &Paused, keyframe: -1}, // paused from the start
		{layer: 0, extended: 2, frame: 2, flags: "s", target: to(0, 0), want: Drop, keyframe: 0},   // nothing until a key frame
		{layer: 0, extended: 4, frame: 3, flags: "k", want: Drop, keyframe: 0},                     // not its first packet
		{layer: 0, extended: 3, frame: 3, flags: "ks", want: Drop, keyframe: 0},                    // its first, after others are gone
		{layer: 0, extended: 5, frame: 4, flags: "ks", want: Switch, current: to(0, 0), keyframe: -1},
		{layer: 0, extended: 6, frame: 4, want: Forward, keyframe: -1},
		{layer: 0, extended: 3, frame: 3, flags: "ks", want: Drop, keyframe: -1}, // older than the start
		{layer: 0, extended: 7, frame: 5, flags: "s", want: Forward, keyframe: -1},
		{layer: 0, extended: 8, frame: 5, target: to(-1, 0), want: Forward, keyframe: -1}, // the frame is finished
		{layer: 0, extended: 9, frame: 6, flags: "s", want: Drop, current: &Paused, keyframe: -1},
		{layer: 0, extended: 10, frame: 7, flags: "ks", want: Drop, keyframe: -1},
		{layer: 0, extended: 11, frame: 8, flags: "s", target: to(0, 0), want: Drop, keyframe: 0},
		{layer: 0, extended: 12, frame: 9, flags: "ks", want: Switch, keyframe: -1},
		{layer: 0, extended: 14, frame: 10, flags: "ks", want: Forward, keyframe: -1}, // its own key frames are no switch
		{layer: 0, extended: 13, frame: 9, want: Forward, keyframe: -1},               // late, but ours
		{layer: 0, extended: 15, frame: 10, flags: "p", want: Drop, keyframe: -1},     // padding
	})
}

func TestSimulcastSwitch(t *testing.T) {
	run(t, codec.VP8, []offer{
		{layer: 2, extended: 1, frame: 1, flags: "ks", target: to(1, 0), want: Drop, keyframe: 1},                          // above the target
		{layer: 0, extended: 1, frame: 1, flags: "ks", want: Switch, current: to(0, 0), keyframe: -1},                      // better than nothing; layer 1 is not known to exist
		{layer: 1, extended: 1, frame: 1, flags: "s", want: Drop, current: to(0, 0), keyframe: 1},                          // now it is
		{layer: 0, extended: 2, frame: 2, flags: "s", want: Forward, keyframe: 1},                                          // meanwhile
		{layer: 1, extended: 2, frame: 2, flags: "ks", want: Switch, current: to(1, 0), keyframe: -1},                      // up
		{layer: 0, extended: 3, frame: 3, flags: "s", want: Drop, keyframe: -1},                                            // old layer
		{layer: 1, extended: 3, frame: 3, flags: "s", want: Forward, keyframe: -1},                                         //
		{layer: 2, extended: 3, frame: 3, flags: "ks", want: Drop, keyframe: -1},                                           //
		{layer: 1, extended: 4, frame: 4, flags: "s", target: to(0, 0), want: Forward, keyframe: 0},                        // down waits for a key frame
		{layer: 0, extended: 4, frame: 4, flags: "s", want: Drop, keyframe: 0},                                             //
		{layer: 0, extended: 5, frame: 5, flags: "ks", want: Switch, current: to(0, 0), keyframe: -1},                      // down
		{layer: 0, extended: 6, frame: 6, flags: "s", target: to(2, 0), want: Forward, keyframe: 2},                        // two up
		{layer: 1, extended: 9, frame: 7, flags: "ks", want: Drop, keyframe: 2},                                            // not by way of the middle
		{layer: 2, extended: 9, frame: 7, flags: "ks", want: Switch, current: to(2, 0), keyframe: -1},                      //
		{layer: 9, extended: 9, frame: 7, flags: "ks", target: to(20, 20), want: Drop, keyframe: -1},                       // no such layer
		{layer: 255, extended: 9, frame: 7, flags: "ks", target: to(127, 127), want: Drop, keyframe: -1},                   //
		{layer: 2, extended: 10, frame: 8, flags: "s", target: to(-128, -128), want: Drop, current: &Paused, keyframe: -1}, //
	})
}

// While the current layer is above the target, the base temporal layer is all
// that goes on: the budget is overdrawn already.
func TestOverTargetBaseOnly(t *testing.T) {
	run(t, codec.VP8, []offer{
		{layer: 1, extended: 1, frame: 1, flags: "ks", target: to(1, 2), want: Switch, keyframe: -1},
		{layer: 0, extended: 1, frame: 1, flags: "s", want: Drop, keyframe: -1},
		{layer: 1, extended: 2, frame: 2, flags: "s", temporal: 2, want: Forward, current: to(1, 2), keyframe: -1},
		{layer: 1, extended: 3, frame: 3, flags: "s", temporal: 1, target: to(0, 2), want: Drop, current: to(1, 0), keyframe: 0},
		{layer: 1, extended: 4, frame: 4, flags: "s", temporal: 0, want: Forward, keyframe: 0},
		{layer: 0, extended: 2, frame: 4, flags: "ks", want: Switch, current: to(0, 2), keyframe: -1},
		{layer: 0, extended: 3, frame: 5, flags: "s", temporal: 2, want: Forward, keyframe: -1},
	})
}

// A silent layer is given up for the largest living one below it, and taken
// again when it speaks. Silence of the whole track is nobody's end.
func TestDeadLayer(t *testing.T) {
	s := New(codec.VP8)
	s.SetTarget(Target{Spatial: 2})
	next := map[uint8]int64{}
	send := func(frame uint32, layer uint8, flags string, want Decision) {
		t.Helper()
		next[layer]++
		o := offer{layer: layer, extended: next[layer], frame: frame, flags: flags}
		if got := s.Decide(at(frame), o.packet()); got != want {
			t.Fatalf("frame %d layer %d: %v, want %v", frame, layer, got, want)
		}
	}
	wants := func(frame uint32, layer uint8, want bool) {
		t.Helper()
		if got, ok := s.WantsKeyframe(); ok != want || ok && got != layer {
			t.Fatalf("frame %d: wants %d %v, want %d %v", frame, got, ok, layer, want)
		}
	}
	for l := range uint8(3) {
		send(1, l, "ks", Switch)
	}
	frame := uint32(2)
	for ; frame < 28; frame++ { // 0.9 s without layer 2
		send(frame, 0, "s", Drop)
		send(frame, 1, "s", Drop)
		wants(frame, 0, false)
	}
	for ; frame < 35; frame++ {
		send(frame, 0, "s", Drop)
		send(frame, 1, "s", Drop)
	}
	wants(frame, 1, true)
	send(frame, 0, "ks", Drop)
	send(frame, 1, "ks", Switch)
	wants(frame, 0, false)

	frame += 3000 // a minute and a half of silence of all
	send(frame, 0, "s", Drop)
	wants(frame, 0, false)
	send(frame, 1, "s", Forward)
	send(frame, 2, "s", Drop) // it lives again
	wants(frame, 2, true)
	send(frame+1, 1, "s", Forward)
	send(frame+1, 2, "ks", Switch)
	wants(frame, 0, false)
}

func TestTemporalVP8(t *testing.T) {
	run(t, codec.VP8, []offer{
		{extended: 1, frame: 1, flags: "ks", target: to(0, 0), want: Switch, current: to(0, 0), keyframe: -1},
		{extended: 2, frame: 2, flags: "su", temporal: 2, want: Drop, keyframe: -1},
		{extended: 3, frame: 3, flags: "s", temporal: 1, target: to(0, 2), want: Drop, keyframe: -1}, // refers to what did not go on
		{extended: 4, frame: 4, flags: "s", temporal: 2, want: Drop, keyframe: -1},
		{extended: 5, frame: 5, flags: "s", want: Forward, keyframe: -1},
		{extended: 6, frame: 6, flags: "su", temporal: 2, want: Forward, keyframe: -1},                                     // joins 2, depends on the base only
		{extended: 7, frame: 7, flags: "s", temporal: 1, want: Drop, keyframe: -1},                                         // not joined, and so 2 is lost again
		{extended: 8, frame: 8, flags: "s", temporal: 2, want: Drop, current: to(0, 0), keyframe: -1},                      //
		{extended: 9, frame: 9, flags: "su", temporal: 1, want: Forward, current: to(0, 1), keyframe: -1},                  //
		{extended: 10, frame: 9, flags: "u", temporal: 1, want: Forward, keyframe: -1},                                     // rest of the frame
		{extended: 11, frame: 10, flags: "su", temporal: 2, want: Forward, current: to(0, 2), keyframe: -1},                //
		{extended: 12, frame: 10, flags: "u", temporal: 2, target: to(0, 0), want: Forward, keyframe: -1},                  // the frame is finished
		{extended: 13, frame: 11, flags: "s", temporal: 1, want: Drop, current: to(0, 0), keyframe: -1},                    // down at once
		{extended: 14, frame: 12, flags: "s", want: Forward, keyframe: -1},                                                 //
		{extended: 16, frame: 13, flags: "u", temporal: 1, target: to(0, 1), want: Forward, keyframe: -1},                  // its first packet is lost
		{extended: 15, frame: 13, flags: "su", temporal: 1, want: Forward, keyframe: -1},                                   // but comes
		{extended: 13, frame: 11, flags: "s", temporal: 1, want: Drop, keyframe: -1},                                       // from before layer 1 was joined
		{extended: 17, frame: 14, flags: "sd", temporal: 2, want: Drop, current: to(0, 1), keyframe: -1},                   //
		{extended: 18, frame: 15, flags: "s", temporal: 1, want: Forward, keyframe: -1},                                    //
		{extended: 19, frame: 16, flags: "s", temporal: 1, target: to(0, -5), want: Drop, current: to(0, 0), keyframe: -1}, //
	})
}

// A frame without switch-up bit may refer to any earlier one of its layer and
// those below, so it goes on only if all of those did.
func TestTemporalGap(t *testing.T) {
	run(t, codec.VP8, []offer{
		{extended: 1, frame: 1, flags: "ks", target: to(0, 0), want: Switch, keyframe: -1},
		{extended: 2, frame: 2, flags: "su", temporal: 2, target: to(0, 2), want: Forward, keyframe: -1},
		{extended: 3, frame: 3, flags: "s", temporal: 2, want: Drop, keyframe: -1}, // may refer to layer 1 of before
		{extended: 4, frame: 4, flags: "su", temporal: 2, want: Forward, keyframe: -1},
		{extended: 5, frame: 5, flags: "s", temporal: 1, want: Drop, keyframe: -1},
		{extended: 6, frame: 6, flags: "su", temporal: 1, want: Forward, current: to(0, 1), keyframe: -1},
		{extended: 7, frame: 7, flags: "s", temporal: 2, want: Drop, keyframe: -1}, // may refer to the one of frame 5
		{extended: 8, frame: 8, flags: "su", temporal: 2, want: Forward, current: to(0, 2), keyframe: -1},
		{extended: 9, frame: 9, flags: "s", temporal: 2, want: Forward, keyframe: -1},
	})
}

// RFC 9628 §4.2: U on a picture lets higher temporal layers be joined after it.
func TestTemporalVP9(t *testing.T) {
	run(t, codec.VP9, []offer{
		{extended: 1, frame: 1, flags: "ks", target: to(0, 0), want: Switch, keyframe: -1},
		{extended: 2, frame: 2, flags: "su", temporal: 2, target: to(0, 2), want: Drop, current: to(0, 0), keyframe: -1}, // itself may depend on anything
		{extended: 3, frame: 3, flags: "s", want: Forward, current: to(0, 0), keyframe: -1},                              // no switching point
		{extended: 4, frame: 4, flags: "s", temporal: 1, want: Drop, keyframe: -1},                                       //
		{extended: 5, frame: 5, flags: "su", want: Forward, current: to(0, 2), keyframe: -1},                             // now
		{extended: 6, frame: 6, flags: "su", temporal: 2, want: Forward, keyframe: -1},                                   //
		{extended: 7, frame: 7, flags: "s", temporal: 1, want: Forward, keyframe: -1},                                    //
		{extended: 8, frame: 8, flags: "s", temporal: 2, target: to(0, 1), want: Drop, current: to(0, 1), keyframe: -1},  //
		{extended: 9, frame: 9, flags: "su", temporal: 1, target: to(0, 7), want: Forward, current: to(0, 7), keyframe: -1},
		{extended: 10, frame: 10, flags: "su", temporal: 0xff, want: Forward, keyframe: -1}, // a lie, but bounded
	})
}

func TestFrameLost(t *testing.T) {
	s := run(t, codec.VP8, []offer{
		{extended: 1, frame: 1, flags: "ks", target: to(0, 2), want: Switch, keyframe: -1},
		{extended: 2, frame: 2, flags: "s", temporal: 1, want: Forward, keyframe: -1},
		{extended: 3, frame: 3, flags: "s", temporal: 2, want: Forward, current: to(0, 2), keyframe: -1},
	})
	lose := func(o offer, want Target, keyframe bool) {
		t.Helper()
		s.FrameLost(o.packet())
		if _, ok := s.WantsKeyframe(); s.Current() != want || ok != keyframe {
			t.Fatalf("after the loss of %+v: current %v key frame %v, want %v %v", o, s.Current(), ok, want, keyframe)
		}
	}
	lose(offer{extended: 3, temporal: 2, flags: "d"}, Target{0, 2}, false) // nobody refers to it
	lose(offer{extended: 0}, Target{0, 2}, false)                          // before the switch
	lose(offer{extended: 2, ssrc: 7}, Target{0, 2}, false)                 // another source
	lose(offer{extended: 2, layer: 1}, Target{0, 2}, false)                // another layer
	lose(offer{extended: 2, layer: 200}, Target{0, 2}, false)              //
	lose(offer{extended: 3, temporal: 2}, Target{0, 1}, false)
	lose(offer{extended: 2, temporal: 1}, Target{0, 0}, false)
	lose(offer{extended: 1}, Paused, true)
	if got := s.Decide(at(4), offer{extended: 4, frame: 4, flags: "s"}.packet()); got != Drop {
		t.Errorf("behind a lost base frame: %v, want drop", got)
	}
	if got := s.Decide(at(5), offer{extended: 5, frame: 5, flags: "ks"}.packet()); got != Switch {
		t.Errorf("key frame after a lost base frame: %v, want switch", got)
	}
}

func TestSourceChanged(t *testing.T) {
	s := run(t, codec.VP8, []offer{
		{extended: 100, frame: 1, flags: "ks", target: to(0, 1), want: Switch, keyframe: -1},
	})
	s.SourceChanged()
	if s.Current() != Paused || s.Target() != (Target{0, 1}) {
		t.Fatalf("current %v, target %v", s.Current(), s.Target())
	}
	if l, ok := s.WantsKeyframe(); !ok || l != 0 {
		t.Error("no key frame wanted of the new source")
	}
	if got := s.Decide(at(2), offer{ssrc: 9, extended: 5, frame: 2, flags: "s"}.packet()); got != Drop {
		t.Errorf("new source without key frame: %v", got)
	}
	if got := s.Decide(at(3), offer{ssrc: 9, extended: 6, frame: 3, flags: "ks"}.packet()); got != Switch {
		t.Errorf("new source with key frame: %v", got)
	}
	// A straggler of the old one is no reason to begin again.
	if got := s.Decide(at(3), offer{extended: 101, frame: 2, flags: "s"}.packet()); got != Drop {
		t.Errorf("straggler: %v", got)
	}
	if got := s.Decide(at(4), offer{ssrc: 9, extended: 7, frame: 4, flags: "s"}.packet()); got != Forward {
		t.Errorf("after the straggler: %v", got)
	}
	s.Reset(codec.VP9)
	if s.Target() != Paused || s.Current() != Paused {
		t.Error("reset keeps something")
	}
}

// A layer that goes on under another SSRC, or with numbers that leapt, began
// anew: what follows cannot be decoded before a key frame.
func TestLayerBeginsAnew(t *testing.T) {
	run(t, codec.VP8, []offer{
		{extended: 1, frame: 1, flags: "ks", target: to(0, 0), want: Switch, keyframe: -1},
		{extended: 50, frame: 2, flags: "s", ssrc: 7, want: Drop, current: to(0, 0), keyframe: -1}, // may be a straggler
		{extended: 51, frame: 3, flags: "s", ssrc: 7, want: Drop, keyframe: -1},
		{extended: 52, frame: 5, flags: "s", ssrc: 7, want: Drop, current: &Paused, keyframe: 0}, // no
		{extended: 53, frame: 6, flags: "ks", ssrc: 7, want: Switch, keyframe: -1},
		{extended: 5, frame: 7, flags: "ks", ssrc: 8, want: Switch, keyframe: -1}, // at once
		{extended: 5 + maxLeap, frame: 8, flags: "s", want: Forward, ssrc: 8, keyframe: -1},
		{extended: 6 + 2*maxLeap, frame: 9, flags: "s", ssrc: 8, want: Drop, current: &Paused, keyframe: 0},
		{extended: 7 + 2*maxLeap, frame: 10, flags: "ks", ssrc: 8, want: Switch, keyframe: -1},
		{extended: 8 + 3*maxLeap, frame: 11, flags: "ks", ssrc: 8, want: Switch, keyframe: -1},
	})
}

// The parameter sets of H.264 travel before the IDR slice: with a gap before
// it they may be missing.
func TestH264ParameterSets(t *testing.T) {
	run(t, codec.H264, []offer{
		{extended: 1, frame: 1, flags: "s", target: to(0, 0), want: Drop, keyframe: 0},
		{extended: 3, frame: 2, flags: "ks", want: Drop, keyframe: 0},
		{extended: 4, frame: 3, flags: "ks", want: Switch, keyframe: -1},
		{extended: 5, frame: 3, flags: "ks", want: Forward, keyframe: -1},
		{extended: 7, frame: 4, flags: "s", want: Forward, keyframe: -1},
	})
	run(t, codec.H264, []offer{
		{extended: 1, frame: 1, flags: "s", target: to(0, 0), want: Drop, keyframe: 0},
		{extended: 3, frame: 2, flags: "ksh", want: Switch, keyframe: -1},
	})
}

func TestSoundAlwaysGoesOn(t *testing.T) {
	s := New(codec.Opus)
	for i := range int64(3) {
		if got := s.Decide(epoch, offer{layer: 200, extended: i}.packet()); got != Forward {
			t.Errorf("sound: %v", got)
		}
	}
	if _, ok := s.WantsKeyframe(); ok || s.Current() != (Target{}) {
		t.Error("sound wants key frames")
	}
}

func TestDecisionNames(t *testing.T) {
	for d, want := range map[Decision]string{Drop: "drop", Forward: "forward", Switch: "switch"} {
		if d.String() != want {
			t.Errorf("%d is %q, want %q", d, d, want)
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	s := New(codec.VP8)
	s.SetTarget(Target{0, 0})
	start := offer{extended: 1, frame: 1, flags: "ks"}.packet()
	s.Decide(epoch, start)
	p := offer{extended: 1, frame: 1, flags: "s"}.packet()
	if n := testing.AllocsPerRun(100, func() {
		p.Extended++
		p.Timestamp += 3000
		if s.Decide(epoch, p) != Forward {
			t.Fatal("not forwarded")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	s := New(codec.VP8)
	s.SetTarget(Target{0, 1})
	s.Decide(epoch, offer{extended: 1, frame: 1, flags: "ks"}.packet())
	p := offer{extended: 1, frame: 1, flags: "s"}.packet()
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		p.Extended++
		if p.Extended%4 == 0 {
			p.Timestamp += 3000
			p.Info.Temporal ^= 1
			p.Info.SwitchUp = p.Info.Temporal == 1
			now = now.Add(33 * time.Millisecond)
		}
		if s.Decide(now, p) != Forward {
			b.Fatal("not forwarded")
		}
	}
}
