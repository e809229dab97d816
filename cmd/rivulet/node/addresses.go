package node

import "net/netip"

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
