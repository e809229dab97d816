package turn

import (
	"net/netip"
	"testing"
	"time"
)

func TestPolicy(t *testing.T) {
	addresses := func(list ...string) (p Peers) {
		for _, a := range list {
			p.Addresses = append(p.Addresses, netip.MustParseAddrPort(a))
		}
		return p
	}
	prefixes := func(list ...string) (p Peers) {
		for _, a := range list {
			p.Prefixes = append(p.Prefixes, netip.MustParsePrefix(a))
		}
		return p
	}
	cases := []struct {
		name  string
		peers Peers
		peer  string
		host  bool // a permission
		exact bool // a packet
	}{
		{"empty", Peers{}, "192.0.2.1:7882", false, false},
		{"listed", addresses("192.0.2.1:7882"), "192.0.2.1:7882", true, true},
		{"listed, other port", addresses("192.0.2.1:7882"), "192.0.2.1:7883", true, false},
		{"listed, port zero", addresses("192.0.2.1:7882"), "192.0.2.1:0", true, false},
		{"not listed", addresses("192.0.2.1:7882"), "192.0.2.2:7882", false, false},
		{"mapped spelling asked", addresses("192.0.2.1:7882"), "[::ffff:192.0.2.1]:7882", true, true},
		{"mapped spelling listed", addresses("[::ffff:192.0.2.1]:7882"), "192.0.2.1:7882", true, true},
		{"compatible spelling", addresses("192.0.2.1:7882"), "[::192.0.2.1]:7882", false, false},
		{"NAT64 spelling", addresses("192.0.2.1:7882"), "[64:ff9b::192.0.2.1]:7882", false, false},
		{"6to4 spelling", addresses("192.0.2.1:7882"), "[2002:c000:0201::]:7882", false, false},
		{"IPv6", addresses("[2001:db8::1]:7882"), "[2001:db8::1]:7882", true, true},
		{"zone asked", addresses("[fe80::1]:7882"), "[fe80::1%eth0]:7882", true, true},
		{"loopback unlisted", addresses("192.0.2.1:7882"), "127.0.0.1:7882", false, false},
		{"loopback listed", addresses("127.0.0.1:7882"), "127.0.0.1:7882", true, true},
		{"loopback listed, its neighbour", addresses("127.0.0.1:7882"), "127.0.0.2:7882", false, false},
		{"unspecified beside loopback", addresses("127.0.0.1:7882"), "0.0.0.0:7882", false, false},
		{"unspecified 6 beside loopback", addresses("[::1]:7882"), "[::]:7882", false, false},
		{"this network", prefixes("0.0.0.0/0"), "0.0.0.1:80", false, false},
		{"prefix", prefixes("192.0.2.0/24"), "192.0.2.77:9", true, true},
		{"prefix not masked", prefixes("192.0.2.1/24"), "192.0.2.77:9", true, true},
		{"beside prefix", prefixes("192.0.2.0/24"), "192.0.3.1:9", false, false},
		{"all, public", prefixes("0.0.0.0/0", "::/0"), "203.0.113.1:9", true, true},
		{"all, public 6", prefixes("0.0.0.0/0", "::/0"), "[2001:db8::1]:9", true, true},
		{"all, loopback", prefixes("0.0.0.0/0", "::/0"), "127.0.0.1:9", false, false},
		{"all, loopback 6", prefixes("0.0.0.0/0", "::/0"), "[::1]:9", false, false},
		{"all, mapped loopback", prefixes("0.0.0.0/0", "::/0"), "[::ffff:127.0.0.1]:9", false, false},
		{"all, metadata service", prefixes("0.0.0.0/0", "::/0"), "169.254.169.254:80", false, false},
		{"all, link-local 6", prefixes("0.0.0.0/0", "::/0"), "[fe80::1]:80", false, false},
		{"all, unspecified", prefixes("0.0.0.0/0", "::/0"), "0.0.0.0:9", false, false},
		{"all, multicast", prefixes("0.0.0.0/0", "::/0"), "224.0.0.1:9", false, false},
		{"all, multicast 6", prefixes("0.0.0.0/0", "::/0"), "[ff02::1]:9", false, false},
		{"all, broadcast", prefixes("0.0.0.0/0", "::/0"), "255.255.255.255:9", false, false},
		{"loopback prefix", prefixes("127.0.0.0/8"), "127.0.0.5:9", true, true},
		{"loopback host prefix", prefixes("::1/128"), "[::1]:9", true, true},
		{"wider than loopback", prefixes("126.0.0.0/7"), "127.0.0.1:9", false, false},
		{"link-local prefix", prefixes("169.254.0.0/16"), "169.254.1.1:9", true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.peers.validate(); err != nil {
				t.Fatal(err)
			}
			p := newPolicy(c.peers)
			peer := netip.MustParseAddrPort(c.peer)
			if got := p.host(peer.Addr()); got != c.host {
				t.Errorf("host(%v) = %v, want %v", peer.Addr(), got, c.host)
			}
			if got := p.peer(peer); got != c.exact {
				t.Errorf("peer(%v) = %v, want %v", peer, got, c.exact)
			}
		})
	}
	if p := newPolicy(addresses("192.0.2.1:1")); p.host(netip.Addr{}) || p.peer(netip.AddrPort{}) {
		t.Error("no address at all is allowed")
	}
}

func TestLimiter(t *testing.T) {
	start := time.Unix(1000, 0)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	l := newLimiter(10, 3)
	take := func(now time.Time, source netip.Addr, want bool) {
		t.Helper()
		if got := l.ready(now, source); got != want {
			t.Errorf("ready(%v) = %v, want %v", source, got, want)
		}
		if got := l.take(now, source); got != want {
			t.Errorf("take(%v) = %v, want %v", source, got, want)
		}
	}
	for range 3 {
		take(start, a, true)
	}
	take(start, a, false)
	take(start, netip.MustParseAddr("::ffff:192.0.2.1"), false)
	take(start, b, true)
	take(start.Add(-time.Hour), a, false) // time that runs back fills nothing
	l = newLimiter(10, 3)
	for range 3 {
		take(start, a, true)
	}
	take(start.Add(99*time.Millisecond), a, false)
	take(start.Add(200*time.Millisecond), a, true)
	for range 3 {
		take(start.Add(time.Hour), a, true)
	}
	take(start.Add(time.Hour), a, false)

	six := newLimiter(10, 1)
	if !six.take(start, netip.MustParseAddr("2001:db8::1")) || six.take(start, netip.MustParseAddr("2001:db8::2")) {
		t.Error("two addresses of one /64 do not share a bucket")
	}
	if !six.take(start, netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("another /64 shares the bucket")
	}
}

// Forged sources fill the table; then newcomers share one bucket, memory stays,
// and the table empties when they are gone.
func TestLimiterIsBounded(t *testing.T) {
	start := time.Unix(1000, 0)
	l := newLimiter(1, 2)
	l.max = 10
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	allowed := 0
	for i := range 1000 {
		if l.take(start, address(i)) {
			allowed++
		}
	}
	if allowed != 10+2 || len(l.buckets) != 10 {
		t.Errorf("%d answers and %d buckets, want 12 and 10", allowed, len(l.buckets))
	}
	if l.ready(start, address(2000)) {
		t.Error("a newcomer is promised what it will not get")
	}
	if later := start.Add(time.Minute); !l.take(later, address(5000)) || len(l.buckets) != 1 {
		t.Errorf("%d buckets after a minute of quiet, want 1", len(l.buckets))
	}
}
