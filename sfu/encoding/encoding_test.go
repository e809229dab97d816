package encoding

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// publisher is a client that does as it is told, within what its uplink carries.
type publisher struct {
	t     *testing.T
	now   time.Time
	track *Track
	told  []Encoding
	// uplink is the payload rate that it can send.
	uplink   units.Rate
	stubborn bool // sends everything whatever it is told
	deaf     bool // was cut off
	changes  int
	came     []time.Time // when each layer began to come, zero while it does not
	rates    []units.Rate
}

var cameraLayers = []Layer{{320, 180, 150 * units.Kbps}, {640, 360, 424 * units.Kbps}, {1280, 720, 1200 * units.Kbps}}

func newPublisher(t *testing.T, cfg Config) *publisher {
	p := &publisher{t: t, now: epoch, track: New(epoch, cfg), uplink: 10 * units.Mbps}
	p.told = p.track.Encodings(nil)
	p.came = make([]time.Time, len(p.told))
	p.rates = make([]units.Rate, len(p.told))
	return p
}

func camera(t *testing.T) *publisher {
	return newPublisher(t, Config{Layers: cameraLayers, Obeys: true})
}

// decide lets the track decide and takes in what it says.
func (p *publisher) decide() {
	if p.track.Decide(p.now) {
		p.told = p.track.Encodings(p.told[:0])
		p.changes++
	}
}

// run lets time pass in steps of 100 ms.
func (p *publisher) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(100 * time.Millisecond) {
		left := p.uplink
		var all []Measured
		for i, l := range p.track.layers {
			rate := l.most
			if p.told[i].Rate > 0 && !p.stubborn {
				rate = min(rate, p.told[i].Rate)
			}
			on := (p.told[i].Active || p.stubborn) && !p.deaf && left >= l.least
			if !on {
				p.came[i], p.rates[i] = time.Time{}, 0
				all = append(all, Measured{})
				continue
			}
			if p.came[i].IsZero() {
				p.came[i] = p.now
			}
			rate = min(rate, left)
			left -= rate
			p.rates[i] = rate
			// Measured over two seconds.
			wire := l.frame.wire(rate)
			all = append(all, Measured{Active: true, Count: 3, Rates: [Temporals]units.Rate{wire.Scale(0.4), wire.Scale(0.6), wire}})
		}
		if p.now.Sub(epoch)%(500*time.Millisecond) == 0 {
			p.track.Measure(p.now, !p.deaf, all)
		}
		p.decide()
	}
}

func (p *publisher) active() (all [MaxLayers]bool) {
	for i, e := range p.told {
		all[i] = e.Active
	}
	return all
}

func TestNobodyWatches(t *testing.T) {
	p := camera(t)
	p.run(linger - 200*time.Millisecond)
	if p.changes > 0 {
		t.Fatalf("told %+v before the while was over", p.told)
	}
	p.run(time.Second)
	if p.active() != [MaxLayers]bool{} {
		t.Errorf("nobody watches, yet %+v", p.told)
	}
	p.track.Want(1, Wish{Spatial: 1, Current: None, Room: 5 * units.Mbps})
	p.decide()
	if p.active() != [MaxLayers]bool{false, true} || p.told[1].Rate != 0 || p.told[1].FrameRate != 0 {
		t.Errorf("somebody watches the middle layer with room enough: %+v", p.told)
	}
	// On to the largest: the middle one lingers until the switch and a while on.
	p.track.Want(1, Wish{Spatial: 2, Current: 1, Room: 5 * units.Mbps})
	p.run(5 * time.Second)
	if p.active() != [MaxLayers]bool{false, true, true} {
		t.Errorf("before the switch %+v", p.told)
	}
	p.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	p.run(linger + 200*time.Millisecond)
	if p.active() != [MaxLayers]bool{false, false, true} {
		t.Errorf("after the switch %+v", p.told)
	}
	p.track.Leave(1)
	p.run(linger + 200*time.Millisecond)
	if p.active() != [MaxLayers]bool{} {
		t.Errorf("the last one has left: %+v", p.told)
	}
	if got := p.told[0].Scale; got != 4 {
		t.Errorf("the smallest layer is scaled by %v, want 4", got)
	}
}

