package memnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var (
	alice = netip.MustParseAddr("10.0.0.1")
	bob   = netip.MustParseAddr("10.0.0.2")
	home  = netip.MustParseAddr("203.0.113.7")
)

// linkFunc is a Link made of a function.
type linkFunc func(now time.Time, size int) (time.Time, bool)

func (f linkFunc) Send(now time.Time, size int) (time.Time, bool) { return f(now, size) }

// pair makes a network of two hosts with one socket each.
func pair(t *testing.T, config Config) (n *Network, a, b *PacketConn) {
	t.Helper()
	n = New(config)
	t.Cleanup(func() { _ = n.Close() })
	a = listen(t, n.Host(alice), "10.0.0.1:5000")
	b = listen(t, n.Host(bob), "0.0.0.0:6000")
	return n, a, b
}

func listen(t *testing.T, h *Host, address string) *PacketConn {
	t.Helper()
	c, err := h.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*PacketConn)
}

func send(t *testing.T, c *PacketConn, to netip.AddrPort, text string) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *PacketConn) (string, netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 2000)
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n]), from
}

func TestDatagramTakesTheFixedDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, Config{})
		start := time.Now()
		send(t, a, netip.AddrPortFrom(bob, 6000), "hello")
		text, from := receive(t, b)
		if text != "hello" || from != netip.AddrPortFrom(alice, 5000) {
			t.Fatalf("got %q from %v", text, from)
		}
		if took := time.Since(start); took != DefaultDelay {
			t.Fatalf("took %v, want %v", took, DefaultDelay)
		}
		send(t, b, from, "back")
		if text, from = receive(t, a); text != "back" || from != netip.AddrPortFrom(bob, 6000) {
			t.Fatalf("got %q from %v", text, from)
		}
		want := PathStats{Packets: 1, Bytes: 20 + 8 + 5}
		if got := n.Path(alice, bob); got != want {
			t.Fatalf("path: got %+v, want %+v", got, want)
		}
	})
}

func TestDefaultDelaysAreOdd(t *testing.T) {
	for _, d := range []time.Duration{DefaultDelay, DefaultLoopbackDelay, retransmitAfter, handshakeRetry} {
		if d%2 == 0 {
			t.Errorf("%d ns is even", d)
		}
	}
}

func TestLinkDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, Config{})
		sent := 0
		var sizes []int
		n.Connect(alice, bob, linkFunc(func(now time.Time, size int) (time.Time, bool) {
			sizes = append(sizes, size)
			sent++
			// The second is lost, the third overtakes the first.
			return now.Add([]time.Duration{30, 0, 10, 20}[sent-1] * time.Millisecond), sent != 2
		}))
		for i := range 4 {
			send(t, a, netip.AddrPortFrom(bob, 6000), fmt.Sprint(i))
		}
		var order string
		for range 3 {
			text, _ := receive(t, b)
			order += text
		}
		if order != "230" {
			t.Fatalf("order %s, want 230", order)
		}
		for _, s := range sizes {
			if s != 29 {
				t.Fatalf("sizes %v, want 29 IP bytes each", sizes)
			}
		}
		if got := n.Stats(); got.Lost != 1 || got.Delivered != 3 || got.Datagrams != 4 {
			t.Fatalf("stats %+v", got)
		}
	})
}

func TestEqualArrivalsKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := pair(t, Config{})
		for i := range 500 {
			send(t, a, netip.AddrPortFrom(bob, 6000), fmt.Sprintf("%03d", i))
		}
		for i := range 500 {
			if text, _ := receive(t, b); text != fmt.Sprintf("%03d", i) {
				t.Fatalf("packet %d is %s", i, text)
			}
		}
	})
}

func TestQueueIsBoundedAndDropsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, Config{ReceiveBuffer: 30})
		for i := range 5 {
			send(t, a, netip.AddrPortFrom(bob, 6000), fmt.Sprintf("ten bytes%d", i))
		}
		time.Sleep(time.Second)
		for i := range 3 {
			if text, _ := receive(t, b); text != fmt.Sprintf("ten bytes%d", i) {
				t.Fatalf("packet %d is %q", i, text)
			}
		}
		if b.Dropped() != 2 || n.Stats().Overflowed != 2 {
			t.Fatalf("dropped %d, overflowed %d, want 2", b.Dropped(), n.Stats().Overflowed)
		}
	})
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := pair(t, Config{})
		start := time.Now()
		if err := b.SetReadDeadline(start.Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _, err := b.ReadFrom(make([]byte, 10))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Fatalf("got %v after %v", err, time.Since(start))
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatalf("%v is no timeout", err)
		}
		// It stays over until it is moved, also with data waiting.
		send(t, a, netip.AddrPortFrom(bob, 6000), "late")
		time.Sleep(time.Second)
		if _, _, err = b.ReadFrom(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if err := b.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if text, _ := receive(t, b); text != "late" {
			t.Fatalf("got %q", text)
		}
		// A deadline set from outside ends a read under way.
		go func() {
			time.Sleep(time.Second)
			_ = b.SetDeadline(time.Now())
		}()
		if _, _, err = b.ReadFrom(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if _, err := b.WriteTo([]byte("x"), a.LocalAddr()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("write after the deadline: %v", err)
		}
	})
}

func TestMovedDeadlineDoesNotFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := pair(t, Config{})
		_ = b.SetReadDeadline(time.Now().Add(time.Second))
		_ = b.SetReadDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Minute, func() { send(t, a, netip.AddrPortFrom(bob, 6000), "still here") })
		if text, _ := receive(t, b); text != "still here" {
			t.Fatalf("got %q", text)
		}
	})
}

func TestCloseEndsReadsAndFreesThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		h := n.Host(alice)
		c := listen(t, h, "10.0.0.1:5000")
		if _, err := h.ListenPacket("udp4", "10.0.0.1:5000"); err == nil {
			t.Fatal("one port bound twice")
		}
		ended := make(chan error)
		go func() {
			_, _, err := c.ReadFrom(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("read ended with %v", err)
		}
		again := listen(t, h, "10.0.0.1:5000")
		go func() {
			_, _, err := again.ReadFrom(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("read ended with %v after the network closed", err)
		}
		if _, err := h.ListenPacket("udp", ":0"); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("listening on a closed network: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBadAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, _ := pair(t, Config{})
		h := a.host
		for _, address := range []string{"10.9.9.9:1", "10.0.0.1:x", "10.0.0.1:70000", "nobody.test:1", "10.0.0.1"} {
			if _, err := h.ListenPacket("udp", address); err == nil {
				t.Errorf("listened on %s", address)
			}
		}
		if _, err := h.ListenPacket("tcp", ":0"); err == nil {
			t.Error("packet socket on tcp")
		}
		if _, err := a.WriteTo(nil, &net.TCPAddr{}); err == nil {
			t.Error("wrote to a TCP address")
		}
		if _, err := a.WriteTo(nil, (*net.UDPAddr)(nil)); err == nil {
			t.Error("wrote to nil")
		}
		if _, err := a.WriteTo(make([]byte, 70000), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1}); err == nil {
			t.Error("wrote 70 kB")
		}
		send(t, a, netip.MustParseAddrPort("10.0.0.2:1"), "closed port")
		send(t, a, netip.MustParseAddrPort("10.7.7.7:1"), "no such host")
		time.Sleep(time.Second)
		if got := n.Stats().Unreachable; got != 2 {
			t.Errorf("%d unreachable, want 2", got)
		}
	})
}

func TestNamesAndLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, Config{})
		n.Name("server.test", bob)
		to, err := a.host.ResolveUDPAddr("udp4", "server.test:6000")
		if err != nil || to.String() != "10.0.0.2:6000" {
			t.Fatalf("resolved %v, %v", to, err)
		}
		start := time.Now()
		c, err := b.host.Dial("udp", "localhost:6000")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("self")); err != nil {
			t.Fatal(err)
		}
		text, from := receive(t, b)
		if text != "self" || !from.Addr().IsLoopback() || time.Since(start) != DefaultLoopbackDelay {
			t.Fatalf("got %q from %v after %v", text, from, time.Since(start))
		}
		send(t, b, from, "echo")
		buf := make([]byte, 10)
		if k, err := c.Read(buf); err != nil || string(buf[:k]) != "echo" {
			t.Fatalf("got %q, %v", buf[:k], err)
		}
		// A connected socket hears its peer only.
		stranger := listen(t, b.host, ":7000")
		at, err := netip.ParseAddrPort(c.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		send(t, stranger, at, "not for you")
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		six := netip.MustParseAddr("2001:db8::1")
		server := listen(t, n.Host(bob, six), ":443") // dual stack
		client := listen(t, n.Host(netip.MustParseAddr("2001:db8::2")), ":0")
		send(t, client, netip.AddrPortFrom(six, 443), "six")
		text, from := receive(t, server)
		if text != "six" || from.Addr().String() != "2001:db8::2" {
			t.Fatalf("got %q from %v", text, from)
		}
		if got := n.Path(from.Addr(), six).Bytes; got != 40+8+3 {
			t.Fatalf("%d bytes, want 51", got)
		}
		four := listen(t, n.Host(alice), ":0")
		send(t, four, netip.AddrPortFrom(bob, 443), "four")
		if text, from := receive(t, server); text != "four" || from.Addr() != alice {
			t.Fatalf("got %q from %v", text, from)
		}
	})
}

