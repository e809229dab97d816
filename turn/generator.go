package turn

import (
	"errors"
	"net"
	"net/netip"
	"time"

	pion "github.com/pion/turn/v5"
)

// generator plugs relays into pion.
type generator struct {
	server *Server
	stream bool // its clients come by TCP or TLS
}

// Validate implements pion.RelayAddressGenerator.
func (generator) Validate() error { return nil }

// AllocatePacketConn opens the relay of one allocation and counts it; pion
// answers any error with 508 (Insufficient Capacity).
func (g generator) AllocatePacketConn(request pion.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	s := g.server
	// For EVEN-PORT pion opens sockets for nobody until one is even, closes
	// it, and asks for its number: here it gets a number that stands for
	// "any even one", and no socket. Another number comes of a reservation.
	if request.UserID == "" {
		return noSocket{}, &net.UDPAddr{Port: evenPort}, nil
	}
	if request.RequestedPort != 0 && request.RequestedPort != evenPort {
		s.counters.unsupported.Add(1)
		return nil, nil, errUnsupported
	}
	user := request.UserID
	if err := s.quota.reserve(user); err != nil {
		s.countQuota(err)
		return nil, nil, err
	}
	conn, told, err := s.openRelay(RelayRequest{IPv6: request.Network == "udp6", User: user}, request.RequestedPort == evenPort)
	if err != nil {
		s.quota.release(user, nil)
		s.counters.relayFailed.Add(1)
		s.log.Warn("relay socket could not be opened", "ipv6", request.Network == "udp6", "error", err)
		return nil, nil, err
	}
	r := newRelay(conn, s.policy, &s.counters, func(r *relay) {
		s.streams.remove(r)
		s.quota.release(user, r)
	})
	r.join(s.pairs, user, told)
	r.age = time.AfterFunc(s.config.MaxAge, r.expire)
	if err := s.quota.hold(r); err != nil {
		_ = r.Close()
		return nil, nil, err
	}
	if g.stream {
		s.streams.add(r, told)
	}
	s.counters.allocations.Add(1)
	return r, net.UDPAddrFromAddrPort(told), nil
}

const (
	// evenPort is what pion is told for "any even port". It is no port that
	// a relay has: the kernel gives none below 1024.
	evenPort = 2
	// evenTries is how many sockets are opened in search of an even port.
	evenTries = 16
)

// noSocket is closed by pion and never used.
type noSocket struct{ net.PacketConn }

func (noSocket) Close() error { return nil }

// openRelay opens the socket of one allocation, on an even port if asked
// (RFC 8656 §7.2, EVEN-PORT).
func (s *Server) openRelay(request RelayRequest, even bool) (net.PacketConn, netip.AddrPort, error) {
	for range evenTries {
		conn, told, err := s.config.Relay(request)
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		if !even || told.Port()%2 == 0 {
			return conn, told, nil
		}
		_ = conn.Close()
	}
	return nil, netip.AddrPort{}, errors.New("no even port to be had")
}

// AllocateListener refuses allocations over TCP (RFC 6062).
func (g generator) AllocateListener(pion.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	g.server.counters.unsupported.Add(1)
	return nil, nil, errUnsupported
}

// AllocateConn refuses connections over TCP to peers (RFC 6062).
func (g generator) AllocateConn(pion.AllocateConnConfig) (net.Conn, error) {
	g.server.counters.unsupported.Add(1)
	return nil, errUnsupported
}
