package icemux

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

const server = "192.0.2.10:7882"

// newTestUDP makes a mux over one wire at server.
func newTestUDP(t testing.TB, cfg UDPConfig) (*UDP, *wire) {
	t.Helper()
	w := newWire(server)
	cfg.Sockets = append(cfg.Sockets, udp.Wrap(w))
	m, err := NewUDP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if s := m.Stats(); s.BuffersInUse != 0 || s.Sessions != 0 || s.Addresses != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
	return m, w
}

func open(t testing.TB, m *UDP, ufrag string) *handle {
	t.Helper()
	c, err := m.GetConn(ufrag, m.GetListenAddresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*handle)
}

// mustRead reads one packet and checks it.
func mustRead(t testing.TB, c *handle, from netip.AddrPort, want []byte) {
	t.Helper()
	b := make([]byte, 8192)
	n, addr, err := c.ReadFromAddrPort(b)
	if err != nil || addr != from || !bytes.Equal(b[:n], want) {
		t.Fatalf("read %x from %v, %v; want %x from %v", b[:n], addr, err, want, from)
	}
}

// join makes addr belong to c: a request, and the agent's answer.
func join(t testing.TB, w *wire, c *handle, ufrag string, addr netip.AddrPort) {
	t.Helper()
	request := stunMessage(stunRequest, ufrag+":x")
	w.deliver(addr, request)
	mustRead(t, c, addr, request)
	if n, err := c.WriteToAddrPort(success, addr); n != len(success) || err != nil {
		t.Fatalf("answer: %d, %v", n, err)
	}
	w.written()
}

func TestRequestsGoByUfragAndTheRestByAddress(t *testing.T) {
	m, w := newTestUDP(t, UDPConfig{})
	a, b := open(t, m, "aaaa"), open(t, m, "bbbb")
	join(t, w, a, "aaaa", alice)
	join(t, w, b, "bbbb", bob)

	w.deliver(bob, dtls)
	w.deliver(alice, rtp(96, 1, 1, 100))
	mustRead(t, a, alice, rtp(96, 1, 1, 100))
	mustRead(t, b, bob, dtls)
	// A request follows its name even from another's address.
	stray := stunMessage(stunRequest, "bbbb:x")
	w.deliver(alice, stray)
	mustRead(t, b, alice, stray)
	// The answer to it does not take the address away from its owner.
	if _, err := b.WriteToAddrPort(success, alice); err != nil {
		t.Fatal(err)
	}
	w.deliver(alice, dtls)
	mustRead(t, a, alice, dtls)
	if s := m.Stats(); s.Contested != 1 || s.Addresses != 2 || s.Sessions != 2 || s.Connections != 2 {
		t.Fatalf("%+v", s)
	}
}

func TestStrangersAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newTestUDP(t, UDPConfig{})
		a := open(t, m, "aaaa")
		w.deliver(bob, dtls)
		w.deliver(bob, rtp(96, 1, 1, 50))
		w.deliver(bob, []byte{255})
		w.deliver(bob, nil)
		w.deliver(bob, success)
		w.deliver(bob, []byte{0, 1, 0})
		w.deliver(bob, stunMessage(stunRequest, "nobody:x"))
		// A request alone gives an address no right.
		request := stunMessage(stunRequest, "aaaa:x")
		w.deliver(bob, request)
		w.deliver(bob, dtls)
		synctest.Wait()
		mustRead(t, a, bob, request)
		s := m.Stats()
		if s.UnknownAddress != 4 || s.StraySTUN != 2 || s.UnknownUfrag != 1 || s.Addresses != 0 {
			t.Fatalf("%+v", s)
		}
		if len(w.written()) != 0 {
			t.Fatal("a stranger was answered")
		}
	})
}