// The ladder at its bottom: what the publisher is told for one thin subscriber.
func TestThinPicture(t *testing.T) {
	for _, c := range []struct {
		room      units.Rate
		active    bool
		rate      [2]units.Rate // of payload, at least and at most
		frameRate [2]int
	}{
		{25 * units.Kbps, false, [2]units.Rate{}, [2]int{}},
		{36 * units.Kbps, true, [2]units.Rate{30_000, 32_000}, [2]int{5, 5}},
		{60 * units.Kbps, true, [2]units.Rate{48_000, 57_000}, [2]int{5, 7}},
		{80 * units.Kbps, true, [2]units.Rate{64_000, 74_000}, [2]int{7, 12}},
		{110 * units.Kbps, true, [2]units.Rate{90_000, 102_000}, [2]int{12, 17}},
		{200 * units.Kbps, true, [2]units.Rate{0, 0}, [2]int{0, 0}},
	} {
		p := camera(t)
		p.track.Want(1, Wish{Spatial: None, Current: None, Room: c.room})
		p.run(linger + time.Second)
		e := p.told[0]
		if e.Active != c.active || e.Active && (e.Rate < c.rate[0] || e.Rate > c.rate[1] || e.FrameRate < c.frameRate[0] || e.FrameRate > c.frameRate[1]) {
			t.Errorf("with room for %v: %+v", c.room, e)
		}
		if rates := p.track.Rates(p.now, nil); c.active && rates[2].Rate > c.room {
			t.Errorf("with room for %v the layer costs %v", c.room, rates[2].Rate)
		}
		if p.told[1].Active || p.told[2].Active {
			t.Errorf("layers that nobody can take are sent: %+v", p.told)
		}
	}
}

// One thin subscriber beside a better one takes nothing from that.
func TestThinSubscriberHoldsNobodyDown(t *testing.T) {
	p := camera(t)
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 60 * units.Kbps})
	p.track.Want(2, Wish{Spatial: 0, Current: 0, Room: 900 * units.Kbps})
	p.run(4 * time.Second)
	if p.told[0].Rate != 0 || p.told[0].FrameRate != 0 {
		t.Errorf("held down: %+v", p.told[0])
	}
	p.track.Leave(2)
	p.run(time.Second)
	if p.told[0].Rate == 0 || p.told[0].Rate > 60*units.Kbps {
		t.Errorf("alone: %+v", p.told[0])
	}
}

func TestLessSoonMoreLater(t *testing.T) {
	p := camera(t)
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 300 * units.Kbps})
	p.run(3 * time.Second)
	// A dip of a moment, as when a path is being measured, changes nothing.
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 40 * units.Kbps})
	p.run(lowerAfter / 2)
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 300 * units.Kbps})
	p.run(time.Second)
	if p.told[0].Rate != 0 {
		t.Fatalf("after a dip: %+v", p.told[0])
	}
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 60 * units.Kbps})
	p.decide()
	if next := p.track.Next(); next != p.now.Add(lowerAfter) {
		t.Errorf("decides next at %v, now is %v", next, p.now)
	}
	p.now = p.now.Add(lowerAfter)
	p.decide()
	if p.told[0].Rate == 0 {
		t.Fatal("less was not asked for")
	}
	// What is measured is still the old rate; what is told to subscribers is the new one.
	if rates := p.track.Rates(p.now, nil); rates[2].Rate > 60*units.Kbps || !rates[2].Held || rates[2].Most < 150*units.Kbps {
		t.Errorf("subscribers are told %+v", rates[2])
	}
	p.run(2 * time.Second)
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 110 * units.Kbps})
	p.run(raiseAfter)
	if p.told[0].Rate > 60*units.Kbps {
		t.Errorf("more was asked for at once: %+v", p.told[0])
	}
	p.run(300 * time.Millisecond)
	if r := p.told[0].Rate; r < 90*units.Kbps || r > 105*units.Kbps {
		t.Errorf("with room for 110 kbit/s: %+v", p.told[0])
	}
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: units.Mbps})
	p.run(raiseAfter + 300*time.Millisecond)
	if p.told[0].Rate != 0 || p.told[0].FrameRate != 0 {
		t.Errorf("with room for everything: %+v", p.told[0])
	}
}

