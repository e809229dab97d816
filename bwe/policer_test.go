package bwe_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// held is the reason that is given while a policer's limit is kept.
const held = "held below a limit without a queue"

// policed runs a saturating source and answers the share of the time after the
// first seconds in which a limit was held, in per cent.
func policed(t *testing.T, l *link, seed uint64, length time.Duration) (*path, float64) {
	t.Helper()
	l.delay, l.queue, l.random = 50*time.Millisecond, 300*time.Millisecond, rand.New(rand.NewPCG(seed, 2))
	p := newPath(t, l, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(5 * time.Second)
	p.measureFrom()
	holds, all := 0, 0
	p.every = func(_ *path, d bwe.Decision) {
		all++
		if d.Reason == held {
			holds++
		}
	}
	p.run(length)
	return p, 100 * float64(holds) / float64(all)
}

// A policer is recognised within seconds and held just under: nearly nothing is lost from then on. The bounds are of
// the time from 5 s to 120 s.
func TestPolicerIsRecognised(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   units.Rate
		bucket units.Size
		most   float64 // per cent lost after the first 5 s
		holds  float64 // per cent of the time, at least
	}{
		{"500 kbit/s, 16 kB", 500 * units.Kbps, 16000, 0.6, 60},
		{"500 kbit/s, 4 kB", 500 * units.Kbps, 4000, 0.6, 60},
		{"1 Mbit/s, 16 kB", units.Mbps, 16000, 0.6, 60},
		{"300 kbit/s, 8 kB", 300 * units.Kbps, 8000, 0.6, 60},
		{"2 Mbit/s, 30 kB", 2 * units.Mbps, 30000, 0.6, 60},
		{"3 Mbit/s, 100 kB", 3 * units.Mbps, 100000, 0.8, 60},
		// Deep for their rate: what passes is taken for the rate for a while.
		{"500 kbit/s, 60 kB", 500 * units.Kbps, 60000, 1, 50},
		{"200 kbit/s, 16 kB", 200 * units.Kbps, 16000, 3, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, holds := policed(t, &link{rate: steady(c.rate), bucket: c.bucket}, 1, 120*time.Second)
			t.Logf("%.1f %% used, %.2f %% lost, held for %.0f %% of the time", p.utilisation(), p.dropped(), holds)
			if u, d := p.utilisation(), p.dropped(); u < 93 || d > c.most || holds < c.holds {
				t.Errorf("%.1f %% used, %.2f %% lost, held for %.0f %% of the time; want at least 93, at most %.1f, at least %.0f", u, d, holds, c.most, c.holds)
			}
		})
	}
}

// What a link loses by itself is taken for a policer's at most for moments.
func TestRandomLossIsNoPolicer(t *testing.T) {
	for _, c := range []struct {
		name  string
		loss  float64
		burst float64
		most  float64 // per cent of the time that a limit may be held
		least float64 // per cent of the capacity used, in the mean
	}{
		{"5 %", 0.05, 0, 4, 92},
		{"10 %", 0.1, 0, 2, 87},
		{"20 %", 0.2, 0, 2, 76},
		{"40 %", 0.4, 0, 2, 56},
		{"bursts", 0.045, 0.875, 12, 86},
	} {
		t.Run(c.name, func(t *testing.T) {
			const runs = 5
			var holds, used float64
			for seed := range uint64(runs) {
				p, h := policed(t, &link{rate: steady(units.Mbps), loss: c.loss, burst: c.burst}, seed, 100*time.Second)
				t.Logf("seed %d: %.1f %% used, held for %.1f %% of the time", seed, p.utilisation(), h)
				holds, used = holds+h/runs, used+p.utilisation()/runs
			}
			if holds > c.most || used < c.least {
				t.Errorf("a limit is held for %.1f %% of the time and %.1f %% are used, want at most %.0f and at least %.0f", holds, used, c.most, c.least)
			}
		})
	}
}

// A policer that goes, or becomes wider, is left again by the next test of its limit.
func TestPolicerIsLeft(t *testing.T) {
	const change = 40 * time.Second
	for _, c := range []struct {
		name string
		then func(*link)
		rate units.Rate
	}{
		{"gone", func(l *link) { l.bucket, l.rate = 0, steady(2*units.Mbps) }, 2 * units.Mbps},
		{"wider", func(l *link) { l.rate = steady(units.Mbps) }, units.Mbps},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &link{rate: steady(500 * units.Kbps), bucket: 16000}
			p, _ := policed(t, l, 1, change)
			if r := p.bwe.Decision().Target; r > 520*units.Kbps {
				t.Fatalf("%v before the change", r)
			}
			c.then(l)
			p.run(change + 2*time.Minute)
			after := p.reached(change, c.rate.Scale(0.9))
			t.Logf("%v reached %v after the change", c.rate.Scale(0.9), after)
			if after > 75*time.Second {
				t.Errorf("%v was reached %v after the change, want within the longest hold of a minute and 15 s", c.rate.Scale(0.9), after)
			}
		})
	}
}
