package memnet

import (
	"errors"
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
