package client_test

import (
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// joinCost counts the IP bytes of one host: of signalling (streams) and of media.
type joinCost struct {
	mu       sync.Mutex
	host     netip.Addr
	up, down [2]int // streams, datagrams

}

func (c *joinCost) see(p memnet.Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := 1
	if p.Stream {
		kind = 0
	}
	switch c.host {
	case p.From.Addr():
		c.up[kind] += p.Size
	case p.To.Addr():
		c.down[kind] += p.Size
	}
	return true
}

// TestWhatAJoinCosts: from Join to the first voice that is received at a round trip
// of 1300 ms and 35 kbit/s, in each form; docs/measurements/signalling.md has the
// table. The targets are 5 round trips beside what bytes take on the wire with the
// connection open, and 150 and 200 bytes for the messages of a join in form 3.
func TestWhatAJoinCosts(t *testing.T) {
	const trip, rate = 1300 * time.Millisecond, 35 * units.Kbps
	for _, form := range []struct {
		name, offers string // what of the client's offer reaches the server
		up, down     uint64 // bounds in bytes of the messages of a join
		trips        float64
	}{
		{"JSON with SDP", "rivulet.v1", 20_000, 30_000, 99},
		{"form 2, SDP compact", "rivulet.v1.compact.2, rivulet.v1", 300, 650, 5},
		{"form 3, no SDP", "rivulet.v1.compact.3, rivulet.v1", 150, 350, 5},
		{"form 3, with the first request", "", 150, 350, 5},
	} {
		t.Run(form.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				unknown := bwe.DefaultConfig() // nobody knows what the path carries
				w := newWorld(t, func(cfg *sfu.Config) { cfg.BWE = unknown })
				defer w.close()
				ann := w.join(client.Options{Publish: publications(signal.Microphone), Identity: "ann"})
				defer w.leave(ann)
				ann.waitConnected(t)
				ann.talk(t)
				handler := w.http.Handler
				w.http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if form.offers != "" {
						r.Header.Set("Sec-WebSocket-Protocol", form.offers)
					}
					handler.ServeHTTP(rw, r)
				})
				host := netip.AddrFrom4([4]byte{10, 0, 1, byte(w.hosts + 1)})
				for _, way := range [][2]netip.Addr{{host, serverAddr}, {serverAddr, host}} {
					l, err := link.New(time.Now(), link.Config{Delay: trip / 2, Capacity: link.Constant(rate), Queue: link.Queue{Delay: 4 * time.Second}, Overhead: link.OverheadIPv4})
					must(t, err)
					w.network.Connect(way[0], way[1], l)
				}
				cost := &joinCost{host: host}
				w.network.SetFilter(cost.see)
				bob := w.join(client.Options{Publish: publications(signal.Microphone), Identity: "bob", BWE: &unknown})
				defer w.leave(bob)
				bob.talk(t)
				joined := bob.Stats()
				for bob.heard(0) == 0 && bob.waitFor(time.Now().Add(10*time.Millisecond)) {
				}
				s := bob.Stages()
				// The first round trip is TCP's: with the connection open it is not there.
				trips := (s.FirstPacket - trip).Seconds() / trip.Seconds()
				cost.mu.Lock()
				t.Logf("| Go, %s | %d | %d | %d | %d | %d | %d | %.1f | %.1f |", form.name, joined.SignallingUp, joined.SignallingDown,
					cost.up[0], cost.down[0], cost.up[1], cost.down[1], s.FirstPacket.Seconds(), trips)
				cost.mu.Unlock()
				if joined.SignallingUp > form.up || joined.SignallingDown > form.down || trips > form.trips {
					t.Errorf("%d bytes up and %d down, %.1f round trips; at most %d, %d and %.1f", joined.SignallingUp, joined.SignallingDown, trips, form.up, form.down, form.trips)
				}
			})
		})
	}
}
