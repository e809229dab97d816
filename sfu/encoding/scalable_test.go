package encoding

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// stream is the publisher of one scalable stream, which does as it is told.
type stream struct {
	now     time.Time
	track   *Track
	told    Encoding
	changes int
	key     bool // L3T3_KEY: larger layers need smaller ones in key pictures only
	cannot  int  // layers from this one up are more than the uplink carries; 0 = none
}

func newStream() *stream {
	s := &stream{now: epoch, track: New(epoch, Config{Layers: []Layer{{Width: 1280, Height: 720}}, Obeys: true})}
	s.told = s.track.Encodings(nil)[0]
	return s
}

var inside = [3]units.Rate{150 * units.Kbps, 424 * units.Kbps, 1200 * units.Kbps}

// run lets time pass in steps of 100 ms.
func (s *stream) run(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(100 * time.Millisecond) {
		var sizes []Layer
		var all []Measured
		sent := len(inside)
		if s.told.Spatials > 0 {
			sent = s.told.Spatials
		}
		if s.cannot > 0 {
			sent = min(sent, s.cannot)
		}
		var sum units.Rate
		for i := range sent {
			sizes = append(sizes, cameraLayers[i])
			sum += inside[i]
		}
		if !s.told.Active {
			sizes, sum = nil, 0
		}
		share := 1.0
		if s.told.Rate > 0 && s.told.Rate < sum {
			share = float64(s.told.Rate) / float64(sum)
		}
		var below units.Rate
		for i := range sizes {
			below += inside[i]
			rate := below
			if s.key {
				rate = inside[i]
			}
			wire := s.track.layers[0].frame.wire(rate.Scale(share))
			all = append(all, Measured{Active: true, Count: Temporals, Rates: [Temporals]units.Rate{wire.Scale(0.5), wire.Scale(0.7), wire}})
		}
		for i := range all {
			all[i].Stream = s.track.layers[0].frame.wire(sum.Scale(share))
		}
		if s.now.Sub(epoch)%(500*time.Millisecond) == 0 {
			s.track.SetScalable(s.now, sizes)
			s.track.Measure(s.now, true, all)
		}
		if s.track.Decide(s.now) {
			s.told = s.track.Encodings(nil)[0]
			s.changes++
		}
	}
}

// Layers inside a stream go off from above, after a while, and come back at once.
func TestInnerLayers(t *testing.T) {
	for _, key := range []bool{false, true} {
		s := newStream()
		s.key = key
		wide := 5 * units.Mbps
		s.track.Want(1, Wish{Spatial: 2, Current: 2, Room: wide})
		s.track.Want(2, Wish{Spatial: 0, Current: 0, Room: wide})
		s.run(10 * time.Second)
		if s.told != (Encoding{Active: true}) {
			t.Fatalf("all layers are wanted: %+v", s.told)
		}
		s.track.Want(1, Wish{Spatial: 1, Current: 1, Room: wide})
		s.run(lingerInside - 200*time.Millisecond)
		if s.told.Spatials != 0 {
			t.Errorf("told %+v before the while was over", s.told)
		}
		s.run(time.Second)
		if e := s.told; !e.Active || e.Spatials != 2 || e.Scale != 2 || e.Rate < 400*units.Kbps || e.Rate > 750*units.Kbps {
			t.Errorf("the middle layer is the largest: %+v", e)
		}
		rates := s.track.Rates(s.now, nil)
		if last := rates[len(rates)-1]; last.Spatial != 2 || last.Rate < 500*units.Kbps || !last.Held || last.Most < 1100*units.Kbps {
			t.Errorf("the layer that is off is on offer as %+v", last)
		}
		s.track.Leave(1)
		s.run(lingerInside + 200*time.Millisecond)
		if e := s.told; e.Spatials != 1 || e.Scale != 4 || e.Rate < 140*units.Kbps || e.Rate > 240*units.Kbps {
			t.Errorf("the smallest layer alone: %+v", e)
		}
		was := s.changes
		s.run(time.Minute)
		if s.changes > was {
			t.Errorf("%d changes for nothing, now %+v", s.changes-was, s.told)
		}
		s.track.Want(2, Wish{Spatial: 2, Current: 0, Room: wide})
		s.run(100 * time.Millisecond)
		if s.told != (Encoding{Active: true}) {
			t.Errorf("the largest is wanted again: %+v", s.told)
		}
		s.track.Leave(2)
		s.run(lingerInside + 200*time.Millisecond)
		if s.told.Active {
			t.Errorf("nobody watches: %+v", s.told)
		}
	}
}

