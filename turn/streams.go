package turn

import (
	"net/netip"
	"sync"
)

// streams knows the relays whose clients come by TCP or TLS, by each address that
// peers may see packets of them from. Its size is bounded by the quota.
type streams struct {
	mu     sync.RWMutex
	relays map[netip.AddrPort]*relay
}

func (s *streams) add(r *relay, told netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relays == nil {
		s.relays = make(map[netip.AddrPort]*relay)
	}
	s.relays[normalPort(told)] = r
	if local := udpAddrPort(r.local); local.IsValid() && !local.Addr().IsUnspecified() {
		s.relays[normalPort(local)] = r
	}
	if r.isClosed() { // meanwhile, so nobody takes it out again
		s.removeLocked(r)
	}
}

func (s *streams) remove(r *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(r)
}

func (s *streams) removeLocked(r *relay) {
	for at, other := range s.relays {
		if other == r {
			delete(s.relays, at)
		}
	}
}

// OverTCP says whether an address is a relay of this server whose client comes by
// TCP or TLS: what is sent there is repaired and kept in order on the client's
// side, though it leaves by UDP. It is safe for concurrent use.
func (s *Server) OverTCP(relay netip.AddrPort) bool {
	s.streams.mu.RLock()
	defer s.streams.mu.RUnlock()
	return s.streams.relays[normalPort(relay)] != nil
}