func TestBoundMediaWaitsAndTheRestLeavesAtOnce(t *testing.T) {
	for _, before := range []bool{true, false} {
		m, w := newTestUDP(t, UDPConfig{})
		batch := NewBatch(8)
		if before {
			m.Bind("aaaa", batch)
		}
		a := open(t, m, "aaaa")
		if !before {
			m.Bind("aaaa", batch)
		}
		media := rtp(96, 1, 1, 100)
		reused := bytes.Clone(media)
		for _, p := range [][]byte{reused, success, dtls, rtcpPacket()} {
			if n, err := a.WriteTo(p, net.UDPAddrFromAddrPort(alice)); n != len(p) || err != nil {
				t.Fatalf("WriteTo = %d, %v", n, err)
			}
		}
		clear(reused) // pion does that
		if got := w.written(); len(got) != 2 || !bytes.Equal(got[0].data, success) || !bytes.Equal(got[1].data, dtls) {
			t.Fatalf("left at once: %v", got)
		}
		if batch.Len() != 2 {
			t.Fatalf("%d wait", batch.Len())
		}
		if sent, failed := batch.Flush(); sent != 2 || failed != 0 {
			t.Fatalf("Flush = %d, %d", sent, failed)
		}
		got := w.written()
		if len(got) != 2 || !bytes.Equal(got[0].data, media) || !bytes.Equal(got[1].data, rtcpPacket()) || got[0].addr != alice {
			t.Fatalf("flushed %v", got)
		}
		m.Bind("aaaa", nil)
		if _, err := a.WriteToAddrPort(media, alice); err != nil || len(w.written()) != 1 || batch.Len() != 0 {
			t.Fatal("media of an unbound fragment did not leave at once")
		}
	}
}

func TestRemovedFragmentIsGone(t *testing.T) {
	m, w := newTestUDP(t, UDPConfig{})
	m.Bind("aaaa", NewBatch(1))
	a := open(t, m, "aaaa")
	join(t, w, a, "aaaa", alice)
	m.RemoveConnByUfrag("aaaa")
	m.RemoveConnByUfrag("never was")
	if _, _, err := a.ReadFrom(make([]byte, 10)); err != io.EOF {
		t.Fatalf("read: %v", err)
	}
	if _, err := a.WriteToAddrPort(dtls, alice); err != io.ErrClosedPipe {
		t.Fatalf("write: %v", err)
	}
	if s := m.Stats(); s.Sessions != 0 || s.Addresses != 0 {
		t.Fatalf("%+v", s)
	}
	// The same client with a new fragment, as after an ICE restart.
	b := open(t, m, "bbbb")
	join(t, w, b, "bbbb", alice)
	w.deliver(alice, dtls)
	mustRead(t, b, alice, dtls)
	// A late write of the old connection claims nothing.
	_ = a.Close()
	if m.Stats().Addresses != 1 {
		t.Fatalf("%+v", m.Stats())
	}
}

func TestHandlesShareAConnection(t *testing.T) {
	m, w := newTestUDP(t, UDPConfig{})
	one, two := open(t, m, "aaaa"), open(t, m, "aaaa")
	join(t, w, one, "aaaa", alice)
	if m.Stats().Connections != 1 {
		t.Fatalf("%+v", m.Stats())
	}
	ended := make(chan error)
	go func() {
		_, _, err := one.ReadFromAddrPort(make([]byte, 10))
		ended <- err
	}()
	_ = one.Close()
	_ = one.Close()
	if err := <-ended; err != io.EOF {
		t.Fatalf("the closed handle's reader: %v", err)
	}
	if _, err := one.WriteToAddrPort(dtls, alice); err != io.ErrClosedPipe {
		t.Fatalf("the closed handle's writer: %v", err)
	}
	w.deliver(alice, dtls)
	mustRead(t, two, alice, dtls)
	m.Bind("aaaa", NewBatch(1))
	_ = two.Close()
	if s := m.Stats(); s.Sessions != 0 || s.Addresses != 0 {
		t.Fatalf("the last handle left %+v", s)
	}
}

func TestFullInboxDropsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newTestUDP(t, UDPConfig{QueuePackets: 40})
		a := open(t, m, "aaaa")
		join(t, w, a, "aaaa", alice)
		for i := range 50 {
			w.deliver(alice, []byte{22, byte(i)})
		}
		synctest.Wait()
		for i := range 40 {
			mustRead(t, a, alice, []byte{22, byte(i)})
		}
		if s := m.Stats(); s.QueueFull != 10 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestPacketLargerThanTheReadersMemoryIsSkipped(t *testing.T) {
	m, w := newTestUDP(t, UDPConfig{})
	a := open(t, m, "aaaa")
	join(t, w, a, "aaaa", alice)
	w.deliver(alice, make([]byte, 100))
	w.deliver(alice, dtls)
	b := make([]byte, 50)
	if n, _, err := a.ReadFromAddrPort(b); err != nil || !bytes.Equal(b[:n], dtls) {
		t.Fatalf("%x, %v", b[:n], err)
	}
	if m.Stats().Oversized != 1 {
		t.Fatalf("%+v", m.Stats())
	}
}

