package turn

import (
	"net/netip"
	"strings"
	"sync"
)

// pairPrefix begins the ids of clients that may reach one another.
const pairPrefix = "pair."

// PairID answers the id, for IssueCredentials, of one of the clients that may
// reach one another through their relays: those of the same pair, and nobody
// else. pair must have no dot; what stands in it is for whoever makes it to keep
// secret or not, since the password is made from it by the server alone.
func PairID(pair, client string) string { return pairPrefix + pair + "." + client }

// pairOf is the pair that an id belongs to; empty for none.
func pairOf(id string) string {
	rest, found := strings.CutPrefix(id, pairPrefix)
	if !found {
		return ""
	}
	pair, _, found := strings.Cut(rest, ".")
	if !found {
		return ""
	}
	return pair
}

// pairs knows the relays that may speak with one another. Any goroutine may use
// it; the lock is a leaf.
//
// Relays of a pair meet on this host, on the addresses to which they are bound:
// the ones that clients are told may be a NAT's, which need not lead back. Each
// hears the other under the address that clients know.
type pairs struct {
	mu    sync.RWMutex
	told  map[netip.AddrPort]*relay
	local map[netip.AddrPort]*relay
}

func newPairs() *pairs {
	return &pairs{told: make(map[netip.AddrPort]*relay), local: make(map[netip.AddrPort]*relay)}
}

// add takes in a relay; one of no pair stays unknown.
func (p *pairs) add(r *relay) {
	if r.pair == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told[r.told], p.local[r.bound] = r, r
}

func (p *pairs) remove(r *relay) {
	if r.pair == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told[r.told] == r {
		delete(p.told, r.told)
	}
	if p.local[r.bound] == r {
		delete(p.local, r.bound)
	}
}

// to answers where on this host a peer is that is a relay of the same pair.
func (p *pairs) to(pair string, peer netip.AddrPort) (netip.AddrPort, bool) {
	if pair == "" {
		return netip.AddrPort{}, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if r := p.told[normalPort(peer)]; r != nil && r.pair == pair {
		return r.bound, true
	}
	return netip.AddrPort{}, false
}

// from answers under which address clients know a relay of the same pair.
func (p *pairs) from(pair string, source netip.AddrPort) (netip.AddrPort, bool) {
	if pair == "" {
		return netip.AddrPort{}, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if r := p.local[normalPort(source)]; r != nil && r.pair == pair {
		return r.told, true
	}
	return netip.AddrPort{}, false
}

// host says whether some relay of a pair is known at addr: all that a permission
// can be asked. The port is looked at with each packet.
func (p *pairs) host(addr netip.Addr) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for told := range p.told {
		if told.Addr() == normal(addr) {
			return true
		}
	}
	return false
}

// meeting is the address on which a relay can be reached from this host.
func meeting(bound netip.AddrPort) netip.AddrPort {
	switch addr := bound.Addr(); {
	case addr == netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), bound.Port())
	case addr == netip.IPv6Unspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), bound.Port())
	}
	return bound
}
