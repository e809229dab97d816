package client

import (
	"net"

	"github.com/pion/transport/v5"
)

// anywhere is a network whose sockets are bound to a port alone: which address a
// packet leaves by is decided when it leaves. Candidates are told with the
// address that was asked for.
type anywhere struct{ transport.Net }

// roaming answers the network for media.
func (o *Options) roaming(n transport.Net) transport.Net {
	if o.Roam {
		return anywhere{n}
	}
	return n
}

// ListenUDP opens a socket. One on loopback stays there: nothing moves it.
func (n anywhere) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	if local != nil && !local.IP.IsLoopback() {
		unbound := &net.UDPAddr{IP: net.IPv4zero, Port: local.Port}
		if local.IP.To4() == nil {
			unbound.IP = net.IPv6unspecified
		}
		local = unbound
	}
	return n.Net.ListenUDP(network, local)
}
