package bwe_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// sharer is one of several calls over one link.
type sharer struct {
	weight float64
	start  time.Duration
}

// shared lets flows send all they may over one link, and answers what each
// got from a time on.
func shared(t *testing.T, l *link, from, until time.Duration, flows ...sharer) []units.Rate {
	t.Helper()
	paths := make([]*path, len(flows))
	for i, f := range flows {
		paths[i] = newPath(t, l, saturating, func(c *bwe.Config) { c.Weight = f.weight })
		paths[i].bwe.SetLadder(epoch, wantsAll)
	}
	before := make([]units.Size, len(flows))
	for now := time.Duration(0); now < until; now += time.Millisecond {
		for i, p := range paths {
			if now == from {
				before[i] = p.got
			}
			if now < flows[i].start {
				p.now += time.Millisecond
				p.nextA, p.nextV = p.now, p.now
				continue
			}
			p.pass()
		}
	}
	rates := make([]units.Rate, len(flows))
	for i, p := range paths {
		rates[i] = (p.got - before[i]).Over(until - from)
	}
	return rates
}

// RFC 8867 §6.1: three flows with weights of 2, 1 and 1 on 3.5 Mbit/s, whoever
// came first. Single minutes scatter as those of equal flows do; what each gets on
// average is to be within a quarter of its share, and so with two flows.
func TestWeights(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		runs [][]sharer
	}{
		{"three", [][]sharer{{{2, 0}, {1, 0}, {1, 0}}, {{2, 0}, {1, 20 * s}, {1, 40 * s}}, {{2, 40 * s}, {1, 0}, {1, 20 * s}}}},
		{"two", [][]sharer{{{2, 0}, {1, 20 * s}}, {{2, 20 * s}, {1, 0}}}},
		{"four times", [][]sharer{{{4, 20 * s}, {1, 0}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got [3]float64
			for _, flows := range c.runs {
				for seed := range uint64(3) {
					l := &link{
						rate: steady(3500e3), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond,
						jitter: 5 * time.Millisecond, random: rand.New(rand.NewPCG(seed, 3)),
					}
					rates := shared(t, l, 60*s, 120*s, flows...)
					t.Log(flows, rates)
					for i, r := range rates {
						got[i] += float64(r)
					}
				}
			}
			sum, weights := got[0]+got[1]+got[2], 0.0
			for _, f := range c.runs[0] {
				weights += f.weight
			}
			for i, f := range c.runs[0] {
				share, want := got[i]/sum, f.weight/weights
				t.Logf("weight %v: %.3f of the link, its share is %.3f", f.weight, share, want)
				if share < 0.75*want || share > 1.25*want {
					t.Errorf("the flow of weight %v got %.2f of the link, want %.2f", f.weight, share, want)
				}
			}
		})
	}
}
