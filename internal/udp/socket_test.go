package udp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// pipeConn is a net.PacketConn in memory: what is written comes out of the
// other end of the pair.
type pipeConn struct {
	local  netip.AddrPort
	in     chan datagram
	peers  map[netip.AddrPort]*pipeConn
	once   sync.Once
	closed chan struct{}
	refuse func(netip.AddrPort) error
}

type datagram struct {
	data []byte
	from netip.AddrPort
}

func newPipe(local string, peers map[netip.AddrPort]*pipeConn) *pipeConn {
	c := &pipeConn{local: netip.MustParseAddrPort(local), in: make(chan datagram, 256), peers: peers, closed: make(chan struct{})}
	peers[c.local] = c
	return c
}

func (c *pipeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *pipeConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	to := addr.(*net.UDPAddr).AddrPort()
	if c.refuse != nil {
		if err := c.refuse(to); err != nil {
			return 0, err
		}
	}
	c.peers[to].in <- datagram{bytes.Clone(b), c.local}
	return len(b), nil
}

func (c *pipeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
func (c *pipeConn) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(c.local) }
func (c *pipeConn) SetDeadline(time.Time) error      { return nil }
func (c *pipeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil }

func TestWrappedConnectionCarriesBatches(t *testing.T) {
	peers := map[netip.AddrPort]*pipeConn{}
	a := Wrap(newPipe("10.0.0.1:1", peers))
	b := Wrap(newPipe("10.0.0.2:2", peers))
	if v4, v6 := a.Families(); !v4 || v6 {
		t.Fatalf("families = %v, %v", v4, v6)
	}

	out := []Message{
		{Buffer: []byte("one...."), N: 3, Addr: b.LocalAddr()},
		{Buffer: []byte("three"), N: 5, Addr: b.LocalAddr()},
	}
	if n, err := a.WriteBatch(out); n != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	in := []Message{{Buffer: make([]byte, 16)}, {Buffer: make([]byte, 16)}}
	for _, want := range []string{"one", "three"} {
		n, err := b.ReadBatch(in)
		if n != 1 || err != nil {
			t.Fatalf("ReadBatch = %d, %v", n, err)
		}
		if got := string(in[0].Buffer[:in[0].N]); got != want || in[0].Addr != a.LocalAddr() {
			t.Fatalf("read %q from %v, want %q from %v", got, in[0].Addr, want, a.LocalAddr())
		}
	}
	if s := a.Stats(); s.WriteDatagrams != 2 || s.WriteBytes != 8 || s.WriteErrors != 0 {
		t.Fatalf("sender's stats %+v", s)
	}
	if s := b.Stats(); s.ReadDatagrams != 2 || s.ReadBytes != 8 {
		t.Fatalf("receiver's stats %+v", s)
	}
}

func TestRefusedDatagramDoesNotHoldUpTheOthers(t *testing.T) {
	peers := map[netip.AddrPort]*pipeConn{}
	pipe := newPipe("10.0.0.1:1", peers)
	good := newPipe("10.0.0.2:2", peers)
	bad := netip.MustParseAddrPort("10.0.0.9:9")
	pipe.refuse = func(to netip.AddrPort) error {
		if to == bad {
			return errors.New("network is unreachable")
		}
		return nil
	}
	s := Wrap(pipe)
	payload := []byte("x")
	n, err := s.WriteBatch([]Message{
		{Buffer: payload, N: 1, Addr: good.local},
		{Buffer: payload, N: 1, Addr: bad},
		{Buffer: payload, N: 1, Addr: good.local},
	})
	if n != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v; want 2, nil", n, err)
	}
	if len(good.in) != 2 || s.Stats().WriteErrors != 1 {
		t.Fatalf("%d arrived, stats %+v", len(good.in), s.Stats())
	}
}

func TestCloseEndsAWrappedSocket(t *testing.T) {
	pipe := newPipe("10.0.0.1:1", map[netip.AddrPort]*pipeConn{})
	s := Wrap(pipe)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBatch([]Message{{Buffer: make([]byte, 1)}}); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("ReadBatch after Close: %v", err)
	}
	n, err := s.WriteBatch([]Message{{Buffer: []byte("x"), N: 1, Addr: s.LocalAddr()}, {Addr: s.LocalAddr()}})
	if n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Fatalf("WriteBatch after Close = %d, %v", n, err)
	}
	if got := s.Stats().WriteErrors; got != 2 {
		t.Fatalf("%d write errors, want both datagrams counted", got)
	}
}

func TestEmptyBatchesDoNothing(t *testing.T) {
	s := Wrap(newPipe("10.0.0.1:1", map[netip.AddrPort]*pipeConn{}))
	if n, err := s.ReadBatch(nil); n != 0 || err != nil {
		t.Fatalf("ReadBatch(nil) = %d, %v", n, err)
	}
	if n, err := s.WriteBatch(nil); n != 0 || err != nil {
		t.Fatalf("WriteBatch(nil) = %d, %v", n, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Config{{DSCP: 64}, {ReceiveBuffer: -1}, {SendBuffer: -1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v passed", bad)
		}
	}
	if _, err := Listen(netip.AddrPort{}, Config{}); err == nil {
		t.Error("listening on no address succeeded")
	}
}

// oddAddr is a net.Addr of no known type.
type oddAddr string

func (oddAddr) Network() string  { return "odd" }
func (a oddAddr) String() string { return string(a) }

func TestAddressesArePlain(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		want string
	}{
		{&net.UDPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 5}, "192.0.2.1:5"},
		{&net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 5, Zone: "2"}, "[fe80::1%2]:5"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 6}, "[2001:db8::1]:6"},
		{oddAddr("[::ffff:192.0.2.1]:7"), "192.0.2.1:7"},
		{oddAddr("elsewhere"), "invalid AddrPort"},
		{nil, "invalid AddrPort"},
	} {
		if got := addrPortOf(c.addr).String(); got != c.want {
			t.Errorf("%v became %s, want %s", c.addr, got, c.want)
		}
	}
}

func TestEndOfConnectionIsTold(t *testing.T) {
	for _, err := range []error{net.ErrClosed, io.EOF, io.ErrClosedPipe} {
		if !closedForGood(err) {
			t.Errorf("%v is taken for a refused datagram", err)
		}
	}
	if closedForGood(errors.New("no route to host")) {
		t.Error("a refused datagram is taken for the end")
	}
}