// The stream uses no more than its best receiver has room for.
func TestInnerLayersWithinTheRoom(t *testing.T) {
	s := newStream()
	s.key = true
	s.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	s.run(10 * time.Second)
	s.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 900 * units.Kbps})
	s.run(5 * time.Second)
	// The layers beneath, 574 of 1774 kbit/s, come beside what the receiver gets.
	if e := s.told; e.Spatials != 0 || e.Rate < 1050*units.Kbps || e.Rate > 1300*units.Kbps {
		t.Errorf("with room for 900 kbit/s: %+v", e)
	}
	s.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 60 * units.Kbps})
	s.run(lingerInside + time.Second)
	if e := s.told; e.Spatials != 1 || e.Rate < 45*units.Kbps || e.Rate > 57*units.Kbps || e.FrameRate < 5 || e.FrameRate > 7 {
		t.Errorf("with room for 60 kbit/s: %+v", e)
	}
}

// A layer that the publisher's uplink cannot carry is not asked for for ever,
// and nobody is promised it.
func TestInnerLayerThatDoesNotCome(t *testing.T) {
	s := newStream()
	s.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	s.run(10 * time.Second)
	s.cannot = 1
	s.run(settle + 2*time.Second)
	for _, r := range s.track.Rates(s.now, nil) {
		if r.Spatial > 0 && r.Rate > 0 {
			t.Errorf("promised what cannot come: %+v", r)
		}
	}
	if s.told.Spatials != 1 {
		t.Errorf("asked for what cannot come: %+v", s.told)
	}
	s.cannot = 0
	s.run(lastBlock)
	if s.told.Spatials != 0 {
		t.Errorf("on a wide uplink: %+v", s.told)
	}
}

// A publisher without the event is held to what is wanted by its cap.
func TestCapOfInnerLayers(t *testing.T) {
	s := newStream()
	s.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	s.run(10 * time.Second)
	if c := s.track.Cap(); c != units.MaxRate {
		t.Errorf("with the best layer, cap %v", c)
	}
	s.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 5 * units.Mbps})
	s.run(10 * time.Second)
	if c := s.track.Cap(); c < 150*units.Kbps || c > 240*units.Kbps {
		t.Errorf("with the smallest layer, cap %v", c)
	}
	s.track.Leave(1)
	s.run(10 * time.Second)
	if c := s.track.Cap(); c < 150*units.Kbps || c > 240*units.Kbps {
		t.Errorf("nobody watches, cap %v", c)
	}
}

// A smaller layer inside a stream weighs what is measured, however little room its
// best viewer has: the encoder alone decides how it divides the whole.
func TestSmallLayerInsideWeighsWhatItWeighs(t *testing.T) {
	s := newStream()
	s.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	s.track.Want(2, Wish{Spatial: 0, Current: 0, Room: 5 * units.Mbps})
	s.run(10 * time.Second)
	for range 100 { // ten seconds, in which what it is said to weigh may not creep away
		s.track.Want(2, Wish{Spatial: 0, Current: 0, Room: inside[0].Scale(0.8)})
		s.run(100 * time.Millisecond)
		var got units.Rate
		for _, r := range s.track.Rates(s.now, nil) {
			if r.Spatial == 0 {
				got = max(got, r.Rate)
			}
		}
		if want := s.track.layers[0].measured.top(); got != want || want < inside[0] {
			t.Fatalf("the smallest layer weighs %v and is said to weigh %v", want, got)
		}
	}
}
