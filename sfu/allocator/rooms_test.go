package allocator

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// held is a camera whose publisher sends one layer at a rate, of which it could
// send more, and could switch on another.
func held(slot int, rate units.Rate) Demand {
	return Demand{Slot: slot, Kind: Video, Width: 1280, Height: 720, Still: 10 * units.Kbps, Layers: []Layer{
		{Spatial: 0, Temporal: 0, Rate: rate / 2, Width: 320, Height: 180},
		{Spatial: 0, Temporal: 2, Rate: rate, Most: 160 * units.Kbps, Held: rate < 160*units.Kbps, Width: 320, Height: 180},
		{Spatial: 1, Temporal: 7, Rate: 270 * units.Kbps, Most: 440 * units.Kbps, Held: true, Width: 640, Height: 360},
	}}
}

// Rooms share out what is left and no more: together they fit the budget, none
// is less than what was granted, and none more than what would be sent.
func TestRoomsFitTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		demands := drawDemands(t)
		for i := range demands {
			demands[i].Still = units.Rate(rapid.Int64Range(0, 30e3).Draw(t, "still"))
			for j := range demands[i].Layers {
				demands[i].Layers[j].Most = units.Rate(rapid.Int64Range(-5, 5e6).Draw(t, "most"))
			}
		}
		var previous []Grant
		for range 3 {
			budget := drawBudget(t)
			grants := Allocate(budget, demands, previous, nil)
			var all units.Rate
			waiting := 0
			for i, g := range grants {
				d := &demands[i]
				switch {
				case d.Kind == Voice:
					if g.Room != 0 || g.Still {
						t.Fatalf("a voice has room: %+v", g)
					}
					all = add(all, g.Rate)
				case g.Active() && !g.Still:
					if g.Room < g.Rate || g.Room > max(d.most(g.Spatial), g.Rate) {
						t.Fatalf("room of %+v, most %v", g, d.most(g.Spatial))
					}
					all = add(all, g.Room)
				default:
					if g.Room > 0 {
						waiting++
					}
					if g.Still && (g.Rate > d.Still || g.Reason != Still) {
						t.Fatalf("still %+v of %v", g, d.Still)
					}
					all = add(all, g.Rate)
				}
			}
			if waiting > 1 {
				t.Fatalf("%d pictures wait for the same bits", waiting)
			}
			spent := units.Rate(0)
			for _, g := range grants {
				spent = add(spent, g.Rate)
			}
			if all > add(max(budget, spent), units.Rate(len(grants))) {
				t.Fatalf("rooms of %v in a budget of %v", all, budget)
			}
			previous = grants
		}
	})
}

// More budget never gives one picture less room.
func TestRoomIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := held(0, units.Rate(rapid.Int64Range(40e3, 160e3).Draw(t, "rate")))
		less := drawBudget(t)
		more := less + units.Rate(rapid.Int64Range(0, 1e6).Draw(t, "more"))
		x := Allocate(less, []Demand{d}, nil, nil)[0]
		y := Allocate(more, []Demand{d}, nil, nil)[0]
		if y.Room < x.Room || y.Spatial < x.Spatial {
			t.Fatalf("%v gives %+v, %v gives %+v", less, x, more, y)
		}
	})
}

func TestRoomTable(t *testing.T) {
	for _, c := range []struct {
		name    string
		budget  units.Rate
		demands []Demand
		want    []units.Rate
	}{
		{"the rest of the budget", 130 * units.Kbps, []Demand{voice(0, 30_000), held(1, 60_000)}, []units.Rate{0, 100_000}},
		{"what the publisher sends", 250 * units.Kbps, []Demand{voice(0, 30_000), held(1, 60_000)}, []units.Rate{0, 160_000}},
		{"half each", 230 * units.Kbps, []Demand{voice(0, 30_000), held(1, 60_000), held(2, 60_000)}, []units.Rate{0, 100_000, 100_000}},
		{"too thin to be shown", 50 * units.Kbps, []Demand{voice(0, 30_000), held(1, 100_000)}, []units.Rate{0, 20_000}},
		{"only one waits", 50 * units.Kbps, []Demand{voice(0, 30_000), held(1, 200_000), held(2, 200_000)}, []units.Rate{0, 20_000, 0}},
	} {
		for i := range c.demands {
			c.demands[i].Still = 0
		}
		for i, g := range Allocate(c.budget, c.demands, nil, nil) {
			if g.Room != c.want[i] {
				t.Errorf("%s: slot %d has room %v, want %v", c.name, i, g.Room, c.want[i])
			}
		}
	}
}

