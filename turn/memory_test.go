package turn

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// memory is a network of one process: UDP sockets that reach each other by
// address, without loss or delay.
type memory struct {
	mu      sync.Mutex
	sockets map[netip.AddrPort]*socket
	opened  int
}

func newMemory() *memory { return &memory{sockets: make(map[netip.AddrPort]*socket)} }

type packet struct {
	data []byte
	from netip.AddrPort
}

// socket is one UDP socket of a memory.
type socket struct {
	net     *memory
	addr    netip.AddrPort
	in      chan packet
	fail    chan error // errors for ReadFrom to answer
	once    sync.Once
	closed  chan struct{}
	timeout time.Duration // for ReadFrom; zero waits for ever
}

func (m *memory) open(addr netip.AddrPort) *socket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if addr.Port() == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), uint16(50000+m.opened))
	}
	m.opened++
	s := &socket{net: m, addr: addr, in: make(chan packet, 1024), fail: make(chan error, 8), closed: make(chan struct{})}
	m.sockets[addr] = s
	return s
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sockets)
}

func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	var late <-chan time.Time
	if s.timeout > 0 {
		timer := time.NewTimer(s.timeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case got := <-s.in:
		return copy(p, got.data), net.UDPAddrFromAddrPort(got.from), nil
	case err := <-s.fail:
		return 0, nil, err
	case <-s.closed:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (s *socket) WriteTo(p []byte, to net.Addr) (int, error) {
	s.net.mu.Lock()
	peer := s.net.sockets[normalPort(to.(*net.UDPAddr).AddrPort())]
	s.net.mu.Unlock()
	if peer == nil {
		return len(p), nil
	}
	select {
	case peer.in <- packet{data: append([]byte(nil), p...), from: s.addr}:
	default:
	}
	return len(p), nil
}

func (s *socket) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.net.mu.Lock()
		defer s.net.mu.Unlock()
		delete(s.net.sockets, s.addr)
	})
	return nil
}

func (s *socket) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(s.addr) }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// pipeListener accepts the far ends of pipes, with TCP addresses.
type pipeListener struct {
	addr    netip.AddrPort
	conns   chan net.Conn
	fail    chan error
	once    sync.Once
	closed  chan struct{}
	nextOut uint16
}

func newPipeListener(addr netip.AddrPort) *pipeListener {
	return &pipeListener{addr: addr, conns: make(chan net.Conn), fail: make(chan error, 8), closed: make(chan struct{}), nextOut: 40000}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case err := <-l.fail:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// dial answers a connection from that address.
func (l *pipeListener) dial(from netip.Addr) (net.Conn, error) {
	l.nextOut++
	here, there := net.Pipe()
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, l.nextOut))
	select {
	case l.conns <- pipeEnd{Conn: there, local: l.Addr(), remote: local}:
		return pipeEnd{Conn: here, local: local, remote: l.Addr()}, nil
	case <-l.closed:
		return nil, errors.New("listener is closed")
	}
}

type pipeEnd struct {
	net.Conn
	local, remote net.Addr
}

func (p pipeEnd) LocalAddr() net.Addr  { return p.local }
func (p pipeEnd) RemoteAddr() net.Addr { return p.remote }
