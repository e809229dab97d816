package client_test

import (
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestVoicesAreScored: the server says how each leg of a voice must sound, worse
// where packets are lost and come late, and in its totals.
func TestVoicesAreScored(t *testing.T) {
	score := func(cfg link.Config) (said, heard sfu.Hearing) {
		synctest.Test(t, func(t *testing.T) {
			var left sfu.Observation
			w := newWorld(t, func(c *sfu.Config) {
				c.Observer = func(o sfu.Observation) {
					if o.Event.Kind == signal.RoomParted && o.Event.Identity == "bob" {
						left = o // the room's goroutine, which is over before it is read
					}
				}
			})
			defer func() {
				w.close()
				// What is told of the whole call is what was heard in it: with the codec
				// that was sent, after repair, on its scale.
				if math.Abs(left.Event.MOS-heard.MOS) > 0.4 || left.Event.Scale != heard.Scale {
					t.Errorf("the call is scored %.2f %s, its last seconds %.2f %s", left.Event.MOS, left.Event.Scale, heard.MOS, heard.Scale)
				}
			}()
			ann := w.join(client.Options{Publish: publications(signal.Microphone)})
			defer w.leave(ann)
			l, err := link.New(time.Now(), cfg)
			must(t, err)
			w.network.Connect(serverAddr, netip.AddrFrom4([4]byte{10, 0, 1, byte(w.hosts + 1)}), l)
			bob := w.join(client.Options{Identity: "bob"})
			defer w.leave(bob)
			ann.waitConnected(t)
			bob.waitConnected(t)
			ann.talk(t)
			time.Sleep(20 * time.Second)
			for _, p := range w.engine.Rooms()[0].Participants {
				if p.Said != nil {
					said = *p.Said
				}
				for _, s := range p.Slots {
					if s.Heard != nil {
						heard = *s.Heard
					}
				}
			}
			all := w.engine.Stats().Voices
			if got := all.Received[heard.Scale]; got.Voices != 1 || got.MOS < heard.MOS-0.3 || got.MOS > heard.MOS+0.3 || got.Worst != got.MOS {
				t.Errorf("in total %+v, the one heard is %+v", all, heard)
			}
			if got := all.Sent[said.Scale]; got.Voices != 1 {
				t.Errorf("in total %+v, the one said is %+v", all, said)
			}
		})
		return said, heard
	}
	said, heard := score(link.Config{Delay: 10 * time.Millisecond})
	if said.MOS < 2.5 || said.MOS > 4.5 || heard.MOS < 2.5 || heard.MOS > 4.5 || said.Scale != heard.Scale || heard.Loss != 0 {
		t.Errorf("said %+v, heard %+v", said, heard)
	}
	_, worse := score(link.Config{Delay: 250 * time.Millisecond, Loss: link.Loss{Random: 0.1}, Seed: 3})
	if worse.Loss <= 0 || worse.Loss > 0.15 || worse.Delay < heard.Delay+100 || worse.Share > heard.Share-0.1 {
		t.Errorf("with loss and delay %+v, without %+v", worse, heard)
	}
	t.Logf("said %+v, heard %+v, with loss %+v", said, heard, worse)
}
