package icemux

import (
	"net"
	"net/netip"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

func TestUnspecifiedSocketAnnouncesTheHost(t *testing.T) {
	ip := netip.MustParseAddr
	host := []netip.Addr{ip("127.0.0.1"), ip("192.0.2.10"), ip("2001:db8::10"), ip("::1"), ip("fe80::1"), ip("::ffff:192.0.2.11")}
	for _, c := range []struct {
		name, local string
		host        []netip.Addr
		loopback    bool
		want        []string
	}{
		{"IPv4", "0.0.0.0:7882", host, false, []string{"192.0.2.10:7882", "192.0.2.11:7882"}},
		{"IPv4 with loopback", "0.0.0.0:7882", host, true, []string{"192.0.2.10:7882", "192.0.2.11:7882", "127.0.0.1:7882"}},
		{"both", "[::]:7882", host, false, []string{"192.0.2.10:7882", "[2001:db8::10]:7882", "192.0.2.11:7882"}},
		{"alone in the world", "0.0.0.0:7882", host[:1], false, []string{"127.0.0.1:7882"}},
		{"one address", "127.0.0.1:7882", host, false, []string{"127.0.0.1:7882"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := NewUDP(UDPConfig{
				Sockets:         []*udp.Socket{udp.Wrap(newWire(c.local))},
				Interfaces:      func() ([]netip.Addr, error) { return c.host, nil },
				IncludeLoopback: c.loopback,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got := m.GetListenAddresses()
			if len(got) != len(c.want) {
				t.Fatalf("%v, want %v", got, c.want)
			}
			for i, a := range got {
				if a.String() != c.want[i] {
					t.Fatalf("%v, want %v", got, c.want)
				}
				conn, err := m.GetConn("aaaa", a)
				if err != nil {
					t.Fatal(err)
				}
				if conn.LocalAddr().String() != a.String() {
					t.Fatalf("%v is at %v", a, conn.LocalAddr())
				}
				defer conn.Close()
			}
		})
	}
}

func TestConnectionsOnlyWhereWeListen(t *testing.T) {
	m, _ := newTestUDP(t, UDPConfig{})
	for _, a := range []net.Addr{
		&net.UDPAddr{IP: net.IPv4(192, 0, 2, 11), Port: 7882},
		&net.UDPAddr{IP: net.IPv4(192, 0, 2, 10), Port: 1},
		&net.UnixAddr{Name: "x"},
		nil,
	} {
		if _, err := m.GetConn("aaaa", a); err == nil {
			t.Errorf("got a connection at %v", a)
		}
	}
	if m.Stats().Sessions != 0 {
		t.Fatalf("%+v", m.Stats())
	}
	if _, err := NewUDP(UDPConfig{}); err == nil {
		t.Error("a mux without sockets")
	}
}
