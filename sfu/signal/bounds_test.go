package signal_test

import (
	"errors"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// A view of 1,000 participants, a camera of 100 layers, and sizes and rates that
// cannot be are refused with a reason; the largest that may be are not.
func TestPicturesAreBounded(t *testing.T) {
	views := func(n int) *signal.View {
		v := &signal.View{}
		for range n {
			v.Tracks = append(v.Tracks, signal.TrackView{Track: "t_1", Width: 320, Height: 180})
		}
		return v
	}
	layers := func(n, rate int) *signal.Publish {
		p := &signal.Publish{Source: signal.Camera, Width: 1280, Height: 720}
		for range n {
			p.Layers = append(p.Layers, signal.Layer{RID: "q", Width: 320, Height: 180, MaxRate: rate})
		}
		return p
	}
	one := func(v signal.TrackView) *signal.View { return &signal.View{Tracks: []signal.TrackView{v}} }
	for _, c := range []struct {
		why  string
		body signal.Body
		ok   bool
	}{
		{"no view", views(0), true},
		{"the most views", views(signal.MaxViews), true},
		{"a view too many", views(signal.MaxViews + 1), false},
		{"1,000 participants", views(1000), false},
		{"a size below 0", one(signal.TrackView{Track: "t_1", Width: -1}), false},
		{"a size beyond all", one(signal.TrackView{Track: "t_1", Width: 1 << 30}), false},
		{"a priority of 10", one(signal.TrackView{Track: "t_1", Priority: 10}), false},
		{"no track", one(signal.TrackView{}), false},
		{"the most layers", layers(signal.MaxLayers, 150_000), true},
		{"rates of zero", layers(3, 0), true}, // the server's own guess
		{"10 Gbit/s", layers(3, 10_000_000_000), true},
		{"a layer too many", layers(signal.MaxLayers+1, 150_000), false},
		{"100 layers", layers(100, 150_000), false},
		{"a rate below 0", layers(1, -1), false},
	} {
		err := c.body.Validate()
		var refusal *signal.Error
		if (err == nil) != c.ok || err != nil && (!errors.As(err, &refusal) || refusal.Code != signal.BadMessage) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
