package client

import (
	"net"
	"testing"

	"github.com/pion/transport/v5"
)

// asked remembers where a socket was to be bound.
type asked struct {
	transport.Net
	local *net.UDPAddr
}

func (a *asked) ListenUDP(_ string, local *net.UDPAddr) (transport.UDPConn, error) {
	a.local = local
	return nil, nil
}

func TestRoamingSocketsAreBoundToNoAddress(t *testing.T) {
	for local, want := range map[string]string{
		"192.0.2.7:5000":     "0.0.0.0:5000",
		"[2001:db8::7]:5000": "[::]:5000",
		"127.0.0.1:5000":     "127.0.0.1:5000",
		"[::1]:0":            "[::1]:0",
	} {
		a := &asked{}
		addr, err := net.ResolveUDPAddr("udp", local)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&Options{Roam: true}).roaming(a).ListenUDP("udp", addr); err != nil || a.local.String() != want {
			t.Errorf("%s: bound to %v, want %s; %v", local, a.local, want, err)
		}
		if _, err := (&Options{}).roaming(a).ListenUDP("udp", addr); err != nil || a.local.String() != local {
			t.Errorf("%s: bound to %v without roaming; %v", local, a.local, err)
		}
	}
}
