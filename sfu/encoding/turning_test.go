package encoding

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A stream that is switched off fades in what is measured of it, and one that is
// switched on is measured half at first: neither is an operating point that
// anybody could have. It stands at its price meanwhile, so that nobody is granted it
// for what it seems to cost, and loses it for what it costs.
func TestFadingLayerKeepsItsPrice(t *testing.T) {
	p := camera(t)
	p.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 2 * units.Mbps})
	p.run(5 * time.Second)
	measured := make([]Measured, 3)
	see := func(top units.Rate) (points []Rate) {
		measured[2] = Measured{Active: true, Count: 2, Rates: [Temporals]units.Rate{top.Scale(0.6), top}}
		p.track.Measure(p.now, true, measured)
		for _, r := range p.track.Rates(p.now, nil) {
			if r.Spatial == 2 {
				points = append(points, r)
			}
		}
		return points
	}
	if got := see(300 * units.Kbps); got[len(got)-1].Rate != 300*units.Kbps {
		t.Errorf("little to see costs %v, want what is measured", got)
	}
	price := p.track.layers[2].price()
	p.track.Want(1, Wish{Spatial: 1, Current: 1, Room: 500 * units.Kbps})
	p.run(linger + 200*time.Millisecond)
	if p.active()[2] {
		t.Fatalf("not switched off: %+v", p.told)
	}
	for _, top := range []units.Rate{500 * units.Kbps, 200 * units.Kbps, units.Kbps} {
		got := see(top)
		if whole := got[len(got)-1].Rate; whole < price.Scale(0.99) || got[0].Rate < price.Scale(0.55) {
			t.Errorf("fading to %v it is offered at %v, want %v", top, got, price)
		}
	}
	p.track.Want(1, Wish{Spatial: 2, Current: 1, Room: 2 * units.Mbps})
	p.decide()
	if got := see(200 * units.Kbps); got[len(got)-1].Rate < price.Scale(0.99) {
		t.Errorf("just begun it is offered at %v, want %v", got, price)
	}
	p.run(turning + 100*time.Millisecond)
	if got := see(300 * units.Kbps); got[len(got)-1].Rate != 300*units.Kbps {
		t.Errorf("after a while little to see costs %v, want what is measured", got)
	}
}
