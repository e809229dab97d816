package encoding

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func drawRate(t *rapid.T, name string) units.Rate {
	return units.Rate(rapid.OneOf(
		rapid.Int64Range(0, 3e6), rapid.Int64Range(-10, 10), rapid.Just[int64](10e9), rapid.Just(int64(units.MaxRate)), rapid.Just[int64](-1<<62),
	).Draw(t, name))
}

func drawConfig(t *rapid.T) Config {
	cfg := Config{Screen: rapid.Bool().Draw(t, "screen"), Obeys: rapid.Bool().Draw(t, "obeys")}
	for range rapid.IntRange(0, 6).Draw(t, "layers") {
		cfg.Layers = append(cfg.Layers, Layer{
			Width: rapid.Uint16().Draw(t, "width"), Height: rapid.Uint16().Draw(t, "height"), Most: drawRate(t, "most"),
		})
	}
	return cfg
}

// Whatever subscribers want and publishers send: what is told is within bounds,
// what somebody wants is on or blocked, what nobody wants goes off, and prices
// are no nonsense.
func TestWhateverComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &whatever{Track: New(epoch, drawConfig(t)), now: epoch, asked: map[uint64]Wish{}}
		w.forget()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			if !w.happen(t) {
				continue
			}
			w.Decide(w.now)
			if next := w.Next(); !next.IsZero() && !next.After(w.now) {
				t.Fatalf("decides next at %v, now is %v", next, w.now)
			}
			if w.muted {
				continue
			}
			checkWhole(t, w.Track)
			for i := range w.layers {
				w.checkLayer(t, i)
			}
			w.checkOffer(t)
		}
	})
}

// whatever is a track to which anything happens, and what is wanted of it.
type whatever struct {
	*Track
	now        time.Time
	asked      map[uint64]Wish
	lastWanted []time.Time // of each layer
}

// forget has every layer wanted last now.
func (w *whatever) forget() {
	w.lastWanted = slices.Repeat([]time.Time{w.now}, len(w.layers))
}

// happen does something to the track; false if that was nothing.
func (w *whatever) happen(t *rapid.T) bool {
	who := rapid.Uint64Range(0, 5).Draw(t, "who")
	switch rapid.IntRange(0, 8).Draw(t, "what") {
	case 8:
		if !rapid.Bool().Draw(t, "scalable") {
			return false
		}
		var sizes []Layer
		for range rapid.IntRange(0, 100).Draw(t, "inside") {
			sizes = append(sizes, Layer{Width: rapid.Uint16().Draw(t, "width"), Height: rapid.Uint16().Draw(t, "height")})
		}
		w.SetScalable(w.now, sizes)
		w.forget()
	case 0:
		w.Leave(who)
		delete(w.asked, who)
	case 1:
		w.SetMuted(w.now, !w.muted)
		w.forget()
	case 2, 3:
		var all []Measured
		for range rapid.IntRange(0, 6).Draw(t, "measured") {
			m := Measured{
				Active: rapid.Bool().Draw(t, "active"), Count: rapid.IntRange(-1, 9).Draw(t, "count"), Stream: drawRate(t, "stream"),
			}
			for i := range m.Rates {
				m.Rates[i] = drawRate(t, "rate")
			}
			all = append(all, m)
		}
		w.Measure(w.now, rapid.Bool().Draw(t, "alive"), all)
	default:
		wish := Wish{
			Spatial: rapid.Int8Range(-3, 6).Draw(t, "spatial"), Current: rapid.Int8Range(-3, 6).Draw(t, "current"),
			Room: drawRate(t, "room"), Still: rapid.Bool().Draw(t, "still"),
		}
		w.Want(who, wish)
		w.asked[who] = wish
	}
	return true
}

// checkLayer holds what the layer at i is told within bounds: on while it is wanted,
// off when it has not been for a while.
func (w *whatever) checkLayer(t *rapid.T, i int) {
	l := &w.layers[i]
	e := l.told
	wanted, beneath := false, false // beneath: one that may not come
	for _, wish := range w.asked {
		wanted = wanted || wish.Spatial == int8(i) || wish.Current == int8(i)
		beneath = beneath || wish.Spatial > int8(i) || wish.Current > int8(i)
	}
	if wanted || beneath {
		w.lastWanted[i] = w.now
	}
	unwanted := w.now.Sub(w.lastWanted[i])
	switch {
	case e.Rate < 0 || e.Rate > mostRate || e.FrameRate < 0 || e.FrameRate > fullFrameRate || e.Scale < 0:
		t.Fatalf("layer %d is told %+v", i, e)
	case e.Rate > 0 && e.Rate < min(l.least, l.most):
		t.Fatalf("layer %d is told %+v, less than %v", i, e, l.least)
	case wanted && !e.Active && !w.blocked(w.now, i):
		t.Fatalf("layer %d is wanted and off", i)
	case !wanted && e.Active && i > 0 && (unwanted >= lingerInside || unwanted >= linger && !w.Scalable()):
		t.Fatalf("layer %d is on, though nobody has wanted it since %v", i, unwanted)
	}
}

