package icemux

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
)

var tcpServer = netip.MustParseAddrPort(server)

// streams is a net.Listener in memory.
type streams struct {
	incoming chan net.Conn
	failures chan error
	closed   chan struct{}
	once     sync.Once
}

func newStreams() *streams {
	return &streams{incoming: make(chan net.Conn), failures: make(chan error), closed: make(chan struct{})}
}

func (l *streams) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case err := <-l.failures:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *streams) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}
func (l *streams) Addr() net.Addr { return net.TCPAddrFromAddrPort(tcpServer) }

// addressed is a net.Pipe end with addresses.
type addressed struct {
	net.Conn
	local, remote netip.AddrPort
}

func (a addressed) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(a.local) }
func (a addressed) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(a.remote) }

// dial connects a client at an address; a pipe has no memory, so a write ends
// when the other side has read it.
func (l *streams) dial(t *testing.T, from netip.AddrPort) net.Conn {
	t.Helper()
	client, side := net.Pipe()
	l.incoming <- addressed{side, tcpServer, from}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newTestTCP(t *testing.T, cfg TCPConfig) (*TCP, *streams) {
	t.Helper()
	l := newStreams()
	cfg.Listener = l
	m, err := NewTCP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if s := m.Stats(); s.BuffersInUse != 0 || s.Sessions != 0 || s.Connections != 0 || s.Streams != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
	return m, l
}

func openTCP(t *testing.T, m *TCP, ufrag string) *handle {
	t.Helper()
	c, err := m.GetConnByUfrag(ufrag, false, tcpServer.Addr().AsSlice())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*handle)
}

func send(t *testing.T, c net.Conn, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		if _, err := c.Write(appendFrame(nil, p)); err != nil {
			t.Fatal(err)
		}
	}
}

// receive reads one packet as a client would.
func receive(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var pool bufferPool
	b, n, err := readFrame(r, &pool, 65535)
	if err != nil {
		t.Fatal(err)
	}
	return b.data[:n]
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