// A picture that its publisher holds back is worth a probe: first for some more
// of it, in the end for all.
func TestWantsMoreOfWhatIsHeldBack(t *testing.T) {
	demands := []Demand{voice(0, 30*units.Kbps), held(1, 60*units.Kbps)}
	grants := Allocate(115*units.Kbps, demands, nil, nil)
	n := Wants(demands, grants)
	if n.Spent != 90*units.Kbps || n.Next <= WithHeadroom(n.Spent+10*units.Kbps) || n.Next >= 200*units.Kbps {
		t.Errorf("next is %v, spent %v", n.Next, n.Spent)
	}
	if n.Full != WithHeadroom(470*units.Kbps) {
		t.Errorf("full is %v, want the best layer at its best", n.Full)
	}
}

// Screen and main speaker first: a still picture of the important one comes
// before one of the other, and a better voice only after it.
func TestStillPictures(t *testing.T) {
	first, second := held(1, 200*units.Kbps), held(2, 200*units.Kbps)
	first.Priority = 5
	speech := Demand{Slot: 0, Kind: Voice, Layers: []Layer{{Rate: 20 * units.Kbps}, {Temporal: 1, Rate: 36 * units.Kbps}}}
	demands := []Demand{speech, second, first}
	for _, c := range []struct {
		budget units.Rate
		voice  units.Rate
		stills [2]bool // the important one, the other
	}{
		{30 * units.Kbps, 20 * units.Kbps, [2]bool{}},
		{40 * units.Kbps, 20 * units.Kbps, [2]bool{true, false}},
		{60 * units.Kbps, 36 * units.Kbps, [2]bool{true, false}},
		{75 * units.Kbps, 36 * units.Kbps, [2]bool{true, true}},
	} {
		g := Allocate(c.budget, demands, nil, nil)
		if g[0].Rate != c.voice || g[2].Still != c.stills[0] || g[1].Still != c.stills[1] {
			t.Errorf("at %v: %+v", c.budget, g)
		}
	}
	// One that stands still is refreshed more seldom before it is given up.
	g := Allocate(40*units.Kbps, demands, nil, nil)
	if g = Allocate(25*units.Kbps, demands, g, nil); !g[2].Still || g[2].Rate >= 10*units.Kbps {
		t.Errorf("at 25 kbit/s: %+v", g[2])
	}
	if g = Allocate(20*units.Kbps, demands, g, nil); g[2].Still || g[2].Reason != PausedBandwidth {
		t.Errorf("at 20 kbit/s: %+v", g[2])
	}
}