// On an uplink of 100 kbit/s one layer is offered, not three; when the uplink
// is wide again, all that is wanted.
func TestThinUplink(t *testing.T) {
	p := camera(t)
	p.uplink = 100 * units.Kbps
	for who := range uint64(3) {
		p.track.Want(who, Wish{Spatial: int8(who), Current: 0, Room: 5 * units.Mbps})
	}
	p.run(settle + time.Second)
	if p.active() != [MaxLayers]bool{true} {
		t.Fatalf("on a thin uplink: %+v", p.told)
	}
	if f := p.told[0].FrameRate; f != 0 && (f < 10 || f > 22) {
		t.Errorf("at 100 kbit/s: %d frames a second", f)
	}
	for _, r := range p.track.Rates(p.now, nil) {
		if r.Spatial > 0 && r.Rate > 0 {
			t.Errorf("promised what cannot come: %+v", r)
		}
	}
	// Whoever is granted less now is content.
	for who := range uint64(3) {
		p.track.Want(who, Wish{Spatial: 0, Current: 0, Room: 5 * units.Mbps})
	}
	p.run(time.Minute)
	on := p.changes
	p.track.Want(2, Wish{Spatial: 2, Current: 0, Room: 5 * units.Mbps})
	p.run(2 * time.Minute)
	if tries := (p.changes - on) / 2; tries < 2 || tries > 5 {
		t.Errorf("%d tries in two minutes", tries)
	}
	p.uplink = 5 * units.Mbps
	p.run(lastBlock + time.Second)
	if !p.told[2].Active || p.rates[2] == 0 {
		t.Errorf("on a wide uplink: %+v", p.told)
	}
}

// An uplink that shrinks under the largest layer, the only one that is sent.
func TestUplinkShrinks(t *testing.T) {
	p := camera(t)
	p.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	p.run(10 * time.Second)
	p.uplink = 200 * units.Kbps
	p.run(2500 * time.Millisecond)
	if p.told[2].Active {
		t.Errorf("what cannot come is still asked for: %+v", p.told)
	}
	if rates := p.track.Rates(p.now, nil); rates[0].Rate == 0 {
		t.Errorf("nothing else is on offer: %+v", rates)
	}
	// A publisher that is gone altogether fails at nothing.
	q := camera(t)
	q.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	q.run(10 * time.Second)
	q.deaf = true
	q.run(20 * time.Second)
	q.deaf = false
	q.run(time.Second)
	if !q.told[2].Active || q.rates[2] == 0 {
		t.Errorf("after an outage: %+v", q.told)
	}
}

func TestStillPicture(t *testing.T) {
	p := camera(t)
	p.track.Want(1, Wish{Spatial: 0, Current: None, Room: 20 * units.Kbps, Still: true})
	p.run(3 * time.Second)
	if e := p.told[0]; !e.Active || e.FrameRate != stillFrameRate || e.Rate != thinRate {
		t.Errorf("for a still picture: %+v", e)
	}
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 50 * units.Kbps, Still: true})
	p.run(3 * time.Second)
	if e := p.told[0]; e.FrameRate < leastFrameRate {
		t.Errorf("with room for a thin picture: %+v", e)
	}
}

