package icemux

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// listingAge is how long a list of the host's addresses is good for: addresses
// of a server hardly change, and a thousand joins a second must not ask the
// kernel a thousand times.
const listingAge = 10 * time.Second

// listing remembers the host's addresses.
type listing struct {
	mu    sync.Mutex
	taken time.Time
	addrs []netip.Addr
}

// GetListenAddresses lists where the mux can be reached, as *net.UDPAddr: pion
// makes one host candidate of each. A socket bound to one address has that;
// one bound to an unspecified address has all of the host's that it serves,
// without link-local ones, and with loopback only if asked for or if there is
// nothing else.
//
// A public address that the host does not have is not for this list: the ICE
// agent's address rewriting announces it in place of, or beside, these.
func (m *UDP) GetListenAddresses() []net.Addr {
	var list []net.Addr
	for _, p := range m.ports {
		if !p.local.Addr().IsUnspecified() {
			list = append(list, net.UDPAddrFromAddrPort(p.local))
			continue
		}
		for _, ip := range m.hostAddresses() {
			if p.serves(ip) {
				list = append(list, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, p.local.Port())))
			}
		}
	}
	return list
}

// hostAddresses returns what an unspecified socket announces.
func (m *UDP) hostAddresses() []netip.Addr {
	if len(m.cfg.Addresses) > 0 {
		return m.cfg.Addresses
	}
	m.listing.mu.Lock()
	defer m.listing.mu.Unlock()
	now := time.Now()
	if l := &m.listing; l.taken.IsZero() || now.Sub(l.taken) > listingAge {
		ask := m.cfg.Interfaces
		if ask == nil {
			ask = interfaceAddresses
		}
		addrs, err := ask()
		if err != nil {
			m.log.Warn("cannot list the host's addresses", "error", err)
		}
		l.taken, l.addrs = now, announced(addrs, m.cfg.IncludeLoopback)
	}
	return m.listing.addrs
}

// announced picks the addresses that a client may be told.
func announced(addrs []netip.Addr, loopback bool) []netip.Addr {
	var list, loops []netip.Addr
	for _, ip := range addrs {
		ip = ip.Unmap()
		switch {
		case !ip.IsValid(), ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast():
		case ip.IsLoopback():
			loops = append(loops, ip)
		default:
			list = append(list, ip)
		}
	}
	if loopback || len(list) == 0 {
		list = append(list, loops...)
	}
	return list
}

// HostAddresses lists the addresses of this machine on which clients can reach it: those
// of interfaces that are up, without link-local ones. Loopback addresses come last, and
// only if asked for or if there is nothing else.
func HostAddresses(loopback bool) ([]netip.Addr, error) {
	all, err := interfaceAddresses()
	if err != nil {
		return nil, fmt.Errorf("list the machine's addresses: %w", err)
	}
	return announced(all, loopback), nil
}

// interfaceAddresses lists the addresses of interfaces that are up.
func interfaceAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				list = append(list, prefix.Addr())
			}
		}
	}
	return list, nil
}
