package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// pictureOf answers what the server sends a participant of the only picture, and
// what each frame rate of its smallest size weighs.
func (s *server) pictureOf(room, id string) (slot downlink.SlotStats, rates []units.Rate) {
	snapshot, _ := s.room(room)
	for _, p := range snapshot.Participants {
		if p.ID != id || p.Path == nil {
			continue
		}
		for i := range p.Path.Slots {
			if one := p.Path.Slots[i]; one.Kind == downlink.Video && one.Source != 0 {
				slot = one
			}
		}
		for _, d := range p.Path.Demands {
			for _, l := range d.Layers {
				if l.Spatial == 0 {
					rates = append(rates, l.Rate)
				}
			}
		}
	}
	return slot, rates
}

// TestTemporalLayers lets two look at one camera, one of whom has room for some of
// its temporal layers only: of each codec, as a real encoder makes them, the layers
// beyond are really left out, frames come in the share that is left, and a real
// decoder misses nothing.
func TestTemporalLayers(t *testing.T) {
	// Of AV1 two cores encode and decode in three pages no more than 640x360.
	for _, c := range []struct{ name, query string }{
		{"VP8 simulcast", "codec=VP8&video=320x180"},
		{"VP9 simulcast", "codec=VP9&video=320x180"},
		{"VP9 L3T3", "codec=VP9&svc=L3T3&video=1280x720"},
		{"VP9 L3T3_KEY", "codec=VP9&svc=L3T3_KEY&video=1280x720"},
		{"AV1 simulcast", "codec=AV1&video=320x180"},
		{"AV1 L1T3", "codec=AV1&svc=L1T3&video=320x180"},
		{"AV1 L3T3", "codec=AV1&svc=L3T3&video=640x360"},
		{"H264 L1T3", "codec=H264&svc=L1T3&video=320x180"},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Long(t)
			s := startServer(t, nil)
			ann, bob, eve := openTab(t, "ann"), openTab(t, "bob"), openTab(t, "eve")
			s.call(ann, "temporal", "audio=0", c.query)
			s.call(bob, "temporal", "audio=0", "video=0", "slots=1")
			s.call(eve, "temporal", "audio=0", "video=0", "slots=1")
			me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
			for _, viewer := range []*page{bob, eve} {
				viewer.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
				viewer.run(samplerScript, me)
			}
			bob.run(`rivulet.call.view([{ track: camera.id, width: 1280, height: 720, priority: 5 }])`)
			eve.run(`rivulet.call.view([{ track: camera.id, width: 160, height: 90, priority: 5 }])`)
			thin := &thinViewer{s, eve, eve.state().Me}
			thin.settles(15 * time.Second)
			for temporal := int8(1); temporal >= 0; temporal-- {
				thin.watches(10*time.Second, temporal)
				all, some, begin := bob.state().from(me), eve.state().from(me), time.Now()
				thin.stays(3*time.Second, temporal)
				seconds := time.Since(begin).Seconds()
				got, of := float64(eve.state().from(me).Decoded-some.Decoded)/seconds, float64(bob.state().from(me).Decoded-all.Decoded)/seconds
				share := 1.0 / float64(int(4)>>temporal)
				t.Logf("temporal layer %d of 2: %.1f frames a second of %.1f", temporal, got, of)
				if of < 15 || got < 0.75*share*of || got > 1.25*share*of {
					t.Errorf("%.1f frames a second where the other has %.1f, want a share of %.2f", got, of, share)
				}
			}
			for _, viewer := range []*page{eve, bob} {
				samples := viewer.samples()
				judgeSwitches(t, samples)
				// A frame rate that falls fourfold is a freeze of 0.2 s to Chromium.
				if frozen := samples[len(samples)-1].Frozen - samples[0].Frozen; frozen > 0.5 {
					t.Errorf("%s saw freezes of %.1f s", viewer.name, frozen)
				}
			}
		})
	}
}

// thinViewer is who is given room for some temporal layers of the smallest picture.
type thinViewer struct {
	server *server
	page   *page
	me     string
}

// settles waits until three temporal layers are measured, and weigh the same for
// some seconds: the encoder's rate has risen, what nobody looks at is off.
func (v *thinViewer) settles(limit time.Duration) {
	v.page.t.Helper()
	var was []units.Rate
	for deadline := time.Now().Add(limit); ; time.Sleep(700 * time.Millisecond) {
		_, rates := v.server.pictureOf("temporal", v.me)
		if len(rates) == 3 {
			was = append(was, rates[2])
		} else {
			was = nil
		}
		if n := len(was); n >= 4 && slices.Max(was[n-4:]) < slices.Min(was[n-4:]).Scale(1.2) {
			return
		}
		if time.Now().After(deadline) {
			v.page.t.Fatalf("three temporal layers of a steady rate are wanted: %v, the largest %v\n%s", rates, was, v.server.dump())
		}
	}
}

// room gives the viewer room for a temporal layer, and not for the next, as they
// weigh now, and answers what it is sent.
func (v *thinViewer) room(temporal int8) (slot downlink.SlotStats, rates []units.Rate, room units.Rate) {
	v.page.t.Helper()
	slot, rates = v.server.pictureOf("temporal", v.me)
	if len(rates) != 3 {
		v.page.t.Fatalf("three temporal layers are wanted: %v", rates)
	}
	room = rates[temporal] + (rates[temporal+1] - rates[temporal]).Scale(0.7)
	// Of an hour's budget so much may be spent in the first second (downlink's allowance).
	const atOnce = (1-1.0/6)/3600 + 1.0/6/300
	v.page.run(`rivulet.call.setDataBudget({ hour: %d })`, int(float64(room)/8/atOnce))
	return slot, rates, room
}

func (v *thinViewer) watches(limit time.Duration, temporal int8) {
	v.page.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(300 * time.Millisecond) {
		slot, rates, room := v.room(temporal)
		if slot.Spatial == 0 && slot.Temporal == temporal {
			return
		}
		if time.Now().After(deadline) {
			v.page.t.Fatalf("with room for %v of %v, %d/%d is sent: %+v", room, rates, slot.Spatial, slot.Temporal, slot.Grant)
		}
	}
}

func (v *thinViewer) stays(d time.Duration, temporal int8) {
	v.page.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(300 * time.Millisecond) {
		if slot, rates, room := v.room(temporal); slot.Spatial != 0 || slot.Temporal != temporal {
			v.page.t.Logf("with room for %v of %v, %d/%d is sent: %+v", room, rates, slot.Spatial, slot.Temporal, slot.Grant)
		}
	}
}