func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, Config{})
		n.SetFilter(func(p Packet) bool { return p.Stream || p.To.Port() != 6000 })
		send(t, a, netip.AddrPortFrom(bob, 6000), "blocked")
		n.SetFilter(nil)
		send(t, a, netip.AddrPortFrom(bob, 6000), "free")
		if text, _ := receive(t, b); text != "free" {
			t.Fatalf("got %q", text)
		}
		if got := n.Path(alice, bob); got.Lost != 1 {
			t.Fatalf("path %+v", got)
		}
	})
}

func TestDatagramsDoNotAllocate(t *testing.T) {
	n := New(Config{Delay: 1})
	defer n.Close()
	a := listen(t, n.Host(alice), ":5000")
	b := listen(t, n.Host(bob), ":6000")
	payload, buf := make([]byte, 1200), make([]byte, 1500)
	to := netip.AddrPortFrom(bob, 6000)
	step := func() {
		for range 100 {
			_, _ = a.WriteToUDPAddrPort(payload, to)
			_, _, _ = b.ReadFromUDPAddrPort(buf)
		}
	}
	step()
	// Each delivery starts the timer's goroutine, which the runtime reuses.
	if got := testing.AllocsPerRun(10, step) / 100; got >= 0.1 {
		t.Errorf("%.2f allocations per datagram", got)
	}
}

func BenchmarkDatagram(b *testing.B) {
	n := New(Config{Delay: 1})
	defer n.Close()
	from, _ := n.Host(alice).ListenPacket("udp", ":5000")
	at, _ := n.Host(bob).ListenPacket("udp", ":6000")
	payload, buf := make([]byte, 1200), make([]byte, 1500)
	to := netip.AddrPortFrom(bob, 6000)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = from.(*PacketConn).WriteToUDPAddrPort(payload, to)
		_, _, _ = at.(*PacketConn).ReadFromUDPAddrPort(buf)
	}
}

// relayFunc is a Relay made of a function.
type relayFunc func(now time.Time, size int) (time.Time, Hop, bool)

func (f relayFunc) Enter(now time.Time, size int) (time.Time, Hop, bool) { return f(now, size) }

// TestRelayAsksEachHopInItsTime: a packet of a path of three hops is asked about
// when it comes to each, one may lose it, and a segment that is lost there is
// sent again.
func TestRelayAsksEachHopInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, Config{})
		start := time.Now()
		var asked []time.Duration
		lose := false
		third := func(now time.Time) (time.Time, Hop, bool) {
			asked = append(asked, now.Sub(start))
			return now.Add(30 * time.Millisecond), nil, !lose
		}
		second := func(now time.Time) (time.Time, Hop, bool) {
			asked = append(asked, now.Sub(start))
			return now.Add(20 * time.Millisecond), third, true
		}
		n.Route(alice, bob, relayFunc(func(now time.Time, _ int) (time.Time, Hop, bool) {
			return now.Add(10 * time.Millisecond), second, true
		}))
		send(t, a, netip.AddrPortFrom(bob, 6000), "hello")
		if text, _ := receive(t, b); text != "hello" || time.Since(start) != 60*time.Millisecond {
			t.Fatalf("%q after %v", text, time.Since(start))
		}
		if len(asked) != 2 || asked[0] != 10*time.Millisecond || asked[1] != 30*time.Millisecond {
			t.Fatalf("asked at %v", asked)
		}
		lose = true
		send(t, a, netip.AddrPortFrom(bob, 6000), "lost")
		time.Sleep(time.Second)
		if got := n.Path(alice, bob); got.Packets != 2 || got.Lost != 1 {
			t.Fatalf("path: %+v", got)
		}
		start = time.Now()
		listener, err := b.host.ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, func() { lose = false }) // the first try is lost
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := listener.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		}()
		c, err := a.host.DialContext(t.Context(), "tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		<-done
		_ = c.Close()
		if took := time.Since(start); took < time.Second || took > 1200*time.Millisecond {
			t.Fatalf("connected after %v, want what one retry of a handshake takes", took)
		}
	})
}
