package node

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// believing replaces the address of a request that came through trusted proxies
// by that of the client, so that limits do not count a proxy as one client.
//
// X-Forwarded-For grows at its end: each proxy appends who spoke to it. So the
// list is read from the end, and the first address that is no proxy of ours is
// the client; whatever stands before it the client may have made up.
func believing(proxies []netip.Prefix, h http.Handler) http.Handler {
	if len(proxies) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client, ok := clientOf(r, proxies); ok {
			r.RemoteAddr = net.JoinHostPort(client.String(), "0")
		}
		h.ServeHTTP(w, r)
	})
}

// clientOf answers the address behind the proxies; false when the request did
// not come through one, or the header makes no sense.
func clientOf(r *http.Request, proxies []netip.Prefix) (netip.Addr, bool) {
	direct, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !trusted(direct.Addr(), proxies) {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return netip.Addr{}, false
		}
		if addr = addr.Unmap().WithZone(""); !trusted(addr, proxies) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

func trusted(addr netip.Addr, proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p.Contains(addr.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}
