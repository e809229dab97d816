package node

import (
	"fmt"
	"net"
	"net/netip"
)

// Hosts lists the addresses of this machine on which clients can reach it: those
// of interfaces that are up, without link-local ones. Loopback addresses come
// last, and only if asked for or if there is nothing else.
func Hosts(loopback bool) ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the machine's addresses: %w", err)
	}
	var all []netip.Addr
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
				all = append(all, prefix.Addr().Unmap())
			}
		}
	}
	return reachable(all, loopback), nil
}

// reachable picks the addresses to tell.
func reachable(all []netip.Addr, loopback bool) []netip.Addr {
	var hosts, loops []netip.Addr
	for _, a := range all {
		switch {
		case a.IsLoopback():
			loops = append(loops, a)
		case a.IsGlobalUnicast():
			hosts = append(hosts, a)
		}
	}
	if loopback || len(hosts) == 0 {
		hosts = append(hosts, loops...)
	}
	return hosts
}

// OfFamilies keeps the addresses of the IP versions that a socket serves.
func OfFamilies(all []netip.Addr, v4, v6 bool) []netip.Addr {
	var kept []netip.Addr
	for _, a := range all {
		if a.Is4() && v4 || a.Is6() && v6 {
			kept = append(kept, a)
		}
	}
	return kept
}
