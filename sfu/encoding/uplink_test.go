package encoding

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// comes tells a track what comes of its three layers, by wire rate (0 = nothing)
// and time from frame to frame, for a while in steps of half a second.
func comes(track *Track, now time.Time, d time.Duration, interval time.Duration, rates ...units.Rate) time.Time {
	for end := now.Add(d); now.Before(end); now = now.Add(500 * time.Millisecond) {
		var all []Measured
		for _, r := range rates {
			all = append(all, Measured{Active: r > 0, Count: 1, Rates: [Temporals]units.Rate{r}, Interval: interval})
		}
		track.Measure(now, true, all)
		track.Decide(now)
	}
	return now
}

// on says which layers are asked for.
func on(track *Track) (all [3]bool) {
	for i, e := range track.Encodings(nil) {
		all[i] = e.Active
	}
	return all
}

// What comes stays until the larger layer that somebody wants comes: on a thin
// uplink that never does, and alone it would come as a slide show.
func TestSmallLayerStaysUntilTheLargeOneComes(t *testing.T) {
	track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
	track.Want(1, Wish{Spatial: 2, Current: None, Room: 5 * units.Mbps})
	now := comes(track, epoch, linger+time.Second, time.Second/30, 130*units.Kbps, 0, 0)
	if on(track) != [3]bool{true, false, true} {
		t.Errorf("while the large one does not come: %v", on(track))
	}
	now = comes(track, now, settle, time.Second/30, 130*units.Kbps, 0, 0)
	if on(track) != [3]bool{true} {
		t.Errorf("once it has not come for long: %v", on(track))
	}
	comes(track, now, 30*time.Second, time.Second/30, 170*units.Kbps, 0, 1300*units.Kbps)
	if on(track) != [3]bool{false, false, true} {
		t.Errorf("when it comes: %v", on(track))
	}
}

// A large layer alone on an uplink that became too thin for it comes in fits and
// starts: a smaller one looks better. Little to see is no reason, nor is a screen.
func TestStarvingLayer(t *testing.T) {
	for _, c := range []struct {
		why      string
		screen   bool
		interval time.Duration
		rate     units.Rate
		refused  bool
	}{
		{"few bits in few frames", false, 400 * time.Millisecond, 180 * units.Kbps, true},
		{"few bits in all frames", false, time.Second / 30, 180 * units.Kbps, false},
		{"enough bits in few frames", false, 400 * time.Millisecond, 1100 * units.Kbps, false},
		{"a screen that seldom changes", true, 400 * time.Millisecond, 180 * units.Kbps, false},
	} {
		track := New(epoch, Config{Layers: cameraLayers, Obeys: true, Screen: c.screen})
		track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
		now := comes(track, epoch, 10*time.Second, time.Second/30, 0, 0, 1300*units.Kbps)
		now = comes(track, now, starves+time.Second, c.interval, 0, 0, c.rate)
		if refused := !on(track)[2]; refused != c.refused {
			t.Errorf("%s: refused is %v", c.why, refused)
		}
		for _, r := range track.Rates(now, nil) {
			if r.Spatial == 2 && r.Rate > 0 == c.refused || r.Spatial == 0 && r.Rate == 0 {
				t.Errorf("%s: on offer is %+v", c.why, r)
			}
		}
	}
}

// Where the largest layer did not come, the next one is held to what makes it
// better than a smaller one, too.
func TestStarvingMiddleLayer(t *testing.T) {
	track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
	track.Want(1, Wish{Spatial: 2, Current: 1, Room: 5 * units.Mbps})
	now := comes(track, epoch, settle+time.Second, time.Second/30, 0, 450*units.Kbps, 0)
	if on(track) != [3]bool{false, true} {
		t.Fatalf("the largest does not come: %v", on(track))
	}
	track.Want(1, Wish{Spatial: 1, Current: 1, Room: 5 * units.Mbps})
	now = comes(track, now, 2*time.Second, time.Second/30, 0, 150*units.Kbps, 0)
	if on(track) != [3]bool{false, true} {
		t.Fatalf("a dip of a moment: %v", on(track))
	}
	comes(track, now, starves, time.Second/30, 0, 150*units.Kbps, 0)
	track.Want(1, Wish{Spatial: 0, Current: 1, Room: 5 * units.Mbps})
	comes(track, now, time.Second, time.Second/30, 0, 150*units.Kbps, 0)
	if on(track) != [3]bool{true} {
		t.Errorf("150 kbit/s for 360p: %v", on(track))
	}
}

