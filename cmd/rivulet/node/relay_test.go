package node

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	pion "github.com/pion/turn/v5"
)

// allocate makes a relay with the credentials that the node hands out.
func (w *world) allocate(transport string) (*pion.Client, net.PacketConn) {
	w.t.Helper()
	servers := w.node.iceServers(time.Now(), "participant", "10.0.0.1")
	var conn net.PacketConn
	switch transport {
	case "udp":
		conn = must(w.client.ListenPacket("udp4", "10.0.0.2:0"))
	case "tcp":
		conn = pion.NewSTUNConn(must(w.client.Dial("tcp", "10.0.0.1:3478")))
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	c, err := pion.NewClient(&pion.ClientConfig{
		TURNServerAddr: "10.0.0.1:3478", STUNServerAddr: "10.0.0.1:3478", Conn: conn, Net: w.client,
		Username: servers[0].Username, Password: servers[0].Credential, Realm: "rivulet",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	if err := c.Listen(); err != nil {
		w.t.Fatal(err)
	}
	relayed, err := c.Allocate()
	if err != nil {
		w.t.Fatalf("allocate over %s with the credentials handed out: %v", transport, err)
	}
	w.t.Cleanup(func() { _ = relayed.Close() })
	return c, relayed
}

// The relay speaks with this node's media address and with nobody else.
func TestRelayReachesOurMediaOnly(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, nil)
				c, relayed := w.allocate(transport)
				for _, host := range []netip.Addr{otherAddr, clientAddr, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254")} {
					err := c.CreatePermission(net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 80)))
					if err == nil || !strings.Contains(err.Error(), "403") {
						t.Errorf("a permission for %v is answered %v, want 403", host, err)
					}
				}
				before := w.node.snapshot().sockets.ReadDatagrams
				for _, port := range []uint16{9090, 7882} {
					if _, err := relayed.WriteTo([]byte("\x16 no STUN, no RTP"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(serverAddr, port))); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				if n := w.node.snapshot().sockets.ReadDatagrams - before; n != 1 {
					t.Errorf("%d packets came to the media port, want 1", n)
				}
				if n := w.node.relay.Stats().Dropped.ToPeer; n != 1 {
					t.Errorf("%d packets to another port were dropped, want 1", n)
				}
			})
		})
	}
}

func TestRelayServersAreNamedAsTheClientCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		got := w.node.iceServers(time.Now(), "participant", "call.example.org")
		want := []string{"turn:call.example.org:3478?transport=udp", "turn:call.example.org:3478?transport=tcp"}
		if diff := cmp.Diff(want, got[0].URLs); diff != "" {
			t.Error(diff)
		}
		w.node.cfg.TURNHost = "192.0.2.1"
		if got := w.node.iceServers(time.Now(), "participant", "call.example.org")[0].URLs[0]; got != "turn:192.0.2.1:3478?transport=udp" {
			t.Errorf("with a host set it is %s", got)
		}
	})
}
