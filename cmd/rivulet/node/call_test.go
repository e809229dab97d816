package node

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// join joins with media from the clients' machine.
func (w *world) join(o client.Options) *client.Call {
	w.t.Helper()
	o.URL, o.Room, o.HTTPClient = "http://10.0.0.1:8080", "kitchen", w.http
	if o.Net == nil {
		o.Net = w.client
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	call, err := client.Join(ctx, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = call.Close() })
	select {
	case <-call.Connected():
	case <-ctx.Done():
		w.t.Fatal("media did not connect")
	}
	return call
}

// Two who can reach nothing but the relay talk through it: with the servers and
// passwords that the answer brought, to the media address that it named.
func TestCallOverTheRelayAlone(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, nil)
				var heard atomic.Int64
				speaker := w.join(client.Options{
					Identity: "ann", RelayOnly: true, RelayTransport: transport,
					Publish: []client.Publication{{Source: signal.Microphone}},
				})
				w.join(client.Options{
					Identity: "bob", Net: w.other, RelayOnly: true, RelayTransport: transport,
					OnPacket: func(int, uint32, *packet.Packet) { heard.Add(1) },
				})
				if n := w.node.relay.Stats().AllocationsNow; n < 2 {
					t.Errorf("%d allocations, want one for each", n)
				}
				speech := make([]byte, 60)
				speech[0] = 0x78 // Opus, CELT, 20 ms, mono: a TOC that the codec accepts
				const frames = 100
				for i := range frames {
					err := speaker.Sender(signal.Microphone).Write(time.Now(), client.Frame{
						Timestamp: uint32(i * 960), Payload: speech, Level: 20, Voice: true, Marker: i == 0,
					})
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(20 * time.Millisecond)
				}
				time.Sleep(time.Second)
				// The first packets pass before the speaker has a slot.
				if n := heard.Load(); n < frames*8/10 || n > frames {
					t.Errorf("%d of %d packets were heard", n, frames)
				}
				st := w.node.relay.Stats()
				if st.ToPeers.Packets < frames || st.FromPeers.Packets < uint64(heard.Load()) {
					t.Errorf("the relay carried %d and %d packets", st.ToPeers.Packets, st.FromPeers.Packets)
				}
				// Behind TCP delay is the only signal of congestion; the node knows of its own relay.
				want := int64(0)
				if transport == "tcp" {
					want = 2
				}
				if n := w.node.engine.Stats().Media.Reliable; n != want {
					t.Errorf("%d paths are taken for reliable, want %d", n, want)
				}
			})
		})
	}
}

// Behind an advertised address the client is told it beside the local one.
func TestAdvertisedAddressIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		public := netip.MustParseAddr("192.0.2.1")
		w := start(t, func(c *Config) {
			c.Engine.Advertise = []netip.Addr{public}
			c.TURNHost = public.String()
		})
		joined := w.join(client.Options{Identity: "ann"}).Joined()
		mentions(t, joined.Answer, " 192.0.2.1 7882 typ host", " 10.0.0.1 7882 typ host")
		mentions(t, joined.ICEServers[0].URLs[0], "turn:192.0.2.1:3478")
	})
}