// A layer that was refused is tried again as soon as the smaller one fills its
// rate, which it did not before: the uplink is wide again.
func TestUplinkWideAgain(t *testing.T) {
	track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
	track.Want(1, Wish{Spatial: 1, Current: 0, Room: 5 * units.Mbps})
	now := comes(track, epoch, settle+time.Second, time.Second/30, 120*units.Kbps, 0, 0)
	if on(track)[1] {
		t.Fatal("what does not come is asked for still")
	}
	now = comes(track, now, 2*time.Second, time.Second/30, 120*units.Kbps, 0, 0)
	if on(track)[1] {
		t.Fatal("asked for at once, on the same uplink")
	}
	now = comes(track, now, time.Second, time.Second/30, 168*units.Kbps, 0, 0)
	if !on(track)[1] {
		t.Error("not asked for, though the smaller one fills its rate now")
	}
	// Once only: that it does not come all the same says that this was too little.
	now = comes(track, now, settle+time.Second, time.Second/30, 168*units.Kbps, 0, 0)
	now = comes(track, now, 5*time.Second, time.Second/30, 130*units.Kbps, 0, 0)
	comes(track, now, 5*time.Second, time.Second/30, 168*units.Kbps, 0, 0)
	if on(track)[1] {
		t.Error("asked for again before its time")
	}
}

// What comes of a layer beyond what its publisher was told is priced as told,
// within reason: who does not obey must not be cheaper than it is.
func TestPriceOfAPeak(t *testing.T) {
	track := New(epoch, Config{Layers: cameraLayers[:1], Obeys: true})
	track.Want(1, Wish{Spatial: 0, Current: 0, Room: 80 * units.Kbps})
	now := comes(track, epoch, 10*time.Second, time.Second/9, 75*units.Kbps)
	told := track.layers[0].frame.wire(track.Encodings(nil)[0].Rate)
	if told < 60*units.Kbps || told > 80*units.Kbps {
		t.Fatalf("told %v on the wire", told)
	}
	for _, c := range []struct{ comes, price units.Rate }{
		{told.Scale(0.8), told.Scale(0.8)},
		{told.Scale(1.2), told},
		{told.Scale(3), told.Scale(3 * peak)},
	} {
		now = comes(track, now, time.Second, time.Second/9, c.comes)
		if r := track.Rates(now, nil)[0].Rate; r < c.price-units.Kbps || r > c.price+units.Kbps {
			t.Errorf("%v comes, told were %v: the price is %v, want %v", c.comes, told, r, c.price)
		}
	}
}

// Who has room for a layer but not quite for all of its frames gets less of each of
// all frames, and the publisher is not told anything else once it has them.
func TestAllFramesOfALayer(t *testing.T) {
	track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
	sent := 440 * units.Kbps
	room := track.layers[1].frame.wire(424 * units.Kbps).Scale(0.99)
	track.Want(1, Wish{Spatial: 1, Current: 1, Room: room})
	now := comes(track, epoch, 10*time.Second, time.Second/30, 0, sent, 0)
	if r := track.Encodings(nil)[1].Rate; r != 0 {
		t.Fatalf("held to %v though all of its frames are granted", r)
	}
	track.Want(1, Wish{Spatial: 1, Current: 1, Room: room, Part: true})
	now = comes(track, now, 3*time.Second, time.Second/30, 0, sent, 0)
	told := track.Encodings(nil)[1]
	if wire := track.layers[1].frame.wire(told.Rate); told.Rate == 0 || wire > room.Scale(0.92) || told.Rate < track.layers[1].least {
		t.Fatalf("told %+v, %v on the wire, where there is room for %v", told, wire, room)
	}
	if told.FrameRate != 0 {
		t.Errorf("told to send %d frames a second", told.FrameRate)
	}
	for range 20 { // all are granted, and then again not all
		track.Want(1, Wish{Spatial: 1, Current: 1, Room: room})
		now = comes(track, now, 3*time.Second, time.Second/30, 0, told.Rate, 0)
		if again := track.Encodings(nil)[1]; again != told {
			t.Fatalf("told %+v, then %+v", told, again)
		}
		track.Want(1, Wish{Spatial: 1, Current: 1, Room: room, Part: true})
		now = comes(track, now, 3*time.Second, time.Second/30, 0, told.Rate, 0)
	}
	// Where there is room for much more, it is let go.
	track.Want(1, Wish{Spatial: 1, Current: 1, Room: 2 * room})
	comes(track, now, 3*time.Second, time.Second/30, 0, told.Rate, 0)
	if r := track.Encodings(nil)[1].Rate; r != 0 {
		t.Errorf("held to %v where there is room for %v", r, 2*room)
	}
}
