package media

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func TestSimulcastLayersBySourceSize(t *testing.T) {
	for _, c := range []struct {
		width, height int
		want          []int // widths
	}{
		{1280, 720, []int{320, 640, 1280}},
		{1920, 1080, []int{480, 960, 1920}},
		{640, 360, []int{320, 640}},
		{320, 180, []int{320}},
	} {
		s := NewSimulcast(start, VP8Config{Width: c.width, Height: c.height})
		if len(s.Layers) != len(c.want) {
			t.Fatalf("%dx%d: %d layers", c.width, c.height, len(s.Layers))
		}
		for i, layer := range s.Layers {
			if got := layer.Encoder.config.Width; got != c.want[i] || layer.RID != rids[i] {
				t.Errorf("%dx%d: layer %d (%s) is %d wide", c.width, c.height, i, layer.RID, got)
			}
		}
	}
}

func TestSimulcastSharesTheRate(t *testing.T) {
	s := NewSimulcast(start, VP8Config{Width: 1280, Height: 720, Rate: 4 * units.Mbps})
	for _, c := range []struct{ total, q, h, f units.Rate }{
		{4000, 150, 500, 2500},
		{1400, 150, 500, 750},
		{1249, 150, 700, 0}, // f needs 600 beside the 650 that q and h want
		{1300, 150, 700, 0}, // f is off: it needs a tenth more to come back
		{1310, 150, 500, 660},
		{250, 200, 0, 0}, // h's least is 150
		{20, 20, 0, 0},
		{0, 0, 0, 0},
		{-5, 0, 0, 0},
		{9000, 150, 500, 2500},
	} {
		s.SetRate(start, c.total*units.Kbps)
		for i, want := range []units.Rate{c.q, c.h, c.f} {
			if got := s.Layers[i].Encoder.Rate(); got != want*units.Kbps {
				t.Errorf("%d kbit/s: layer %s gets %v, want %d kbit/s", c.total, s.Layers[i].RID, got, want)
			}
		}
	}
}

func TestSimulcastPolls(t *testing.T) {
	s := NewSimulcast(start, VP8Config{Width: 1280, Height: 720, Rate: 4 * units.Mbps, Source: 10})
	var frames, keys [3]int
	for now := s.Next(); now.Before(start.Add(10 * time.Second)); now = s.Next() {
		for {
			layer, f, ok := s.Poll(now)
			if !ok {
				break
			}
			frames[layer]++
			if f.Keyframe {
				keys[layer]++
			}
			if f.Source != 10+uint16(layer) || f.Width != 1280>>(2-layer) {
				t.Fatalf("layer %d: %+v", layer, f)
			}
		}
		if frames[0] == 100 {
			s.RequestKeyFrame(1)
			s.RequestKeyFrame(-1)
			s.RequestKeyFrame(3)
		}
	}
	if frames != [3]int{300, 300, 300} && frames != [3]int{301, 301, 301} {
		t.Errorf("frames %v", frames)
	}
	if keys != [3]int{1, 2, 1} {
		t.Errorf("key frames %v", keys)
	}
	s.SetRate(start.Add(10*time.Second), 0)
	if !s.Next().IsZero() {
		t.Error("something is due without a rate")
	}
}
