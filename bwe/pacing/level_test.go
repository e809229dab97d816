package pacing

import (
	"math/rand/v2"
	"testing"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A key frame of 5 kB takes 0.8 s at 48 kbit/s, and so long frames gather behind
// it. Those that others refer to wait for it, though only its first packet is
// marked.
func TestKeyframeOnAThinPathKeepsItsFollowers(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Rate, c.Followers = 48*units.Kbps, 3600 })
	for i := range 5 {
		r.next++
		if !r.Push(epoch, Item[int]{Priority: Video, Size: 1000, Frame: 1, Keyframe: i == 0, Value: r.next}) {
			t.Fatal("a key frame was refused")
		}
	}
	r.Pop(epoch)
	for f := uint32(2); f < 5; f++ {
		if !r.push(epoch, Video, 800, 0, f) {
			t.Fatalf("frame %d behind a key frame was refused", f)
		}
	}
	if r.Dropped(0) {
		t.Fatal("a frame behind a key frame was dropped")
	}
	for f := uint32(5); f < 60; f++ {
		r.push(epoch, Video, 800, 0, f)
	}
	if hard := r.Rate().In(DefaultConfig().MaxKeyframeDelay); r.Backlog() > hard {
		t.Fatalf("%v wait, the bound is %v", r.Backlog(), hard)
	}
	if !r.Dropped(0) {
		t.Fatal("what waits behind a key frame has no bound")
	}
}

// Of what waits too long, frames go first that the fewest others refer to.
func TestOverfullDropsTheHighestLevelFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	cadence := []uint8{0, 2, 1, 2}
	for range 300 {
		cfg := DefaultConfig()
		cfg.Rate, cfg.Followers = units.Rate(30+random.IntN(2000))*units.Kbps, units.Size(3600*random.IntN(2))
		waits := map[uint32]uint8{} // level by frame
		var q *Queue[uint32]
		check := func(it Item[uint32]) {
			for frame, level := range waits {
				if frame != it.Value && level > it.Level {
					t.Fatalf("a frame of level %d was dropped, one of level %d waits", it.Level, level)
				}
			}
			delete(waits, it.Value)
		}
		q, err := New(cfg, check)
		if err != nil {
			t.Fatal(err)
		}
		q.Push(epoch, Item[uint32]{Priority: Video, Size: 500, Frame: 1_000_000, Value: 1_000_000}) // the first is spared
		q.Pop(epoch)
		for frame := range uint32(40) {
			level := cadence[frame%4]
			waits[frame] = level
			q.Push(epoch, Item[uint32]{Priority: Video, Size: units.Size(200 + random.IntN(900)), Frame: frame, Level: level, Value: frame})
		}
		if limit := max(cfg.Rate.In(cfg.MaxDelay), cfg.Followers); q.Backlog() > limit+1100 {
			t.Fatalf("%v wait at %v, more than %v", q.Backlog(), cfg.Rate, limit)
		}
	}
}