func TestCloseEndsEverything(t *testing.T) {
	m, _ := newTestUDP(t, UDPConfig{})
	a := open(t, m, "aaaa")
	ended := make(chan error)
	go func() {
		_, _, err := a.ReadFromAddrPort(make([]byte, 10))
		ended <- err
	}()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != io.EOF {
		t.Fatal(err)
	}
	if _, err := m.GetConn("bbbb", m.GetListenAddresses()[0]); err != io.ErrClosedPipe {
		t.Fatal(err)
	}
	m.Bind("aaaa", NewBatch(1))
	if err := m.Close(); err != nil || m.Stats().Sessions != 0 {
		t.Fatal("second Close", err, m.Stats())
	}
}

// failing is a socket whose reads fail for a while.
type failing struct {
	*wire
	failures int
}

func (f *failing) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	if f.failures > 0 {
		f.failures--
		return 0, netip.AddrPort{}, errors.New("out of memory")
	}
	return f.wire.ReadFromAddrPort(b)
}

func TestReaderOutlivesErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &failing{newWire(server), 3}
		m, err := NewUDP(UDPConfig{Sockets: []*udp.Socket{udp.Wrap(w)}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		a := open(t, m, "aaaa")
		join(t, w.wire, a, "aaaa", alice)
		if m.Stats().ReadErrors != 3 {
			t.Fatalf("%+v", m.Stats())
		}
	})
}

func TestSeveralSockets(t *testing.T) {
	six := newWire("[2001:db8::10]:7882")
	m, four := newTestUDP(t, UDPConfig{Sockets: []*udp.Socket{udp.Wrap(six)}})
	batch := NewBatch(4)
	m.Bind("aaaa", batch)
	addrs := m.GetListenAddresses()
	if len(addrs) != 2 {
		t.Fatalf("%v", addrs)
	}
	for i, w := range []*wire{six, four} {
		c, err := m.GetConn("aaaa", addrs[i])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.LocalAddr().String() != w.local.String() {
			t.Fatalf("local address %v", c.LocalAddr())
		}
		client := bob
		if i == 0 {
			client = netip.MustParseAddrPort("[2001:db8::99]:5")
		}
		join(t, w, c.(*handle), "aaaa", client)
		if n, err := c.WriteTo(rtcpPacket(), net.UDPAddrFromAddrPort(client)); n != 8 || err != nil {
			t.Fatal(n, err)
		}
	}
	if batch.Len() != 2 {
		t.Fatalf("%d wait", batch.Len())
	}
	if sent, failed := batch.Flush(); sent != 2 || failed != 0 {
		t.Fatalf("Flush = %d, %d", sent, failed)
	}
	if len(six.written()) != 1 || len(four.written()) != 1 {
		t.Fatal("the batch did not go to both sockets")
	}
}

// Whatever arrives, the mux neither panics nor answers, and what belongs to
// somebody still gets there.
func FuzzUDPInput(f *testing.F) {
	f.Add(stunMessage(stunRequest, "aaaa:x"), true)
	f.Add(success, false)
	f.Add(dtls, true)
	f.Add(rtp(96, 1, 1, 20), false)
	f.Add([]byte{0}, true)
	m, w := newTestUDP(f, UDPConfig{QueuePackets: 4})
	a := open(f, m, "aaaa")
	join(f, w, a, "aaaa", alice)
	f.Fuzz(func(t *testing.T, p []byte, known bool) {
		if len(p) > bufferSize {
			p = p[:bufferSize]
		}
		from := bob
		if known {
			from = alice
		}
		w.deliver(from, p)
		w.deliver(alice, dtls)
		b := make([]byte, 8192)
		for {
			n, _, err := a.ReadFromAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(b[:n], dtls) {
				break
			}
		}
		if bytes.Equal(p, dtls) && known {
			_, _, _ = a.ReadFromAddrPort(b)
		}
		if len(w.written()) != 0 {
			t.Fatal("something was answered")
		}
	})
}
