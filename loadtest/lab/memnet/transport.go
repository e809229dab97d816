package memnet

import (
	"context"
	"net"
	"net/netip"

	"github.com/pion/transport/v5"
)

// This file holds the listeners and dialers of Host in the types of
// transport.Net.

// ListenUDP binds a UDP socket; a nil address or a zero port lets the host
// choose.
func (h *Host) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	if err := checkNetwork(network, "udp"); err != nil {
		return nil, err
	}
	c, err := h.listenUDP(network, fromUDP(local))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenTCP accepts streams.
func (h *Host) ListenTCP(network string, local *net.TCPAddr) (transport.TCPListener, error) {
	if err := checkNetwork(network, "tcp"); err != nil {
		return nil, err
	}
	l, err := h.listenTCP(network, fromTCP(local))
	if err != nil {
		return nil, err
	}
	return l, nil
}

// DialUDP makes a connected UDP socket.
func (h *Host) DialUDP(network string, local, remote *net.UDPAddr) (transport.UDPConn, error) {
	if err := checkNetwork(network, "udp"); err != nil {
		return nil, err
	}
	c, err := h.connect(network, fromUDP(local), fromUDP(remote))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialTCP connects a stream.
func (h *Host) DialTCP(network string, local, remote *net.TCPAddr) (transport.TCPConn, error) {
	if err := checkNetwork(network, "tcp"); err != nil {
		return nil, err
	}
	c, err := h.open(context.Background(), network, fromTCP(local), fromTCP(remote))
	if err != nil {
		return nil, err
	}
	return c, nil
}

func fromUDP(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.IP, a.Port)
}

func fromTCP(a *net.TCPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.IP, a.Port)
}
