package client

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/transport/v5"
)

// mostInjected bounds what waits to be read beside the network: a handshake.
const mostInjected = 16

// earlyNet is a network whose sockets ask early about what passes.
type earlyNet struct {
	transport.Net
	early *early
}

// ListenUDP opens a socket.
func (n earlyNet) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, local)
	if err != nil {
		return nil, err
	}
	s := &earlySocket{UDPConn: c, early: n.early, local: plain(c.LocalAddr())}
	n.early.open(s)
	if direct, ok := c.(*net.UDPConn); ok {
		return &earlyDirect{s, direct}, nil
	}
	return s, nil
}

// plain answers a UDP address in the form in which it is compared.
func plain(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// earlySocket is one socket. What is injected is read from it beside what comes
// from the network: a reader that waits is woken by a deadline.
type earlySocket struct {
	transport.UDPConn
	early *early
	local netip.AddrPort

	mu       sync.Mutex // a leaf
	injected []injection
}

type injection struct {
	packet []byte
	from   netip.AddrPort
}

// reaches says whether an address is of the socket's family.
func (s *earlySocket) reaches(a netip.AddrPort) bool { return s.local.Addr().Is4() == a.Addr().Is4() }

// send writes to the network; what is lost there is repeated by who sent it.
func (s *earlySocket) send(b []byte, to netip.AddrPort) {
	_, _ = s.UDPConn.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// inject lets the reader find a packet. It is kept.
func (s *earlySocket) inject(b []byte, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.injected) < mostInjected {
		s.injected = append(s.injected, injection{b, from})
		_ = s.UDPConn.SetReadDeadline(time.Unix(1, 0)) // a closed socket reads nothing more
	}
}

// next takes what was injected, and lets the network be waited for again.
func (s *earlySocket) next(b []byte) (n int, from netip.AddrPort, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.injected) == 0 {
		return 0, from, false
	}
	i := s.injected[0]
	s.injected = s.injected[1:]
	if len(s.injected) == 0 {
		_ = s.UDPConn.SetReadDeadline(time.Time{})
	}
	return copy(b, i.packet), i.from, true
}

// read answers the next packet for the agent, of those that receive reads.
func (s *earlySocket) read(b []byte, receive func([]byte) (int, netip.AddrPort, error)) (int, netip.AddrPort, error) {
	for {
		n, from, err := receive(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if n, from, ok := s.next(b); ok {
				return n, from, nil
			}
		}
		if err != nil || s.early.passing.Load() {
			return n, from, err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if from = s.early.in(s, b[:n], from); from.IsValid() {
			return n, from, nil
		}
	}
}

// ReadFrom reads one packet.
func (s *earlySocket) ReadFrom(b []byte) (int, net.Addr, error) {
	var last net.Addr
	n, from, err := s.read(b, func(b []byte) (int, netip.AddrPort, error) {
		n, a, err := s.UDPConn.ReadFrom(b)
		last = a
		return n, plain(a), err
	})
	switch {
	case err != nil:
		return n, nil, err
	case last != nil && plain(last) == from:
		return n, last, nil
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo sends one packet.
func (s *earlySocket) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.early.passing.Load() {
		return s.UDPConn.WriteTo(b, to)
	}
	s.early.out(s, b, plain(to))
	return len(b), nil
}

// earlyDirect is a socket of the operating system, which reads and writes
// without allocating addresses (ice.AddrPortReaderWriter).
type earlyDirect struct {
	*earlySocket
	direct *net.UDPConn
}

// ReadFromAddrPort reads one packet.
func (s *earlyDirect) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return s.read(b, s.direct.ReadFromUDPAddrPort)
}

// WriteToAddrPort sends one packet.
func (s *earlyDirect) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.early.passing.Load() {
		return s.direct.WriteToUDPAddrPort(b, to)
	}
	s.early.out(s.earlySocket, b, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return len(b), nil
}

// over puts sockets between a network and the agent.
func (e *early) over(n transport.Net) transport.Net { return earlyNet{n, e} }