func TestMuted(t *testing.T) {
	p := camera(t)
	p.track.Want(1, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	p.run(5 * time.Second)
	was := p.changes
	p.track.SetMuted(p.now, true)
	p.track.Want(1, Wish{Spatial: None, Current: None})
	p.deaf = true
	p.run(time.Minute)
	p.deaf = false
	if p.changes != was {
		t.Errorf("told something while muted: %+v", p.told)
	}
	p.track.SetMuted(p.now, false)
	p.run(linger / 2)
	if !p.told[2].Active {
		t.Errorf("back from mute: %+v", p.told)
	}
}

func TestScreenStaysSharp(t *testing.T) {
	p := newPublisher(t, Config{Layers: []Layer{{1920, 1080, 2500 * units.Kbps}}, Screen: true, Obeys: true})
	p.track.Want(1, Wish{Spatial: 0, Current: 0, Room: 300 * units.Kbps})
	p.run(3 * time.Second)
	if e := p.told[0]; e.FrameRate < 2 || e.FrameRate > 5 || e.Rate < 250*units.Kbps || e.Scale > 1 {
		t.Errorf("a screen on 300 kbit/s: %+v", e)
	}
}

// One large layer is no less in the way than three: nobody's eyes get what a small
// one would use, so that it can come back soon.
func TestCapOfOneLayer(t *testing.T) {
	for _, size := range []Layer{{Width: 1280, Height: 720}, {}} {
		p := newPublisher(t, Config{Layers: []Layer{size}})
		p.stubborn = true
		p.track.Want(2, Wish{Spatial: 0, Current: 0, Room: 5 * units.Mbps})
		p.run(5 * time.Second)
		if c := p.track.Cap(); c != units.MaxRate {
			t.Errorf("it is watched, cap %v", c)
		}
		p.track.Want(2, Wish{Spatial: 0, Current: 0, Room: 100 * units.Kbps})
		p.run(5 * time.Second)
		if c := p.track.Cap(); size.Width > 0 && (c < 80*units.Kbps || c > 120*units.Kbps) {
			t.Errorf("it is watched on a thin link, cap %v", c)
		}
		p.track.Leave(2)
		p.run(5 * time.Second)
		if c := p.track.Cap(); size.Width > 0 && (c < 120*units.Kbps || c > 180*units.Kbps) {
			t.Errorf("nobody watches, cap %v", c)
		}
	}
}

// Who waits for a publisher that does not obey, with nothing or with a still
// picture now and then, has room for what it is then held to, headroom included
// (allocator.WithHeadroom): it would wait for ever.
func TestCapForWhoWaits(t *testing.T) {
	const room = 315 * units.Kbps
	for name, w := range map[string]Wish{
		"nothing": {Spatial: None, Current: None, Room: room},
		"still":   {Spatial: 0, Current: 0, Room: room, Still: true},
	} {
		p := newPublisher(t, Config{Layers: []Layer{{Width: 1280, Height: 720}}})
		p.stubborn = true
		p.track.Want(2, w)
		p.run(5 * time.Second)
		if c := p.track.Cap(); c+c/4 > room || c < room/2 || !p.track.Watched() {
			t.Errorf("%s: cap %v, room %v", name, c, room)
		}
	}
}

// A publisher without the event is left alone; its cap is what is wanted.
func TestCap(t *testing.T) {
	p := newPublisher(t, Config{Layers: cameraLayers})
	p.stubborn = true
	p.run(5 * time.Second)
	if c := p.track.Cap(); c < 150*units.Kbps || c > 180*units.Kbps {
		t.Errorf("nobody watches, cap %v", c)
	}
	p.track.Want(2, Wish{Spatial: 1, Current: 1, Room: 5 * units.Mbps})
	p.decide()
	if c := p.track.Cap(); c < 484*units.Kbps || c > 640*units.Kbps {
		t.Errorf("with the middle layer, cap %v", c)
	}
	p.track.Want(2, Wish{Spatial: 2, Current: 2, Room: 5 * units.Mbps})
	p.decide()
	if c := p.track.Cap(); c != units.MaxRate {
		t.Errorf("with the best layer, cap %v", c)
	}
	if rates := p.track.Rates(p.now, nil); len(rates) != 9 || rates[8].Held || rates[8].Most != 0 {
		t.Errorf("rates %+v", rates)
	}
}
