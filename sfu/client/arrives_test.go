package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// A browser that has three rids and a source of 640x360 sends two layers, and
// says nothing of it. What is granted is what arrives.
func TestLayersAreWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{threeLayers}})
		ann.waitConnected(t)
		// Two of the three layers that were announced.
		ann.film(t, media.VP8Config{Width: 640, Height: 360}, func(now time.Time, camera *media.Simulcast, _ *client.Sender) {
			camera.SetRate(now, 600*units.Kbps)
		})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		bob.waitConnected(t)
		must(t, bob.View(short(t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 1280, Height: 720}}))
		granted := func() int8 {
			for _, r := range w.engine.Rooms() {
				for _, p := range r.Participants {
					if p.Path == nil || p.ID == ann.Joined().Participant {
						continue
					}
					for _, s := range p.Path.Slots {
						if s.Source != 0 {
							return s.Grant.Spatial
						}
					}
				}
			}
			return -1
		}
		until(t, 15*time.Second, "the largest layer that is sent is granted", func() bool { return granted() == 1 })
		time.Sleep(time.Minute) // the missing one is asked for again, ever less often
		wrong := 0
		for range 100 {
			time.Sleep(200 * time.Millisecond)
			if granted() != 1 {
				wrong++
			}
		}
		if wrong > 25 { // one trial of four seconds
			t.Errorf("in %d of 100 looks something else was granted than the largest layer that is sent", wrong)
		}
		w.leave(bob)
		w.leave(ann)
	})
}
