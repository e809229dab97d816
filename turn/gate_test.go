package turn

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
)

// Where pion is silent, or opens sockets in vain, the gate answers.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, _ := l.udpProbe("u")
		sockets := l.net.count()
		for _, c := range []struct {
			name   string
			method stun.Method
			attr   []stun.Setter
			want   int
		}{
			{"refresh without allocation", stun.MethodRefresh, nil, 437},
			{"permission without allocation", stun.MethodCreatePermission, []stun.Setter{peerAttribute(mediaAddr)}, 437},
			{"channel without allocation", stun.MethodChannelBind, []stun.Setter{channelAttribute(0x4000), peerAttribute(mediaAddr)}, 437},
			{"connect without allocation", stun.MethodConnect, []stun.Setter{peerAttribute(mediaAddr)}, 437},
			{"TCP allocation", stun.MethodAllocate, []stun.Setter{attribute(stun.AttrRequestedTransport, 6, 0, 0, 0)}, 442},
			{"no transport", stun.MethodAllocate, nil, 400},
			{"two ports", stun.MethodAllocate, []stun.Setter{udpTransport, attribute(stun.AttrEvenPort, 0x80)}, 508},
			{"reservation", stun.MethodAllocate, []stun.Setter{udpTransport, attribute(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8)}, 508},
			{"zero lifetime", stun.MethodAllocate, []stun.Setter{udpTransport, lifetimeAttribute(0)}, 508},
			{"allocation", stun.MethodAllocate, []stun.Setter{udpTransport}, 0},
			{"second allocation", stun.MethodAllocate, []stun.Setter{udpTransport}, 437},
			{"connect over UDP", stun.MethodConnect, []stun.Setter{peerAttribute(mediaAddr)}, 447},
		} {
			if code := p.do(c.method, c.attr...); code != c.want {
				t.Errorf("%s = %d, want %d", c.name, code, c.want)
			}
		}
		if opened := l.net.count() - sockets; opened != 1 {
			t.Errorf("%d sockets opened, want 1", opened)
		}
		// Somebody else on the same address and port: RFC 8656 §5, 441.
		l.credentials(p, "thief", time.Hour)
		if code := p.do(stun.MethodRefresh, lifetimeAttribute(0)); code != 441 {
			t.Errorf("another user's refresh = %d, want 441", code)
		}
		stats := l.server.Stats()
		if stats.Refused.NoAllocation != 4 || stats.Refused.WrongUser != 1 || stats.AllocationsNow != 1 {
			t.Errorf("stats %+v", stats.Refused)
		}
		// A forged refresh draws no answer under our key, only pion's challenge.
		p.password = "guess"
		if code := p.do(stun.MethodRefresh); code != 401 {
			t.Errorf("forged refresh = %d, want 401", code)
		}
	})
}

// One address cannot make the server answer without end; another is not harmed.
func TestAnswersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Limits.AnswersPerSecond, c.Limits.AnswersBurst = 10, 20 })
		defer l.close()
		victim := l.net.open(netip.MustParseAddrPort("203.0.113.9:5"))
		defer func() { _ = victim.Close() }()
		binding := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
		allocate := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udpTransport).Raw
		forged := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udpTransport,
			stun.NewUsername("x"), stun.NewRealm("rivulet"), stun.NewNonce("stale"), stun.NewLongTermIntegrity("x", "rivulet", "y")).Raw
		for range 100 {
			for _, b := range [][]byte{binding, allocate, forged} {
				if _, err := victim.WriteTo(b, net.UDPAddrFromAddrPort(serverAddr)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		if got := len(victim.in); got != 20 {
			t.Errorf("%d answers to 300 requests at once, want the burst of 20", got)
		}
		if dropped := l.server.Stats().Dropped.RateLimited; dropped != 280 {
			t.Errorf("%d counted as limited, want 280", dropped)
		}
		if p, _ := l.udpProbe("u"); p.allocate() != 0 {
			t.Error("another address was harmed")
		}
		time.Sleep(time.Second)
		for range 100 {
			if _, err := victim.WriteTo(binding, net.UDPAddrFromAddrPort(serverAddr)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := len(victim.in); got != 30 {
			t.Errorf("%d answers after a second, want 10 more", got)
		}
	})
}
