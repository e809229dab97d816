package memnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTranslatorAndRebind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := pair(t, Config{})
		a.host.Behind(home)
		server := netip.AddrPortFrom(bob, 6000)
		send(t, a, server, "one")
		_, first := receive(t, b)
		if first.Addr() != home {
			t.Fatalf("seen from %v, want %v", first, home)
		}
		send(t, b, first, "answer")
		if text, from := receive(t, a); text != "answer" || from != server {
			t.Fatalf("got %q from %v", text, from)
		}
		send(t, a, server, "two")
		if _, again := receive(t, b); again != first {
			t.Fatalf("mapping moved from %v to %v", first, again)
		}
		a.host.Rebind()
		send(t, b, first, "lost")
		send(t, b, netip.AddrPortFrom(alice, 5000), "private address")
		send(t, a, server, "three")
		_, second := receive(t, b)
		if second == first || second.Addr() != home {
			t.Fatalf("after rebinding seen from %v, before %v", second, first)
		}
		_ = a.SetReadDeadline(time.Now().Add(time.Second))
		if _, _, err := a.ReadFrom(make([]byte, 20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestRebindResetsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		h := n.Host(alice)
		h.Behind(home)
		l, err := n.Host(bob).ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		client, err := h.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if seen := netip.MustParseAddrPort(server.RemoteAddr().String()); seen.Addr() != home {
			t.Fatalf("seen from %v", seen)
		}
		h.Rebind()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("client: %v", err)
		}
		_ = server.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("server: %v", err)
		}
	})
}

// TestPreferredAddress: what a socket without an address sends leaves by the
// address that the host prefers at the time, and what comes there is received.
func TestPreferredAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		second := netip.MustParseAddr("10.0.7.7")
		h, far := n.Host(alice, second), n.Host(bob)
		open := func(h *Host, network, address string) net.PacketConn {
			c, err := h.ListenPacket(network, address)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			return c
		}
		b := open(far, "udp4", "10.0.0.2:6000")
		loose, bound := open(h, "udp4", "0.0.0.0:5000"), open(h, "udp4", alice.String()+":5001")
		from := func(c net.PacketConn) netip.AddrPort {
			if _, err := c.WriteTo([]byte("x"), b.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			_, addr, err := b.ReadFrom(make([]byte, 10))
			if err != nil {
				t.Fatal(err)
			}
			return netip.MustParseAddrPort(addr.String())
		}
		if a := from(loose); a != netip.AddrPortFrom(alice, 5000) {
			t.Errorf("first sent from %v", a)
		}
		h.Prefer(second)
		if a := from(loose); a != netip.AddrPortFrom(second, 5000) {
			t.Errorf("then sent from %v", a)
		}
		if a := from(bound); a != netip.AddrPortFrom(alice, 5001) {
			t.Errorf("the bound socket sent from %v", a)
		}
		if _, err := b.WriteTo([]byte("y"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(second, 5000))); err != nil {
			t.Fatal(err)
		}
		if _, _, err := loose.ReadFrom(make([]byte, 10)); err != nil {
			t.Error(err)
		}
	})
}
