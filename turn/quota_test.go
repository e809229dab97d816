package turn

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"
)

func TestQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Limits.AllocationsPerUser, c.Limits.Allocations = 2, 3 })
		defer l.close()
		var first *probe
		for i, c := range []struct {
			id   string
			want int
		}{{"a", 0}, {"a", 0}, {"a", 486}, {"b", 0}, {"c", 486}} {
			p, _ := l.udpProbe(c.id)
			if code := p.allocate(); code != c.want {
				t.Errorf("allocation %d of %s = %d, want %d", i, c.id, code, c.want)
			}
			if first == nil {
				first = p
			}
		}
		stats := l.server.Stats()
		if stats.Refused.UserQuota != 1 || stats.Refused.Quota != 1 || stats.AllocationsNow != 3 {
			t.Errorf("stats %+v", stats)
		}
		if code := first.do(stun.MethodRefresh, lifetimeAttribute(0)); code != 0 {
			t.Fatalf("release = %d", code)
		}
		synctest.Wait()
		p, _ := l.udpProbe("c")
		if code := p.allocate(); code != 0 {
			t.Errorf("allocation after one was released = %d", code)
		}
	})
}

// The time between pion's question and the deed leaves no gap, and a failed
// socket costs no quota.
func TestQuotaIsEnforcedAtTheSocket(t *testing.T) {
	broken := errors.New("no socket")
	synctest.Test(t, func(t *testing.T) {
		fail := true
		l := newLab(t, func(c *Config) {
			c.Limits.Allocations = 1
			open := c.Relay
			c.Relay = func(r RelayRequest) (net.PacketConn, netip.AddrPort, error) {
				if fail {
					return nil, netip.AddrPort{}, broken
				}
				return open(r)
			}
		})
		defer l.close()
		g := generator{server: l.server}
		request := pion.AllocateListenerConfig{Network: "udp4", UserID: "u"}
		if _, _, err := g.AllocatePacketConn(request); !errors.Is(err, broken) {
			t.Fatalf("broken allocator: %v", err)
		}
		fail = false
		conn, addr, err := g.AllocatePacketConn(request)
		if err != nil {
			t.Fatal(err)
		}
		if addr.(*net.UDPAddr).AddrPort().Addr() != relayHost {
			t.Errorf("told address %v", addr)
		}
		if _, _, err := g.AllocatePacketConn(request); !errors.Is(err, errQuota) {
			t.Errorf("second of one = %v, want errQuota", err)
		}
		for range 2 { // closing twice gives back once
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if now := l.server.Stats().AllocationsNow; now != 0 {
			t.Errorf("in use %d", now)
		}
		if err := l.server.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.AllocatePacketConn(request); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v, want errClosed", err)
		}
	})
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.MaxAge = 30 * time.Minute })
		defer l.close()
		p, _ := l.udpProbe("u")
		if code := p.allocate(); code != 0 {
			t.Fatalf("allocate = %d", code)
		}
		for range 5 {
			time.Sleep(5 * time.Minute)
			if code := p.do(stun.MethodRefresh); code != 0 {
				t.Fatalf("refresh = %d", code)
			}
		}
		time.Sleep(6 * time.Minute)
		if now := l.server.Stats().AllocationsNow; now != 0 {
			t.Errorf("%d allocations beyond the maximum age", now)
		}
		if code := p.do(stun.MethodRefresh); code != 437 {
			t.Errorf("refresh beyond the maximum age = %d, want 437", code)
		}
	})
}

// EVEN-PORT without a reservation, as coturn's client sends it at random.
func TestEvenPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		before := l.net.count()
		for i := range 4 {
			p, _ := l.udpProbe("u")
			p.send(stun.MethodAllocate, udpTransport)
			if code := p.code(); code != 401 {
				t.Fatalf("challenge = %d", code)
			}
			p.send(stun.MethodAllocate, udpTransport, attribute(stun.AttrEvenPort, 0))
			m := p.message()
			var relayed stun.XORMappedAddress
			if m == nil || relayed.GetFromAs(m, stun.AttrXORRelayedAddress) != nil || relayed.Port%2 != 0 || relayed.Port < 50000 {
				t.Fatalf("allocation %d: relayed address %v in %v", i, relayed, m)
			}
		}
		if opened := l.net.count() - before; opened != 2*4 { // a client's and a relay's each
			t.Errorf("%d sockets left open, want 8", opened)
		}
	})
}
