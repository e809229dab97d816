package client_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestPublisherRepairsItsWayUp loses a twentieth of what a publisher sends, far
// away: it protects key frames and base layers, and the server has most of them
// again before it forwards. Near by, or where that is turned off, it does not.
func TestPublisherRepairsItsWayUp(t *testing.T) {
	for _, tt := range []struct {
		name      string
		roundTrip time.Duration
		mode      downlink.RepairMode
		repairs   bool
	}{
		{"far", 600 * time.Millisecond, downlink.RepairAhead, true},
		{"near", 50 * time.Millisecond, downlink.RepairAhead, false},
		{"far and turned off", 600 * time.Millisecond, downlink.RepairAsked, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.close()
				w.far(tt.roundTrip)
				a := w.join(client.Options{Identity: "ann", Repair: tt.mode, Publish: publications(signal.Camera)})
				b := w.join(client.Options{Identity: "bob", ReceiveOnly: true, VideoSlots: 1})
				a.waitConnected(t)
				b.waitConnected(t)
				random, lost := rand.New(rand.NewPCG(1, 2)), 0
				w.network.SetFilter(func(p memnet.Packet) bool {
					if p.Stream || p.From.Addr() != a.addr || random.Float64() >= 0.05 {
						return true
					}
					lost++
					return false
				})
				a.show(t, media.VP8Config{Seed: 1, Width: 320, Height: 180, Rate: 300 * units.Kbps})
				time.Sleep(60 * time.Second)
				var up peer.UplinkStats
				for _, r := range w.engine.Rooms() {
					for _, p := range r.Participants {
						for _, u := range p.Uplinks {
							if u.Codec == "VP8" {
								up = u
							}
						}
					}
				}
				s := w.engine.Stats().Media
				t.Logf("%d lost; %d repaired, %+v; server %+v", lost, up.Repaired, up.Stats, s)
				if got := up.Repaired > 20; got != tt.repairs || !tt.repairs && up.Repaired > 0 {
					t.Errorf("%d packets were repaired, want some: %v", up.Repaired, tt.repairs)
				}
				if s.Malformed > 0 || s.Unknown > 20 {
					t.Errorf("%d malformed packets, %d unknown", s.Malformed, s.Unknown)
				}
				w.network.SetFilter(nil)
				w.leave(a)
				w.leave(b)
			})
		})
	}
}
