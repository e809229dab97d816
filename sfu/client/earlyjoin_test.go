package client_test

import (
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/turn"
)

// far puts the next user's host a round trip away.
func (w *world) far(trip time.Duration) {
	host := netip.AddrFrom4([4]byte{10, 0, 1, byte(w.hosts + 1)})
	for _, way := range [][2]netip.Addr{{host, serverAddr}, {serverAddr, host}} {
		l, err := link.New(time.Now(), link.Config{Delay: trip/2 + 13})
		must(w.t, err)
		w.network.Connect(way[0], way[1], l)
	}
}

// TestMediaIsThereAfterTwoRoundTrips: one for the first check with DTLS right
// behind it, one for the rest of DTLS. On a far path one is enough: the server's hello
// of DTLS came with its answer.
func TestMediaIsThereAfterTwoRoundTrips(t *testing.T) {
	for trip, trips := range map[time.Duration]time.Duration{300 * time.Millisecond: 2, 600 * time.Millisecond: 1} {
		t.Run(trip.String(), func(t *testing.T) { mediaIsThereAfter(t, trip, trips) })
	}
}

func mediaIsThereAfter(t *testing.T, trip, trips time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		w.far(trip)
		u := w.join(client.Options{Publish: publications(signal.Microphone)})
		defer w.leave(u)
		u.waitConnected(t)
		s := u.Stages()
		if s.Joined < 2*trip || s.Joined > 2*trip+trip/10 { // TCP, and the request with the join
			t.Errorf("joined after %v", s.Joined)
		}
		if took := s.DTLS - s.Joined; took < trips*trip || took > trips*trip+trip/10 {
			t.Errorf("media after %v, %.1f round trips; %+v", took, took.Seconds()/trip.Seconds(), s)
		}
	})
}

// TestMediaTakesTheRelayWhereNothingElsePasses: nothing comes by the path that
// is used early, and a relay is found all the same.
func TestMediaTakesTheRelayWhereNothingElsePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var relay *turn.Server
		w := newWorld(t, func(cfg *sfu.Config) { relay = relayFor(t, cfg.Net.(*memnet.Host), cfg) })
		defer w.close()
		w.beside = append(w.beside, relay)
		w.network.SetFilter(func(p memnet.Packet) bool {
			return p.Stream || p.To.Port() == 3478 || p.From.Port() == 3478 || p.From.Addr() == p.To.Addr()
		})
		w.far(200 * time.Millisecond)
		u := w.join(client.Options{Publish: publications(signal.Microphone)})
		defer w.leave(u)
		u.waitConnected(t)
		if s := u.Stages(); s.DTLS > 8*time.Second {
			t.Errorf("media after %v", s.DTLS)
		} else {
			t.Logf("%+v", s)
		}
	})
}

// TestJoinWhereTheRequestCannotCarryIt: a proxy, or an older server, takes only
// names that it knows.
func TestJoinWhereTheRequestCannotCarryIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		handler := w.http.Handler
		w.http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Header.Set("Sec-WebSocket-Protocol", "rivulet.v1.compact.2, rivulet.v1")
			handler.ServeHTTP(rw, r)
		})
		w.far(600 * time.Millisecond)
		u := w.join(client.Options{Publish: publications(signal.Microphone)})
		defer w.leave(u)
		u.waitConnected(t)
		if s := u.Stages(); s.Joined < 1800*time.Millisecond || s.Joined > 1900*time.Millisecond {
			t.Errorf("joined after %v", s.Joined)
		}
	})
}
