package turn

import (
	"net"
	"time"

	pion "github.com/pion/turn/v5"
)

// generator plugs relays into pion.
type generator struct{ server *Server }

// Validate implements pion.RelayAddressGenerator.
func (generator) Validate() error { return nil }

// AllocatePacketConn opens the relay of one allocation and counts it; pion
// answers any error with 508 (Insufficient Capacity).
func (g generator) AllocatePacketConn(request pion.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	s := g.server
	// EVEN-PORT makes pion open up to 128 sockets, for nobody, in search of
	// an even number; a reservation asks for a port.
	if request.UserID == "" || request.RequestedPort != 0 {
		s.counters.unsupported.Add(1)
		return nil, nil, errUnsupported
	}
	user := request.UserID
	if err := s.quota.reserve(user); err != nil {
		s.countQuota(err)
		return nil, nil, err
	}
	conn, told, err := s.config.Relay(RelayRequest{IPv6: request.Network == "udp6", User: user})
	if err != nil {
		s.quota.release(user, nil)
		s.counters.relayFailed.Add(1)
		s.log.Warn("relay socket could not be opened", "ipv6", request.Network == "udp6", "error", err)
		return nil, nil, err
	}
	r := newRelay(conn, s.policy, &s.counters, func(r *relay) { s.quota.release(user, r) })
	r.age = time.AfterFunc(s.config.MaxAge, r.expire)
	if err := s.quota.hold(r); err != nil {
		_ = r.Close()
		return nil, nil, err
	}
	s.counters.allocations.Add(1)
	return r, net.UDPAddrFromAddrPort(told), nil
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