// A view of 1,000 participants and a track of 100 layers. A downlink never asks
// for so many: it has 64 slots at the most.
func TestAbsurdSizes(t *testing.T) {
	var crowd []Demand
	for i := range 1000 {
		d := camera(i, uint8(i), 1280, 720)
		d.Layers = []Layer{d.Layers[2], d.Layers[5], d.Layers[8]} // without temporal ones
		crowd = append(crowd, d)
	}
	tall := Demand{Kind: Video}
	for i := range 100 {
		tall.Layers = append(tall.Layers, Layer{Spatial: int8(i), Rate: units.Rate(i+1) * 10 * units.Kbps, Width: uint16(i * 100), Height: uint16(i * 60)})
	}
	grants := Allocate(300*units.Mbps, crowd, nil, nil)
	grants = Allocate(310*units.Mbps, crowd, grants, nil)
	spent := units.Rate(0)
	for _, g := range grants {
		if !g.Active() {
			t.Fatalf("there is room for everybody: %+v", g)
		}
		spent += g.Rate
	}
	if spent > 310*units.Mbps || spent < 200*units.Mbps {
		t.Errorf("%v of 310 Mbit/s is spent", spent)
	}
	if g := Allocate(500*units.Kbps, []Demand{tall}, nil, nil)[0]; !g.Active() || g.Rate > 500*units.Kbps || g.Rate < 300*units.Kbps {
		t.Errorf("of 100 layers: %+v", g)
	}
}

// Frames a second count as they come, not as shares of what a layer has: half of 13
// frames looks worse than a picture of half the width that moves. Of a screen,
// and where they are not known, the share counts.
func TestFewFramesOfALargePicture(t *testing.T) {
	film := func(kind Kind, known bool) Demand {
		d := Demand{Slot: 1, Kind: kind, Width: 1280, Height: 720}
		for _, l := range []struct {
			spatial int8
			full    units.Rate
			frames  float64
		}{{1, 380 * units.Kbps, 30}, {2, 720 * units.Kbps, 13}} {
			for temporal, share := range []float64{0.4, 0.6, 1} {
				rate := Layer{Spatial: l.spatial, Temporal: int8(temporal), Rate: l.full.Scale(share), Width: 320 << l.spatial, Height: 180 << l.spatial}
				if known {
					rate.FrameRate = l.frames * float64(int(1)<<temporal) / 4
				}
				d.Layers = append(d.Layers, rate)
			}
		}
		return d
	}
	for _, c := range []struct {
		why               string
		kind              Kind
		known             bool
		spatial, temporal int8
	}{
		{"a face", Video, true, 1, 2},
		{"a face, frames not known", Video, false, 2, 1},
		{"a screen", Screen, true, 2, 1},
	} {
		// It has half of the larger picture's frames.
		previous := []Grant{{Slot: 1, Spatial: 2, Temporal: 1, Rate: 432 * units.Kbps, Reason: Bandwidth}}
		got := Allocate(490*units.Kbps, []Demand{film(c.kind, c.known)}, previous, nil)[0]
		if got.Spatial != c.spatial || got.Temporal < c.temporal {
			t.Errorf("%s: granted %+v, want %d.%d", c.why, got, c.spatial, c.temporal)
		}
	}
	if d := film(Video, true); d.value(5, 0) <= d.value(2, 0) {
		t.Errorf("720p at 13 frames is worth %v, 360p at 30 %v", d.value(5, 0), d.value(2, 0))
	}
	for _, rate := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1e-300, 1e300} {
		d := film(Video, true)
		for i := range d.Layers {
			d.Layers[i].FrameRate, d.Layers[i].Held, d.Layers[i].Most = rate, true, 2*units.Mbps
			for _, most := range []float64{rate, 30, math.NaN()} {
				d.Layers[i].MostFrameRate = most
				if v := d.value(i, units.Mbps); !(v >= 0 && v <= 960) {
					t.Errorf("%v and at most %v frames a second are worth %v", rate, most, v)
				}
			}
		}
	}
}

