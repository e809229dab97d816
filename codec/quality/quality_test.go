package quality

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func near(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %.3f, want %.3f", name, got, want)
	}
}

// Values that are published, or follow from the formulae by hand.
func TestPublishedValues(t *testing.T) {
	clean := func(scale Scale, ie float64) Score { return Estimate(Codec{Scale: scale, Ie: ie, Bpl: 10}, Path{}) }
	// G.107: R 93.2 with every default is MOS 4.41; G.109 table 1: R 90, 80,
	// 70, 60, 50 are 4.34, 4.03, 3.60, 3.10, 2.58.
	near(t, "G.711", clean(Narrowband, 0).MOS(), 4.41, 0.005)
	for r, mos := range map[float64]float64{90: 4.34, 80: 4.03, 70: 3.60, 60: 3.10, 50: 2.58} {
		near(t, "G.109", clean(Narrowband, 93.2-r).MOS(), mos, 0.01)
	}
	// G.113 appendix IV: AMR-WB at 23.05, 12.65, 8.85 and 6.6 kbit/s (Ie,wb 1,
	// 13, 26, 41) on the scale of G.107.1.
	for ie, mos := range map[float64]float64{1: 4.49, 13: 4.34, 26: 4.02, 41: 3.51} {
		near(t, "AMR-WB", clean(Wideband, ie).MOS(), mos, 0.005)
	}
	near(t, "the best of fullband", clean(Fullband, 0).MOS(), 4.5, 0)

	// G.107 §7.5, G.729A with VAD (Ie 11, Bpl 19): 11 + 84*5/(5+19) at 5 %.
	g729 := Codec{Narrowband, 11, 19, false}
	near(t, "loss", 93.2-Estimate(g729, Path{Loss: 0.05}).Rating(), 28.5, 1e-9)
	near(t, "bursty loss", 93.2-Estimate(g729, Path{Loss: 0.05, Burst: 2}).Rating(), 11+84*5/(2.5+19), 1e-9)

	// G.107 §7.4: Idd by hand.
	for d, idd := range map[time.Duration]float64{0: 0, 100 * ms: 0, 150 * ms: 0.1632, 200 * ms: 3.0438, 400 * ms: 24.0706} {
		near(t, d.String(), 93.2-Estimate(Codec{}, Path{Delay: d}).Rating(), idd, 0.002)
	}
}

// What the project's figures for Opus say of a thin link.
func TestOpus(t *testing.T) {
	const kbps = units.Kbps
	tests := []struct {
		bandwidth opuspkt.Bandwidth
		rate      units.Rate
		constant  bool
		want      Codec
	}{
		{opuspkt.Narrowband, 6 * kbps, false, Codec{Narrowband, 23, 24.6, false}},
		{opuspkt.Narrowband, 7 * kbps, false, Codec{Narrowband, 19.5, 22.45, true}},
		{opuspkt.Narrowband, 8 * kbps, false, Codec{Narrowband, 16, 20.3, false}},
		{opuspkt.Narrowband, 5 * kbps, false, Codec{Narrowband, 23, 24.6, true}},
		{opuspkt.Narrowband, 30 * kbps, false, Codec{Narrowband, 16, 20.3, true}},
		{opuspkt.Narrowband, 6 * kbps, true, Codec{Narrowband, 46.3, 24.6, false}},
		{opuspkt.Mediumband, 8 * kbps, true, Codec{Narrowband, 16, 20.3, false}},
		{opuspkt.Wideband, 12 * kbps, false, Codec{Wideband, 23.3, 22.2, false}},
		{opuspkt.Wideband, 20 * kbps, true, Codec{Wideband, 23.3, 22.2, true}},
		{opuspkt.Superwideband, 16 * kbps, false, Codec{Fullband, 30.2, 11.8, false}},
		{opuspkt.Fullband, 25 * kbps, false, Codec{Fullband, 20.2, 11.3, false}},
	}
	for _, test := range tests {
		got := Opus(test.bandwidth, test.rate, test.constant)
		near(t, "Ie", got.Ie, test.want.Ie, 1e-9)
		near(t, "Bpl", got.Bpl, test.want.Bpl, 1e-9)
		if got.Scale != test.want.Scale || got.Estimated != test.want.Estimated {
			t.Errorf("%s at %v: %+v", test.bandwidth, test.rate, got)
		}
	}
	variable := Estimate(Opus(opuspkt.Narrowband, 6*kbps, false), Path{})
	constant := Estimate(Opus(opuspkt.Narrowband, 6*kbps, true), Path{})
	if order, ok := Compare(variable, constant); order != 1 || !ok {
		t.Errorf("%v at a variable, %v at a constant rate", variable, constant)
	}
	if text := variable.String(); text != "3.6 narrowband" {
		t.Errorf("%q", text)
	}
}

