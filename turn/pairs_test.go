package turn

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/pion/stun/v4"
)

// relayOf allocates, and answers the relay's address.
func relayOf(p *probe) netip.AddrPort {
	p.t.Helper()
	if p.nonce == "" {
		p.send(stun.MethodAllocate, udpTransport)
		p.code()
	}
	p.send(stun.MethodAllocate, udpTransport)
	m := p.message()
	var relayed stun.XORMappedAddress
	if m == nil || relayed.GetFromAs(m, stun.AttrXORRelayedAddress) != nil {
		p.t.Fatalf("allocate: %v", m)
	}
	addr, _ := netip.AddrFromSlice(relayed.IP)
	return netip.AddrPortFrom(addr.Unmap(), uint16(relayed.Port))
}

// sends sends a packet to a peer, with a permission or without.
func (p *probe) sends(to netip.AddrPort, text string) {
	p.t.Helper()
	indication := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAttribute(to), attribute(stun.AttrData, []byte(text)...))
	if err := p.sendRaw(indication.Raw); err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
}

// TestPairsMeet: the relays of a pair reach one another, each under the address
// that clients know; those of another pair, or of none, do not, and none of it
// opens anything else.
func TestPairsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		other := l.net.open(otherAddr)
		defer func() { _ = other.Close() }()
		ann, annSocket := l.udpProbe(PairID("x", "ann"))
		bob, bobSocket := l.udpProbe(PairID("x", "bob"))
		eve, eveSocket := l.udpProbe(PairID("y", "eve"))
		plain, plainSocket := l.udpProbe("x")
		a, b, e, p := relayOf(ann), relayOf(bob), relayOf(eve), relayOf(plain)
		for _, one := range []*probe{ann, bob, eve, plain} {
			for _, peer := range []netip.AddrPort{a, b, e, p} { // one host: a permission has no port
				if code := one.do(stun.MethodCreatePermission, peerAttribute(peer)); code != 0 {
					t.Fatalf("permission = %d", code)
				}
			}
		}
		for name, c := range map[string]struct {
			from  *probe
			to    netip.AddrPort
			opens bool
		}{
			"ann to bob": {ann, b, true}, "bob to ann": {bob, a, true},
			"ann to eve": {ann, e, false}, "eve to ann": {eve, a, false}, "plain to ann": {plain, a, false},
			"ann to plain": {ann, p, false}, "plain to eve": {plain, e, false}, "ann to a service": {ann, otherAddr, false},
		} {
			want := 403
			if c.opens {
				want = 0
			}
			if code := c.from.do(stun.MethodChannelBind, channelAttribute(0x4001), peerAttribute(c.to)); code != want {
				t.Errorf("%s: ChannelBind = %d, want %d", name, code, want)
			}
		}
		for _, s := range []*socket{annSocket, bobSocket, eveSocket, plainSocket} {
			if len(s.in) != 0 {
				t.Fatalf("a client has heard something before anything was sent")
			}
		}
		ann.sends(e, "to eve")
		ann.sends(p, "to plain")
		eve.sends(a, "to ann")
		plain.sends(b, "to bob")
		ann.sends(otherAddr, "to a service")
		if n := len(eveSocket.in) + len(plainSocket.in) + len(annSocket.in) + len(bobSocket.in) + len(other.in); n != 0 {
			t.Errorf("%d packets came through that must not", n)
		}
		if dropped := l.server.Stats().Dropped.ToPeer; dropped != 5 {
			t.Errorf("%d packets were dropped, want 5", dropped)
		}
		ann.sends(b, "hello")
		// Through the channel that bob has bound to ann's relay: he knows it by that address.
		if heard, err := bob.receive(); err != nil || string(heard) != string(channelData(0x4001, []byte("hello"))) {
			t.Errorf("bob hears % x (%v)", heard, err)
		}
		// A relay that is gone is nobody's any longer.
		if code := bob.do(stun.MethodRefresh, lifetimeAttribute(0)); code != 0 {
			t.Fatalf("refresh = %d", code)
		}
		synctest.Wait()
		if _, ok := l.server.pairs.to("x", b); ok || l.server.pairs.host(netip.MustParseAddr("192.0.2.99")) {
			t.Error("a closed relay is still known")
		}
	})
}

func TestPairOf(t *testing.T) {
	for id, want := range map[string]string{
		PairID("x", "ann"): "x", "x": "", "pair.": "", "pair.x": "", "pair..y": "", "pair.x.y.z": "x", "repair.x.y": "",
	} {
		if got := pairOf(id); got != want {
			t.Errorf("pairOf(%q) = %q, want %q", id, got, want)
		}
	}
	for in, want := range map[string]string{"0.0.0.0:5": "127.0.0.1:5", "[::]:5": "[::1]:5", "192.0.2.1:5": "192.0.2.1:5"} {
		if got := meeting(netip.MustParseAddrPort(in)); got.String() != want {
			t.Errorf("meeting(%s) = %s, want %s", in, got, want)
		}
	}
}
