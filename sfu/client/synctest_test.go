package client_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestMinuteOfCall runs the whole server and two clients with voice and video
// for a virtual minute. That every goroutine ends the bubble proves by itself.
func TestMinuteOfCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		both := publications(signal.Microphone, signal.Camera)
		ann := w.join(client.Options{Identity: "ann", Publish: both})
		bob := w.join(client.Options{Identity: "bob", Publish: both})
		for _, u := range []*user{ann, bob} {
			u.waitConnected(t)
			u.talk(t)
			u.show(t, media.VP8Config{Width: 320, Height: 180})
		}
		time.Sleep(time.Minute)
		for _, u := range []*user{ann, bob} {
			s := u.Stats()
			t.Logf("%+v %+v target %v", s, u.Stages(), u.Sender(signal.Camera).Target())
			if s.Lost != 0 || s.Duplicates != 0 || s.Malformed != 0 || s.Unknown != 0 {
				t.Errorf("%s: %+v; want nothing lost, doubled, malformed or unknown", u.Joined().Identity, s)
			}
			if n := u.heard(0); n < 2900 || n > 3100 {
				t.Errorf("%s heard %d packets of voice in a minute, want about 3000", u.Joined().Identity, n)
			}
			if n := u.heard(3); n < 1500 {
				t.Errorf("%s saw %d packets of video in a minute, want 1500 and more", u.Joined().Identity, n)
			}
			u.mu.Lock()
			slices.Sort(u.delays)
			p95 := u.delays[len(u.delays)*95/100]
			u.mu.Unlock()
			if p95 > 2*memnet.DefaultDelay+60*time.Millisecond {
				t.Errorf("%s: one way takes %v at the 95th percentile", u.Joined().Identity, p95)
			}
			if got := u.Sender(signal.Camera).Target(); got < 200_000 {
				t.Errorf("%s may send only %v after a minute on a free path", u.Joined().Identity, got)
			}
		}
		w.leave(ann)
		w.leave(bob)
	})
}
