package allocator

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// drawDemands makes up to 12 demands with sorted layers, rates of nothing and
// of absurd size among them.
func drawDemands(t *rapid.T) []Demand {
	n := rapid.IntRange(0, 12).Draw(t, "demands")
	demands := make([]Demand, n)
	for i := range demands {
		d := &demands[i]
		d.Slot = i
		d.Kind = Kind(rapid.IntRange(0, 2).Draw(t, "kind"))
		d.Priority = rapid.Uint8().Draw(t, "priority")
		d.Width = rapid.Uint16().Draw(t, "width")
		d.Height = rapid.Uint16().Draw(t, "height")
		d.Muted = rapid.IntRange(0, 9).Draw(t, "muted") == 0
		for s := range rapid.IntRange(0, 4).Draw(t, "spatial") {
			for l := range rapid.IntRange(1, 4).Draw(t, "temporal") {
				d.Layers = append(d.Layers, Layer{
					Spatial: int8(s), Temporal: int8(l),
					Rate:  units.Rate(rapid.OneOf(rapid.Int64Range(0, 3e6), rapid.Just[int64](10e9), rapid.Just(int64(units.MaxRate))).Draw(t, "rate")),
					Width: rapid.Uint16().Draw(t, "layer width"), Height: rapid.Uint16().Draw(t, "layer height"),
					FrameRate: rapid.OneOf(rapid.Float64Range(0, 60), rapid.Just(0.0)).Draw(t, "frames"),
				})
			}
		}
	}
	return demands
}

func drawBudget(t *rapid.T) units.Rate {
	return units.Rate(rapid.Int64Range(-1, 8e6).Draw(t, "budget"))
}

func TestNeverOverBudgetAndVoiceNeverStarved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		demands := drawDemands(t)
		var previous []Grant
		for range 3 {
			budget := drawBudget(t)
			grants := Allocate(budget, demands, previous, nil)
			var spoken, shown units.Rate
			for i, g := range grants {
				d := &demands[i]
				if g.Slot != d.Slot {
					t.Fatalf("grant %d is for slot %d", i, g.Slot)
				}
				checkGrant(t, d, g)
				if d.Kind == Voice {
					spoken = add(spoken, g.Rate)
					if !d.Muted && d.lowest() >= 0 && !g.Active() {
						t.Fatalf("voice starved: %+v", g)
					}
				} else {
					shown = add(shown, g.Rate)
				}
			}
			if shown > 0 && add(spoken, shown) > budget {
				t.Fatalf("voice %v and video %v exceed %v", spoken, shown, budget)
			}
			previous = grants
		}
	})
}

func checkGrant(t *rapid.T, d *Demand, g Grant) {
	if !g.Active() {
		if g.Rate != 0 || g.Temporal != Paused || g.Reason < PausedBandwidth {
			t.Fatalf("paused grant %+v", g)
		}
		return
	}
	i := d.index(g.Spatial, g.Temporal)
	if i < 0 || d.Layers[i].Rate != g.Rate || g.Rate <= 0 {
		t.Fatalf("grant %+v is no layer that is sent: %+v", g, d.Layers)
	}
	if i > d.limit() {
		t.Fatalf("layer %d is larger than what is shown needs, %d", i, d.limit())
	}
	if (g.Reason == Full) != (i == d.highest()) {
		t.Fatalf("reason %v for layer %d of %d", g.Reason, i, d.highest())
	}
}

// One picture alone: more budget never gives it less.
func TestMonotoneInBudgetForOnePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := camera(0, 0, rapid.Uint16().Draw(t, "width"), rapid.Uint16().Draw(t, "height"))
		for i := range d.Layers {
			d.Layers[i].Rate = d.Layers[i].Rate.Scale(rapid.Float64Range(0.5, 2).Draw(t, "scale"))
		}
		less := drawBudget(t)
		more := less + units.Rate(rapid.Int64Range(0, 4e6).Draw(t, "more"))
		x := Allocate(less, []Demand{d}, nil, nil)[0]
		y := Allocate(more, []Demand{d}, nil, nil)[0]
		if x.Active() && (!y.Active() || d.value(d.index(y.Spatial, y.Temporal), y.Room) < d.value(d.index(x.Spatial, x.Temporal), x.Room)*0.999) {
			t.Fatalf("%v gives %+v, %v gives %+v", less, x, more, y)
		}
	})
}

// Several pictures: twice the budget shows at least as many, and the total
// gain does not shrink.
func TestMonotoneInBudgetForManyPictures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var demands []Demand
		for i := range rapid.IntRange(1, 9).Draw(t, "pictures") {
			demands = append(demands, camera(i, rapid.Uint8Range(0, 10).Draw(t, "priority"), 640, 360))
		}
		less := drawBudget(t)
		count := func(budget units.Rate) (n int, spent units.Rate) {
			for _, g := range Allocate(budget, demands, nil, nil) {
				if g.Active() {
					n++
				}
				spent += g.Rate
			}
			return n, spent
		}
		n1, s1 := count(less)
		n2, s2 := count(2 * less)
		if n2 < n1 || s2 < s1 {
			t.Fatalf("%v shows %d for %v, twice as much shows %d for %v", less, n1, s1, n2, s2)
		}
	})
}

// A budget or measured rates that wander by a tenth cause no switching once
// the first minute of them has been seen. Grants are counted every half second.
func TestNoOscillationUnderNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		demands := []Demand{voice(0, 40*units.Kbps)}
		for i := range rapid.IntRange(1, 6).Draw(t, "pictures") {
			demands = append(demands, camera(1+i, rapid.Uint8Range(0, 10).Draw(t, "priority"), 1280, 720))
		}
		mean := units.Rate(rapid.Int64Range(60e3, 6e6).Draw(t, "mean"))
		noise := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rates := rapid.Bool().Draw(t, "rates wander, not the budget")
		var previous, next []Grant
		switches := 0
		for i := range 360 {
			budget, now := mean, demands
			if rates {
				now = wandering(demands, noise)
			} else {
				budget = mean.Scale(0.9 + 0.2*noise.Float64())
			}
			next = Allocate(budget, now, previous, next)
			for j, g := range next {
				if i >= 120 && (g.Spatial != previous[j].Spatial || g.Temporal != previous[j].Temporal) {
					switches++
				}
			}
			previous, next = next, previous
		}
		if perMinute := switches / 2; perMinute > 1 {
			t.Fatalf("%d switches a minute at %v +- 10 %%", perMinute, mean)
		}
	})
}

// wandering answers demands whose layers were measured a tenth off, those of one
// track by the same, as its encoder makes more or less of all of them.
func wandering(demands []Demand, noise *rand.Rand) []Demand {
	all := slices.Clone(demands)
	for i := range all {
		off := 0.9 + 0.2*noise.Float64()
		all[i].Layers = slices.Clone(all[i].Layers)
		for j := range all[i].Layers {
			all[i].Layers[j].Rate = all[i].Layers[j].Rate.Scale(off)
		}
	}
	return all
}
