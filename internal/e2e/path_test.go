package e2e

import (
	"net"
	"net/netip"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
)

// Three pages in one room, each on another way to the server.
func TestCallThroughRelayAndTCP(t *testing.T) {
	s := startServer(t, nil)
	type way struct {
		query string
		// What the selected pair's local candidate must say; empty for anything.
		localType, protocol, relayProtocol string
		page                               *page
	}
	ways := []*way{
		{query: "relay=udp", localType: "relay", protocol: "udp", relayProtocol: "udp"},
		{query: "relay=tcp", localType: "relay", protocol: "udp", relayProtocol: "tcp"},
		{query: "ice=tcp", protocol: "tcp"},
	}
	for _, w := range ways {
		w.page = openTab(t, w.query)
		s.call(w.page, "ways", "video=320x180", w.query)
	}
	for _, w := range ways {
		now := w.page.goesOn(joinLimit, w.page.talking(len(ways)-1))
		if len(now.Pairs) != 1 {
			t.Fatalf("%s has %d selected pairs, want one transport for everything", w.query, len(now.Pairs))
		}
		pair := now.Pairs[0]
		if (w.localType != "" && pair.LocalType != w.localType) || pair.Protocol != w.protocol || pair.RelayProtocol != w.relayProtocol {
			t.Errorf("%s goes through %+v", w.query, pair)
		}
		if pair.Protection != "SRTP_AES128_CM_HMAC_SHA1_80" { // see docs/adr/0025
			t.Errorf("%s protects its media by %q", w.query, pair.Protection)
		}
		if pair.RemotePort != s.ports.Media {
			t.Errorf("%s speaks with port %d, want the media port %d", w.query, pair.RemotePort, s.ports.Media)
		}
	}
}

// The page and signalling come over IPv4, all media over IPv6. UDP only: pion
// gathers no TCP candidate on ::1, which it takes for an IPv4-compatible address.
func TestCallOverIPv6(t *testing.T) {
	testenv.Sockets(t)
	testenv.Browser(t)
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skipf("this machine has no IPv6 loopback: %v", err)
	} else {
		l.Close()
	}
	s := startServer(t, func(cfg *sfu.Config) {
		port := cfg.Sockets[0].LocalAddr().Port()
		if err := cfg.Sockets[0].Close(); err != nil {
			t.Fatal(err)
		}
		socket, err := udp.Listen(netip.AddrPortFrom(netip.IPv6Loopback(), port), udp.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Sockets = []*udp.Socket{socket}
	})
	pages := []*page{openTab(t, "ann"), openTab(t, "bob")}
	for _, p := range pages {
		s.call(p, "six", "video=320x180", "ice=udp")
	}
	for _, p := range pages {
		now := p.talking(1)
		if len(now.Pairs) != 1 || now.Pairs[0].RemoteAddress != "::1" || now.Pairs[0].Protocol != "udp" {
			t.Errorf("%s goes through %+v, want ::1 over UDP", p.name, now.Pairs)
		}
	}
}
