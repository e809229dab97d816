package downlink

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
)

// What is left out for a moment, while a queue is emptied or a key frame is on its
// way, leaves a picture that moves.
func TestWhatIsLeftForAMoment(t *testing.T) {
	for _, c := range []struct {
		frames  [3]float64
		granted int8
		want    int8
	}{
		{[3]float64{7.5, 15, 30}, 2, 0},
		{[3]float64{2.5, 5, 10}, 2, 1},
		{[3]float64{2.5, 5, 10}, 0, 0},
		{[3]float64{1.25, 2.5, 5}, 2, 2},
		{[3]float64{0.5, 1, 2}, 2, 2},
		{[3]float64{0.5, 1, 2}, 1, 1},
		{[3]float64{}, 2, 0}, // not known
	} {
		s := &slot{grant: allocator.Grant{Spatial: 1, Temporal: c.granted}}
		for temporal, n := range c.frames {
			s.rates = append(s.rates,
				LayerRate{Spatial: 0, Temporal: int8(temporal), Rate: 1000, FrameRate: 3},
				LayerRate{Spatial: 1, Temporal: int8(temporal), Rate: 5000, FrameRate: n})
		}
		for _, s.crowded = range []bool{false, true} {
			s.bridged = !s.crowded
			if got := s.target(); got != (layer.Target{Spatial: 1, Temporal: c.want}) {
				t.Errorf("%v frames a second, %d granted: %+v is left, want %d", c.frames, c.granted, got, c.want)
			}
		}
		s.crowded, s.bridged = false, false
		if got := s.target().Temporal; got != c.granted {
			t.Errorf("%d is passed on, %d granted", got, c.granted)
		}
		if got := s.part(); got != (c.granted < 2) {
			t.Errorf("granted %d of 0 to 2, in part: %v", c.granted, got)
		}
	}
}
