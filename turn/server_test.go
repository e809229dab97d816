package turn

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/transport/v5/stdnet"
	pion "github.com/pion/turn/v5"
)

// A whole client, not of ours, over UDP: allocate, permission, data by Send
// indication and then by channel, refresh, end.
func TestRelayWithPionClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		creds, err := l.server.IssueCredentials(time.Now(), "opaque-1", 2*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		socket := l.net.open(netip.AddrPortFrom(clientHost, 0))
		defer func() { _ = socket.Close() }()
		client, err := pion.NewClient(&pion.ClientConfig{
			TURNServerAddr: serverAddr.String(), Conn: socket, Net: &stdnet.Net{},
			Username: creds.Username, Password: creds.Password,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := client.Listen(); err != nil {
			t.Fatal(err)
		}
		conn, err := client.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		if now := l.server.Stats(); now.AllocationsNow != 1 || now.AllocationsTotal != 1 {
			t.Errorf("allocations now %d total %d, want 1 and 1", now.AllocationsNow, now.AllocationsTotal)
		}
		const rounds = 20
		buf := make([]byte, 2048)
		for i := range rounds {
			out := bytes.Repeat([]byte{byte(i)}, 100+i)
			if _, err := conn.WriteTo(out, net.UDPAddrFromAddrPort(mediaAddr)); err != nil {
				t.Fatal(err)
			}
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf[:n], out) || from.String() != mediaAddr.String() {
				t.Fatalf("round %d: %d bytes from %v, want %d from %v", i, n, from, len(out), mediaAddr)
			}
		}
		stats := l.server.Stats()
		want := Traffic{Packets: rounds, Bytes: 20*100 + 190}
		if stats.ToPeers != want || stats.FromPeers != want {
			t.Errorf("traffic to %+v from %+v, want %+v", stats.ToPeers, stats.FromPeers, want)
		}
		// An hour of virtual time: refreshes keep it alive.
		time.Sleep(time.Hour)
		if now := l.server.Stats().AllocationsNow; now != 1 {
			t.Errorf("%d allocations after an hour of refreshes, want 1", now)
		}
		if _, err := conn.WriteTo([]byte("still"), net.UDPAddrFromAddrPort(mediaAddr)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := conn.ReadFrom(buf); err != nil || string(buf[:n]) != "still" {
			t.Fatalf("after an hour: %q, %v", buf[:n], err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if now := l.server.Stats().AllocationsNow; now != 0 {
			t.Errorf("%d allocations after the client's end, want 0", now)
		}
	})
}

// A peer that is not on the list gets no permission, no channel and no packet,
// by address and by port, and reaches no client.
func TestPeersAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		other := l.net.open(otherAddr)
		defer func() { _ = other.Close() }()
		p, client := l.udpProbe("u")
		if code := p.allocate(); code != 0 {
			t.Fatalf("allocate = %d", code)
		}
		for name, c := range map[string]struct {
			peer       string
			permission int
			channel    int
		}{
			"media":              {"192.0.2.1:7882", 0, 0},
			"another port":       {"192.0.2.1:22", 0, 403}, // a permission has no port
			"port zero":          {"192.0.2.1:0", 0, 403},
			"another host":       {"192.0.2.2:7882", 403, 403},
			"loopback":           {"127.0.0.1:7882", 403, 403},
			"unspecified":        {"0.0.0.0:7882", 403, 403},
			"broadcast":          {"255.255.255.255:7882", 403, 403},
			"multicast":          {"224.0.0.1:7882", 403, 403},
			"metadata service":   {"169.254.169.254:80", 403, 403},
			"mapped loopback":    {"[::ffff:127.0.0.1]:7882", 403, 403},
			"mapped unspecified": {"[::ffff:0.0.0.0]:7882", 403, 403},
			"unspecified 6":      {"[::]:7882", 443, 403},
			"loopback 6":         {"[::1]:7882", 443, 403},
			"NAT64 loopback":     {"[64:ff9b::7f00:1]:7882", 443, 403},
		} {
			peer := peerAttribute(netip.MustParseAddrPort(c.peer))
			if code := p.do(stun.MethodCreatePermission, peer); code != c.permission {
				t.Errorf("%s: CreatePermission = %d, want %d", name, code, c.permission)
			}
			if code := p.do(stun.MethodChannelBind, channelAttribute(0x4001), peer); code != c.channel {
				t.Errorf("%s: ChannelBind = %d, want %d", name, code, c.channel)
			}
		}
		// The permission for the host must not open its other ports.
		indication := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
			peerAttribute(otherAddr), attribute(stun.AttrData, 'h', 'i'))
		if err := p.sendRaw(indication.Raw); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(other.in) != 0 || l.server.Stats().Dropped.ToPeer != 1 {
			t.Errorf("another port received %d packets, dropped %d; want 0 and 1", len(other.in), l.server.Stats().Dropped.ToPeer)
		}
		// Nor may the other port reach the client, even unasked.
		var relay netip.AddrPort
		l.net.mu.Lock()
		for addr := range l.net.sockets {
			if addr.Addr() == relayHost && addr.Port() >= 50000 {
				relay = addr
			}
		}
		l.net.mu.Unlock()
		if _, err := other.WriteTo([]byte("intruder"), net.UDPAddrFromAddrPort(relay)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(client.in) != 0 || l.server.Stats().Dropped.FromPeer != 1 {
			t.Errorf("client received %d packets, dropped %d; want 0 and 1", len(client.in), l.server.Stats().Dropped.FromPeer)
		}
	})
}

func TestEmptyPeersAllowNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Peers = Peers{} })
		defer l.close()
		p, _ := l.udpProbe("u")
		if code := p.allocate(); code != 0 {
			t.Fatalf("allocate = %d", code)
		}
		if code := p.do(stun.MethodCreatePermission, peerAttribute(mediaAddr)); code != 403 {
			t.Errorf("CreatePermission = %d, want 403", code)
		}
	})
}

func TestCredentialsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		cases := map[string]struct {
			change func(*probe)
			count  func(Stats) uint64
		}{
			"wrong password": {func(p *probe) { p.password = "guess" }, func(s Stats) uint64 { return s.Auth.Integrity }},
			"no expiry":      {func(p *probe) { p.username = "someone" }, func(s Stats) uint64 { return s.Auth.Username }},
			"other id":       {func(p *probe) { p.username += "x" }, func(s Stats) uint64 { return s.Auth.Integrity }},
			"later expiry":   {func(p *probe) { p.username = "9" + p.username }, func(s Stats) uint64 { return s.Auth.Integrity }},
			"other realm":    {func(p *probe) { p.realm = "elsewhere" }, func(s Stats) uint64 { return s.Auth.Username }},
			"expired":        {func(p *probe) { time.Sleep(time.Hour) }, func(s Stats) uint64 { return s.Auth.Expired }},
		}
		for name, c := range cases {
			p, _ := l.udpProbe("u")
			p.send(stun.MethodAllocate, udpTransport)
			if code := p.code(); code != 401 {
				t.Fatalf("challenge = %d", code)
			}
			before := c.count(l.server.Stats())
			c.change(p)
			if code := p.allocate(); code != 401 {
				t.Errorf("%s: allocate = %d, want 401", name, code)
			}
			if got := c.count(l.server.Stats()) - before; got != 1 {
				t.Errorf("%s: counted %d times, want 1", name, got)
			}
		}
		if total := l.server.Stats().AllocationsTotal; total != 0 {
			t.Errorf("%d allocations were made", total)
		}
	})
}

// Credentials that expire during an allocation refresh nothing any more, and the
// allocation ends.
func TestExpiredRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, _ := l.udpProbe("u")
		l.credentials(p, "u", 15*time.Minute)
		if code := p.allocate(); code != 0 {
			t.Fatalf("allocate = %d", code)
		}
		time.Sleep(8 * time.Minute)
		if code := p.do(stun.MethodRefresh); code != 0 {
			t.Fatalf("refresh in time = %d", code)
		}
		time.Sleep(8 * time.Minute)
		if code := p.do(stun.MethodRefresh); code != 401 {
			t.Errorf("refresh with expired credentials = %d, want 401", code)
		}
		if code := p.do(stun.MethodCreatePermission, peerAttribute(mediaAddr)); code != 401 {
			t.Errorf("permission with expired credentials = %d, want 401", code)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if now := l.server.Stats().AllocationsNow; now != 0 {
			t.Errorf("%d allocations after the lifetime, want 0", now)
		}
		// New credentials of the same id are as good as the old.
		l.credentials(p, "u", time.Hour)
		if code := p.allocate(); code != 0 {
			t.Errorf("allocate with new credentials = %d", code)
		}
	})
}

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
		g := generator{l.server}
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
			{"even port", stun.MethodAllocate, []stun.Setter{udpTransport, attribute(stun.AttrEvenPort, 0x80)}, 508},
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

// Errors that pass do not end the server, its sockets or its allocations.
func TestPassingErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var relay *socket
		l := newLab(t, func(c *Config) {
			open := c.Relay
			c.Relay = func(r RelayRequest) (net.PacketConn, netip.AddrPort, error) {
				conn, addr, err := open(r)
				relay = conn.(*socket)
				return conn, addr, err
			}
		})
		defer l.close()
		for i := range 3 {
			l.udp.fail <- fmt.Errorf("passing %d", i)
			l.tcp.fail <- fmt.Errorf("passing %d", i)
		}
		time.Sleep(5 * time.Second)
		p, _ := l.udpProbe("u")
		if code := p.allocate(); code != 0 {
			t.Fatalf("allocate over UDP = %d", code)
		}
		for i := range 3 {
			relay.fail <- fmt.Errorf("passing %d", i)
		}
		time.Sleep(5 * time.Second)
		if now := l.server.Stats().AllocationsNow; now != 1 {
			t.Errorf("%d allocations after passing errors, want 1", now)
		}
		q, conn := l.tcpProbe("u")
		defer func() { _ = conn.Close() }()
		if code := q.allocate(); code != 0 {
			t.Errorf("allocate over TCP = %d", code)
		}
	})
}

// A packet too large for a relay is dropped whole, never cut.
func TestOversizedPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, client := l.udpProbe("u")
		if p.allocate() != 0 || p.do(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(mediaAddr)) != 0 {
			t.Fatal("no channel")
		}
		for _, size := range []int{1500, 1592, 1600, 1700} {
			if err := p.sendRaw(channelData(0x4000, make([]byte, size))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := len(client.in); got != 2 {
			t.Errorf("%d packets came back, want the two that fit", got)
		}
		if dropped := l.server.Stats().Dropped.Oversized; dropped != 2 {
			t.Errorf("%d counted as oversized, want 2", dropped)
		}
	})
}
