package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestNoSDPCrossesTheWire: whatever it publishes, the client's offers and the
// server's answers travel in the brief form, and media flows.
func TestNoSDPCrossesTheWire(t *testing.T) {
	layers := []signal.Layer{{RID: "q", Width: 320, Height: 180}, {RID: "h", Width: 640, Height: 360}, {RID: "f", Width: 1280, Height: 720}}
	for name, o := range map[string]client.Options{
		"voice":         {Publish: publications(signal.Microphone)},
		"simulcast":     {Publish: []client.Publication{{Source: signal.Camera, Width: 1280, Height: 720, Layers: layers}}},
		"everything":    {Publish: publications(signal.Microphone, signal.Camera, signal.Screen, signal.ScreenAudio), AudioSlots: 5, VideoSlots: 9},
		"only sound":    {Publish: publications(signal.Microphone), VideoSlots: -1},
		"only receives": {ReceiveOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.close()
				a, b := w.join(o), w.join(client.Options{Publish: publications(signal.Microphone)})
				defer w.leave(a)
				defer w.leave(b)
				a.waitConnected(t)
				b.talk(t)
				must(t, a.Restart(t.Context()))
				if n := a.Stats(); n.SDP != 0 || n.Brief != 4 {
					t.Errorf("%d descriptions as SDP, %d in the brief form", n.SDP, n.Brief)
				}
				if !a.waitFor(time.Now().Add(3*time.Second)) || a.heard(0) == 0 {
					t.Errorf("nothing is heard: %+v", a.Stats())
				}
			})
		})
	}
}
