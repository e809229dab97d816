package turn

import (
	"net/netip"
)

// policy answers whether a relay may speak with a peer. It never changes, so any
// goroutine may use it.
//
// It is a list of what is allowed; everything else is not. Spellings of IPv4
// inside IPv6 other than the mapped one (NAT64, 6to4, Teredo, "compatible") are
// simply not on the list.
type policy struct {
	exact    map[netip.AddrPort]struct{}
	hosts    map[netip.Addr]struct{} // the addresses of exact, without port
	prefixes []netip.Prefix
	ipv6     bool // some peer is reached over IPv6
}

// newPolicy reads a list that validate has passed.
func newPolicy(peers Peers) *policy {
	p := &policy{
		exact: make(map[netip.AddrPort]struct{}, len(peers.Addresses)),
		hosts: make(map[netip.Addr]struct{}, len(peers.Addresses)),
	}
	for _, a := range peers.Addresses {
		addr := normal(a.Addr())
		p.exact[netip.AddrPortFrom(addr, a.Port())] = struct{}{}
		p.hosts[addr] = struct{}{}
		p.ipv6 = p.ipv6 || addr.Is6()
	}
	for _, prefix := range peers.Prefixes {
		p.prefixes = append(p.prefixes, prefix.Masked())
		p.ipv6 = p.ipv6 || prefix.Addr().Is6()
	}
	return p
}

// host says whether some port at addr is allowed: all that a TURN permission,
// which has no port, can be asked (RFC 8656 §9).
func (p *policy) host(addr netip.Addr) bool {
	addr = normal(addr)
	if never(addr) {
		return false
	}
	if _, ok := p.hosts[addr]; ok {
		return true
	}
	return p.inPrefix(addr)
}

// peer says whether packets may pass to and from exactly that address and port.
func (p *policy) peer(a netip.AddrPort) bool {
	addr := normal(a.Addr())
	if never(addr) || a.Port() == 0 {
		return false
	}
	if _, ok := p.exact[netip.AddrPortFrom(addr, a.Port())]; ok {
		return true
	}
	return p.inPrefix(addr)
}

// inPrefix says whether a prefix covers addr; a wide one such as 0.0.0.0/0 does
// not open the loopback interface or a cloud's link-local metadata service.
func (p *policy) inPrefix(addr netip.Addr) bool {
	for _, prefix := range p.prefixes {
		if !prefix.Contains(addr) {
			continue
		}
		if within(addr, prefix, loopback4, loopback6) && within(addr, prefix, linkLocal4, linkLocal6) {
			return true
		}
	}
	return false
}

// Ranges that a wider prefix does not open.
var (
	loopback4  = netip.MustParsePrefix("127.0.0.0/8")
	loopback6  = netip.MustParsePrefix("::1/128")
	linkLocal4 = netip.MustParsePrefix("169.254.0.0/16")
	linkLocal6 = netip.MustParsePrefix("fe80::/10")
	thisNet4   = netip.MustParsePrefix("0.0.0.0/8")
	broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// within says whether addr is outside both ranges, or prefix lies inside the
// range that holds addr.
func within(addr netip.Addr, prefix netip.Prefix, ranges ...netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(addr) {
			return prefix.Bits() >= r.Bits()
		}
	}
	return true
}

// normal writes an address in the one way that the policy compares: IPv4 mapped
// into IPv6 as IPv4, and no zone.
func normal(addr netip.Addr) netip.Addr {
	return addr.Unmap().WithZone("")
}

// normalPort is normal for an address with a port.
func normalPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(normal(a.Addr()), a.Port())
}

// never says whether no list can allow addr: it is no single host's address.
// To 0.0.0.0 and :: the kernel delivers on loopback; that is how relays were
// made to reach what listens on 127.0.0.1.
func never(addr netip.Addr) bool {
	return !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr == broadcast4 || thisNet4.Contains(addr)
}
