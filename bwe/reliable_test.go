package bwe_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// overTCP is 40 s of a call above a transport that repairs loss itself: the
// mean of three runs of utilisation (per cent), and the queue's percentiles.
func overTCP(t *testing.T, rate units.Rate, oneWay time.Duration, loss float64, reliable bool) (used float64, half, most time.Duration) {
	const runs = 3
	for seed := range uint64(runs) {
		l := &link{
			rate: steady(rate), delay: oneWay, queue: 3 * time.Second, loss: loss, repair: true,
			random: rand.New(rand.NewPCG(seed, 1)),
		}
		p := newPath(t, l, saturating, func(c *bwe.Config) { c.Reliable = reliable })
		p.bwe.SetLadder(epoch, wantsAll)
		p.run(20 * time.Second)
		p.measureFrom()
		p.run(60 * time.Second)
		used += p.utilisation() / runs
		half += p.queue(50) / runs
		most += p.queue(95) / runs
		if s := p.bwe.Stats(); s.Reliable != reliable {
			t.Errorf("the state says reliable %v, want %v", s.Reliable, reliable)
		}
	}
	return used, half, most
}

// Where TCP repairs a link's loss it holds up what follows for a round trip. Taken
// for a queue, as on a path that does not repair, that stops the call on far
// paths; in the reliable mode it is waited out. What is repaired takes its part
// of the link, so 100/(1+loss) is all there is.
func TestOverTCP(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name      string
		rate      units.Rate
		oneWay    time.Duration
		loss      float64
		least     float64 // utilisation, reliable
		most      time.Duration
		otherwise float64 // not reliable: no more than that, or with a longer queue
	}{
		{"clean", units.Mbps, 50 * ms, 0, 99, 40 * ms, 100},
		{"clean and thin", 50 * units.Kbps, 150 * ms, 0, 95, 280 * ms, 100},
		{"2 %", units.Mbps, 50 * ms, 0.02, 96, 100 * ms, 95},
		{"5 %", units.Mbps, 50 * ms, 0.05, 85, 150 * ms, 80},
		{"far, half a per cent", units.Mbps, 150 * ms, 0.005, 92, 350 * ms, 93},
		{"far and thin, 5 %", 150 * units.Kbps, 150 * ms, 0.05, 75, 700 * ms, 74},
	} {
		t.Run(c.name, func(t *testing.T) {
			used, half, most := overTCP(t, c.rate, c.oneWay, c.loss, true)
			before, _, mostBefore := overTCP(t, c.rate, c.oneWay, c.loss, false)
			t.Logf("%v, %v one way, %.1f %% lost: %.0f %% used (%.0f when not told), queue %v and %v (%v)", c.rate, c.oneWay, 100*c.loss, used, before, half.Round(ms), most.Round(ms), mostBefore.Round(ms))
			if used < c.least || most > c.most {
				t.Errorf("%.1f %% used at a queue of %v, want at least %.0f %% and at most %v", used, most, c.least, c.most)
			}
			if before > c.otherwise && mostBefore <= c.most {
				t.Errorf("not told, %.1f %% are used: the case shows nothing any more", before)
			}
		})
	}
}

// Nothing that is missing above TCP is the path's: a third of the packets thrown
// away costs what they carried, and no test, cut or loss of the link's own.
func TestReliableCountsNoLoss(t *testing.T) {
	l := &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond, loss: 0.3}
	p := newPath(t, l, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	p.bwe.SetReliable(epoch, true)
	p.every = func(p *path, d bwe.Decision) {
		if s := p.bwe.Stats(); s.LinkLoss != 0 || d.Reason == "testing whose loss it is" {
			t.Fatalf("at %v: %v, %+v", p.now, d, s)
		}
	}
	p.run(30 * time.Second)
	if s := p.bwe.Stats(); s.Loss < 0.2 || s.Target < 600*units.Kbps {
		t.Errorf("%.2f lost, target %v", s.Loss, s.Target)
	}
	// The path is another one now.
	p.every = nil
	p.bwe.SetReliable(p.told(), false)
	p.bwe.OnRouteChange(p.told())
	p.run(60 * time.Second)
	if s := p.bwe.Stats(); s.Reliable || s.LinkLoss < 0.2 || s.Target < 800*units.Kbps {
		t.Errorf("30 s after the change: reliable %v, link loss %.2f, target %v", s.Reliable, s.LinkLoss, s.Target)
	}
}
