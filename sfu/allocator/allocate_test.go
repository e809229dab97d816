package allocator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// camera is what Chromium sends at 720p: three VP8 layers of three temporal
// ones; the lower layers' rates are those of a talking head.
func camera(slot int, priority uint8, width, height uint16) Demand {
	d := Demand{Slot: slot, Kind: Video, Priority: priority, Width: width, Height: height}
	for s, full := range []units.Rate{150 * units.Kbps, 500 * units.Kbps, 1500 * units.Kbps} {
		for t, share := range []float64{0.5, 0.7, 1} {
			d.Layers = append(d.Layers, Layer{
				Spatial: int8(s), Temporal: int8(t), Rate: full.Scale(share),
				Width: 320 << s, Height: 180 << s,
			})
		}
	}
	return d
}

func voice(slot int, r units.Rate) Demand {
	return Demand{Slot: slot, Kind: Voice, Priority: 255, Layers: []Layer{{Rate: r}}}
}

func TestAllocateTable(t *testing.T) {
	muted := camera(1, 0, 1280, 720)
	muted.Muted = true
	cases := []struct {
		name    string
		budget  units.Rate
		demands []Demand
		want    []Grant
	}{
		{"everything fits", 10 * units.Mbps, []Demand{voice(0, 40_000), camera(1, 0, 1280, 720)}, []Grant{
			{Slot: 0, Spatial: 0, Temporal: 0, Rate: 40_000, Reason: Full}, {Slot: 1, Spatial: 2, Temporal: 2, Rate: 1_500_000, Reason: Full}}},
		{"view is small", 10 * units.Mbps, []Demand{camera(1, 0, 320, 180)}, []Grant{
			{Slot: 1, Spatial: 0, Temporal: 2, Rate: 150_000, Reason: FitsView}}},
		{"a little larger than the smallest layer", 10 * units.Mbps, []Demand{camera(1, 0, 360, 203)}, []Grant{
			{Slot: 1, Spatial: 0, Temporal: 2, Rate: 150_000, Reason: FitsView}}},
		{"larger than the smallest layer", 10 * units.Mbps, []Demand{camera(1, 0, 480, 270)}, []Grant{
			{Slot: 1, Spatial: 1, Temporal: 2, Rate: 500_000, Reason: FitsView}}},
		{"unknown view", 10 * units.Mbps, []Demand{camera(1, 0, 0, 0)}, []Grant{
			{Slot: 1, Spatial: 2, Temporal: 2, Rate: 1_500_000, Reason: Full}}},
		{"only the thinnest", 130 * units.Kbps, []Demand{voice(0, 40_000), camera(1, 0, 1280, 720)}, []Grant{
			{Slot: 0, Spatial: 0, Temporal: 0, Rate: 40_000, Reason: Full}, {Slot: 1, Spatial: 0, Temporal: 0, Rate: 75_000, Reason: Bandwidth}}},
		{"paused", 100 * units.Kbps, []Demand{voice(0, 40_000), camera(1, 0, 1280, 720)}, []Grant{
			{Slot: 0, Spatial: 0, Temporal: 0, Rate: 40_000, Reason: Full}, {Slot: 1, Spatial: -1, Temporal: -1, Rate: 0, Reason: PausedBandwidth}}},
		{"voice beyond the budget", 10 * units.Kbps, []Demand{camera(1, 0, 0, 0), voice(0, 40_000)}, []Grant{
			{Slot: 1, Spatial: -1, Temporal: -1, Rate: 0, Reason: PausedBandwidth}, {Slot: 0, Spatial: 0, Temporal: 0, Rate: 40_000, Reason: Full}}},
		{"muted and empty", 10 * units.Mbps, []Demand{muted, {Slot: 2, Kind: Video}}, []Grant{
			{Slot: 1, Spatial: -1, Temporal: -1, Rate: 0, Reason: Muted}, {Slot: 2, Spatial: -1, Temporal: -1, Rate: 0, Reason: NoSource}}},
		{"the important one first", 100 * units.Kbps, []Demand{camera(1, 1, 0, 0), camera(2, 9, 0, 0)}, []Grant{
			{Slot: 1, Spatial: -1, Temporal: -1, Rate: 0, Reason: PausedBandwidth}, {Slot: 2, Spatial: 0, Temporal: 0, Rate: 75_000, Reason: Bandwidth}}},
		{"every picture before any upgrade", 190 * units.Kbps, []Demand{camera(1, 1, 0, 0), camera(2, 200, 0, 0)}, []Grant{
			{Slot: 1, Spatial: 0, Temporal: 0, Rate: 75_000, Reason: Bandwidth}, {Slot: 2, Spatial: 0, Temporal: 0, Rate: 75_000, Reason: Bandwidth}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Allocate(c.budget, c.demands, nil, nil)
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Grant{}, "Room")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScreenKeepsSharpnessOverMotion(t *testing.T) {
	screen := camera(1, 0, 1280, 720)
	screen.Kind = Screen
	got := Allocate(1100*units.Kbps, []Demand{screen}, nil, nil)[0]
	if got.Spatial != 2 || got.Temporal != 0 {
		t.Errorf("screen got layer %d.%d, want the sharpest at the lowest frame rate, 2.0", got.Spatial, got.Temporal)
	}
}

func TestLayerThatIsNotSentIsNotGranted(t *testing.T) {
	d := camera(1, 0, 1280, 720)
	for i := range d.Layers {
		if d.Layers[i].Spatial != 1 {
			d.Layers[i].Rate = 0
		}
	}
	got := Allocate(10*units.Mbps, []Demand{d}, nil, nil)[0]
	if got.Spatial != 1 || got.Temporal != 2 || got.Rate != 500_000 || got.Reason != Full {
		t.Errorf("granted %+v, want the one layer that is sent", got)
	}
}

// A layer in use is kept while it fits the budget whole; a new one needs a
// quarter of headroom.
func TestTwoThresholds(t *testing.T) {
	demands := []Demand{camera(1, 0, 1280, 720)}
	low := Allocate(200*units.Kbps, demands, nil, nil)
	if low[0].Spatial != 0 || low[0].Temporal != 2 {
		t.Fatalf("at 200 kbit/s granted %+v", low[0])
	}
	if g := Allocate(1874*units.Kbps, demands, low, nil); g[0].Temporal == 2 && g[0].Spatial == 2 {
		t.Errorf("the best layer was taken without headroom: %+v", g[0])
	}
	best := Allocate(1876*units.Kbps, demands, low, nil)
	if best[0].Reason != Full {
		t.Errorf("the best layer was not taken with headroom: %+v", best[0])
	}
	if g := Allocate(1500*units.Kbps, demands, best, nil); g[0].Reason != Full {
		t.Errorf("the best layer was given up though it fits: %+v", g[0])
	}
	if g := Allocate(1499*units.Kbps, demands, best, nil); g[0].Rate > 1499*units.Kbps || g[0].Reason != Bandwidth {
		t.Errorf("the best layer was kept though it does not fit: %+v", g[0])
	}
}

func TestPausedComesBackWithHeadroom(t *testing.T) {
	demands := []Demand{camera(1, 0, 1280, 720)}
	paused := Allocate(70*units.Kbps, demands, nil, nil)
	if g := Allocate(90*units.Kbps, demands, paused, nil); g[0].Active() {
		t.Errorf("resumed without headroom: %+v", g[0])
	}
	if g := Allocate(94*units.Kbps, demands, paused, nil); !g[0].Active() {
		t.Errorf("not resumed with headroom: %+v", g[0])
	}
	if g := Allocate(75*units.Kbps, demands, nil, nil); !g[0].Active() {
		t.Errorf("a new picture that fits waits: %+v", g[0])
	}
}

func TestWants(t *testing.T) {
	demands := []Demand{voice(0, 40_000), camera(1, 0, 1280, 720)}
	grants := Allocate(130*units.Kbps, demands, nil, nil)
	got := Wants(demands, grants)
	want := Needs{
		Voice: 40_000, Spent: 115_000,
		Next: WithHeadroom(115_000 + 30_000), // temporal layer 1 of the smallest
		Full: WithHeadroom(1_540_000),
	}
	if got != want {
		t.Errorf("wants %+v, want %+v", got, want)
	}
	if g := Allocate(got.Next, demands, grants, nil); g[1].Temporal != 1 {
		t.Errorf("the step that was asked for is not taken at its price: %+v", g[1])
	}
	grants = Allocate(got.Full, demands, grants, nil)
	if grants[1].Reason != Full {
		t.Errorf("not everything at the price of everything: %+v", grants[1])
	}
	if n := Wants(demands, grants); n.Next != n.Spent || n.Full != n.Spent {
		t.Errorf("wants more than everything: %+v", n)
	}
}

func TestReasonStrings(t *testing.T) {
	seen := map[string]bool{}
	for r := Full; r <= DataBudget; r++ {
		if s := r.String(); s == "unknown" || seen[s] {
			t.Errorf("reason %d reads %q", r, s)
		} else {
			seen[s] = true
		}
	}
	if Reason(200).String() != "unknown" {
		t.Error("an unknown reason has a name")
	}
}

func TestAllocateDoesNotAllocate(t *testing.T) {
	demands := []Demand{voice(0, 40_000), camera(1, 3, 1280, 720), camera(2, 1, 640, 360), camera(3, 1, 320, 180)}
	previous := Allocate(units.Mbps, demands, nil, nil)
	dst := make([]Grant, 0, len(demands))
	if n := testing.AllocsPerRun(100, func() {
		dst = Allocate(900*units.Kbps, demands, previous, dst)
		Wants(demands, dst)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllocate(b *testing.B) {
	var demands []Demand
	for i := range 3 {
		demands = append(demands, voice(i, 40*units.Kbps))
	}
	for i := range 9 {
		demands = append(demands, camera(3+i, uint8(i), 640, 360))
	}
	previous := Allocate(2*units.Mbps, demands, nil, nil)
	dst := make([]Grant, 0, len(demands))
	b.ReportAllocs()
	for b.Loop() {
		dst = Allocate(3*units.Mbps, demands, previous, dst)
	}
}