// checkOffer holds what subscribers and publishers are told of the whole.
func (w *whatever) checkOffer(t *rapid.T) {
	for _, r := range w.Rates(w.now, nil) {
		if r.Spatial < 0 || int(r.Spatial) >= len(w.layers) || r.Temporal < 0 || r.Temporal > Whole || r.Rate < 0 || r.Most < 0 {
			t.Fatalf("on offer: %+v", r)
		}
	}
	if c := w.Cap(); c < 0 {
		t.Fatalf("cap %v", c)
	}
}

// checkWhole holds what the publisher of a scalable stream is told against its
// layers.
func checkWhole(t *rapid.T, track *Track) {
	if !track.Scalable() {
		return
	}
	all, top := track.Encodings(nil), track.top()
	if len(all) != 1 || len(track.layers) > MaxLayers {
		t.Fatalf("%d encodings of %d layers in one stream", len(all), len(track.layers))
	}
	e, sent := all[0], top+1
	if sent == len(track.layers) {
		sent = 0 // all
	}
	if e.Active != (top >= 0) || e.Active && e.Spatials != sent || e.Rate < 0 || e.Rate > mostRate || e.Scale < 0 {
		t.Fatalf("with layer %d of %d the largest, the stream is told %+v", top, len(track.layers), e)
	}
}

// A room that wanders by a tenth either way changes what is told at most once a
// minute, after the first.
func TestCalmUnderNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
		mean := units.Rate(rapid.Int64Range(40e3, 1600e3).Draw(t, "mean"))
		spatial := rapid.Int8Range(0, 2).Draw(t, "spatial")
		noise := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		now, changes := epoch, 0
		for i := range 720 {
			now = now.Add(250 * time.Millisecond)
			track.Want(1, Wish{Spatial: spatial, Current: spatial, Room: mean.Scale(0.9 + 0.2*noise.Float64())})
			if track.Decide(now) && i >= 240 {
				changes++
			}
		}
		if changes > 2 {
			t.Fatalf("%d changes in two minutes at %v +- 10 %%", changes, mean)
		}
	})
}

// More room never makes a picture thinner, for one subscriber.
func TestMonotoneInRoom(t *testing.T) {
	for _, screen := range []bool{false, true} {
		last := Encoding{}
		for room := 20 * units.Kbps; room < 3*units.Mbps; room += 7 * units.Kbps {
			track := New(epoch, Config{Layers: []Layer{{1280, 720, 1200 * units.Kbps}}, Obeys: true, Screen: screen})
			track.Want(1, Wish{Spatial: 0, Current: 0, Room: room})
			track.Decide(epoch)
			e := track.Encodings(nil)[0]
			if e.Rate == 0 {
				e.Rate = 1200 * units.Kbps
			}
			if e.FrameRate == 0 {
				e.FrameRate = fullFrameRate
			}
			if e.Rate < last.Rate || e.FrameRate < last.FrameRate {
				t.Fatalf("room for %v: %+v after %+v", room, e, last)
			}
			if wire := track.layers[0].frame.wire(e.Rate); room > 60*units.Kbps && e.Rate < 1200*units.Kbps && wire > room {
				t.Fatalf("room for %v, asked for %v on the wire", room, wire)
			}
			last = e
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
	for who := range uint64(500) {
		track.Want(who, Wish{Spatial: int8(who % 3), Current: int8(who % 3), Room: 300 * units.Kbps})
	}
	now := epoch
	measured := []Measured{{Active: true, Count: 3}, {Active: true, Count: 3}, {Active: true, Count: 3}}
	rates := track.Rates(now, nil)
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(100 * time.Millisecond)
		track.Want(7, Wish{Spatial: 1, Current: 0, Room: units.Rate(now.UnixMilli() % 1e6)})
		track.Measure(now, true, measured)
		track.Decide(now)
		rates = track.Rates(now, rates[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	track := New(epoch, Config{Layers: cameraLayers, Obeys: true})
	for who := range uint64(50) {
		track.Want(who, Wish{Spatial: int8(who % 3), Current: int8(who % 3), Room: 300 * units.Kbps})
	}
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		track.Want(7, Wish{Spatial: 1, Current: 0, Room: units.Rate(now.UnixMilli() % 1e6)})
		track.Decide(now)
	}
}
