package client_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestACallBeginsWithWhatTheNetworkCarried calls twice from one network, and
// once from another.
func TestACallBeginsWithWhatTheNetworkCarried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		var memory client.Memory
		begins := func(network string, d time.Duration) units.Rate {
			l, err := link.New(time.Now(), link.Config{Capacity: link.Constant(700 * units.Kbps), Queue: link.Queue{Delay: 300 * time.Millisecond}, Delay: 150 * time.Millisecond, Seed: 1})
			must(t, err)
			cfg := bwe.DefaultConfig() // that of other tests knows the path
			w.network.Connect(netip.AddrFrom4([4]byte{10, 0, 1, byte(w.hosts + 1)}), serverAddr, l)
			u := w.join(client.Options{BWE: &cfg, Memory: &memory, Network: network, Publish: publications(signal.Camera)})
			defer w.leave(u)
			u.waitConnected(t)
			time.Sleep(250 * time.Millisecond) // before anything of the path is known
			target := u.Sender(signal.Camera).Target()
			u.show(t, media.VP8Config{Seed: 1, Width: 320, Height: 180})
			time.Sleep(d)
			return target
		}
		cold := begins("home", 40*time.Second)
		warm := begins("home", time.Second)
		other := begins("train", time.Second)
		t.Logf("cold %v, warm %v, elsewhere %v", cold, warm, other)
		if warm < 400*units.Kbps || warm > 900*units.Kbps || cold > 320*units.Kbps || other > 320*units.Kbps {
			t.Errorf("begins with %v, the second time with %v, elsewhere with %v", cold, warm, other)
		}
	})
}
