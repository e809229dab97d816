package turn

import (
	"bytes"
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
		synctest.Wait() // a packet is counted when it is out, perhaps after its echo
		stats := l.server.Stats()
		want := Traffic{Packets: rounds, Bytes: 20*100 + 190}
		if stats.ToPeers != want || stats.FromPeers != want {
			t.Errorf("traffic to %+v from %+v, want %+v", stats.ToPeers, stats.FromPeers, want)
		}
		// An hour of virtual time: refreshes keep it alive. Not on the minute,
		// when the client's own timers run.
		time.Sleep(time.Hour + 7*time.Second)
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