// Scores of different scales are never compared.
func TestCompareRefuses(t *testing.T) {
	scales := []Scale{Narrowband, Wideband, Fullband}
	for _, a := range scales {
		for _, b := range scales {
			x, y := Estimate(Codec{Scale: a, Ie: 10}, Path{}), Estimate(Codec{Scale: b, Ie: 20}, Path{})
			if order, ok := Compare(x, y); ok != (a == b) || (order == 1) != ok {
				t.Errorf("%v against %v: %d, %v", x, y, order, ok)
			}
		}
	}
	none := Estimate(Codec{Scale: 9}, Path{})
	if _, ok := Compare(none, none); ok || none != (Score{}) || none.String() != "none" {
		t.Error("no score was compared")
	}
}

// More delay, loss, burstiness or impairment is never better, and no input
// whatever leaves the ranges.
func TestMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		any := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1), rapid.Float64Range(0, 100),
			rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1}))
		c := Codec{Scale(rapid.IntRange(0, 2).Draw(t, "scale")), any.Draw(t, "ie"), any.Draw(t, "bpl"), false}
		p := Path{time.Duration(rapid.Int64().Draw(t, "delay")), any.Draw(t, "loss"), any.Draw(t, "burst")}
		base := Estimate(c, p)
		if !(base.MOS() >= 1 && base.MOS() <= 4.5 && base.Rating() >= 0 && base.Rating() <= 148) {
			t.Fatalf("%+v", base)
		}
		worse := func(what string, c Codec, p Path) {
			s := Estimate(c, p)
			if s.Rating() > base.Rating()+1e-9 || s.MOS() > base.MOS()+0.01 {
				t.Errorf("more %s: %+v became %+v", what, base, s)
			}
		}
		more := rapid.Float64Range(0, 50).Draw(t, "more")
		if p.Delay < math.MaxInt64-time.Hour {
			worse("delay", c, Path{p.Delay + time.Duration(more*float64(10*ms)), p.Loss, p.Burst})
		}
		worse("loss", c, Path{p.Delay, p.Loss + more/100, p.Burst})
		worse("burstiness", c, Path{p.Delay, p.Loss, max(p.Burst, 1) + more})
		worse("impairment", Codec{c.Scale, c.Ie + more, c.Bpl, false}, p)
	})
}

func TestLosses(t *testing.T) {
	var l Losses
	if p := l.Path(ms); p != (Path{ms, 0, 1}) {
		t.Errorf("nothing: %+v", p)
	}
	for i := range 100 { // ten bursts of 2
		l.Add(i%10 < 2)
	}
	p := l.Path(ms)
	near(t, "loss", p.Loss, 0.2, 1e-9)
	near(t, "burst ratio", p.Burst, 2*0.8, 1e-9)

	chance := rand.New(rand.NewPCG(1, 2))
	l = Losses{}
	for range 100000 {
		l.Add(chance.Float64() < 0.1)
	}
	near(t, "random burst ratio", l.Path(0).Burst, 1, 0.02)
	l = Losses{}
	l.Add(true)
	if s := Estimate(Codec{Bpl: 4.3}, l.Path(0)); s.MOS() > 1.1 {
		t.Errorf("all lost: %v", s)
	}
}

func TestNoAllocations(t *testing.T) {
	var l Losses
	l.Add(true)
	if n := testing.AllocsPerRun(100, func() {
		l.Add(false)
		Estimate(Opus(opuspkt.Narrowband, 7*units.Kbps, false), l.Path(300*ms))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzEstimate(f *testing.F) {
	f.Add(uint8(0), 23.0, 24.6, int64(200*ms), 0.1, 1.5)
	f.Add(uint8(2), math.NaN(), math.Inf(1), int64(math.MinInt64), -1.0, math.NaN())
	f.Fuzz(func(t *testing.T, scale uint8, ie, bpl float64, delay int64, loss, burst float64) {
		s := Estimate(Codec{Scale(scale), ie, bpl, false}, Path{time.Duration(delay), loss, burst})
		if scale < 3 && !(s.MOS() >= 1 && s.MOS() <= 4.5) || scale >= 3 && s != (Score{}) {
			t.Fatalf("%+v", s)
		}
	})
}

func BenchmarkEstimate(b *testing.B) {
	c, p := Opus(opuspkt.Wideband, 12*units.Kbps, false), Path{300 * ms, 0.05, 2}
	b.ReportAllocs()
	for b.Loop() {
		Estimate(c, p)
	}
}