// A picture that its publisher holds back, because nobody had room for more of it,
// is worth what it becomes once somebody has: else a larger one at a few frames a
// second would look better, and stay.
func TestHeldPictureIsWorthItsRoom(t *testing.T) {
	// Chromium at 150 kbit/s: 180p held to 8 frames a second, 360p to 13.
	film := func(held bool) Demand {
		d := Demand{Slot: 1, Kind: Video, Width: 1280, Height: 720}
		d.Layers = append(d.Layers, Layer{
			Spatial: 0, Temporal: 2, Rate: 60 * units.Kbps, Held: held, Most: 170 * units.Kbps,
			FrameRate: 8, MostFrameRate: 30, Width: 320, Height: 180,
		})
		for temporal, rate := range []units.Rate{80 * units.Kbps, 140 * units.Kbps} {
			d.Layers = append(d.Layers, Layer{
				Spatial: 1, Temporal: int8(temporal), Rate: rate,
				FrameRate: 6.5 * float64(temporal+1), Width: 640, Height: 360,
			})
		}
		top := &d.Layers[2]
		top.Held, top.Most, top.MostFrameRate = true, 460*units.Kbps, 30
		return d
	}
	for _, c := range []struct {
		why               string
		budget            units.Rate
		held              bool
		spatial, temporal int8
	}{
		{"the small one moves once it is asked for", 137 * units.Kbps, true, 0, 2},
		{"the small one is sent whole: it comes with 8 frames", 137 * units.Kbps, false, 1, 0},
		{"the large one moves too", 250 * units.Kbps, true, 1, 1},
	} {
		previous := []Grant{{Slot: 1, Spatial: 1, Temporal: 0, Rate: 80 * units.Kbps, Reason: Bandwidth}}
		demands := []Demand{film(c.held)}
		got := Allocate(c.budget, demands, previous, nil)
		if got[0].Spatial != c.spatial || got[0].Temporal != c.temporal {
			t.Errorf("%s: granted %+v, want %d.%d", c.why, got[0], c.spatial, c.temporal)
		}
		if c.spatial > 0 {
			continue
		}
		if got[0].Room != c.budget {
			t.Errorf("the publisher is asked for %v, there is room for %v", got[0].Room, c.budget)
		}
		// It is probed for more of the same, not for the large one's few frames.
		if n := Wants(demands, got); n.Next < WithHeadroom(c.budget) {
			t.Errorf("the next step is at %v, before %v", n.Next, WithHeadroom(c.budget))
		}
	}
	// What is left is shared: two such pictures get half of it each.
	two := []Demand{film(true), film(true)}
	two[1].Slot = 2
	for _, g := range Allocate(180*units.Kbps, two, nil, nil) {
		if g.Spatial != 0 || g.Room != 90*units.Kbps {
			t.Errorf("of two: %+v", g)
		}
	}
}

// A picture that rests does not come back, not even as a still one, unless it is the
// most important; one that is shown stays.
func TestPictureThatRestsStaysAway(t *testing.T) {
	demands := func(first, second bool) []Demand {
		all := make([]Demand, 2)
		for i := range all {
			all[i] = Demand{Slot: i, Kind: Video, Still: 8 * units.Kbps, Layers: []Layer{{Rate: 30 * units.Kbps, Width: 320, Height: 180}}}
		}
		all[0].Rests, all[1].Rests = first, second
		return all
	}
	paused := func(slot int) Grant {
		return Grant{Slot: slot, Spatial: Paused, Temporal: Paused, Reason: PausedBandwidth}
	}
	const budget = 200 * units.Kbps
	none := []Grant{paused(0), paused(1)}
	both := Allocate(budget, demands(false, false), none, nil)
	if !both[0].Active() || !both[1].Active() {
		t.Fatalf("there is room for both, and %+v is granted", both)
	}
	if got := Allocate(budget, demands(true, true), none, nil); !got[0].Active() || got[1].Active() || got[1].Still {
		t.Errorf("both rest: %+v, want the first alone", got)
	} else if got[1].Reason != PausedBandwidth {
		t.Errorf("who rests is told %v", got[1].Reason)
	}
	if got := Allocate(budget, demands(true, true), both, nil); !got[0].Active() || !got[1].Active() {
		t.Errorf("both are shown and one is taken away: %+v", got)
	}
	needs := Wants(demands(false, true), Allocate(budget, demands(false, true), none, nil))
	if needs.Next != needs.Spent {
		t.Errorf("it is probed for what rests: %+v", needs)
	}
}
