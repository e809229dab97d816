package memnet

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/transport/v5"
)

// backlog is how many streams wait to be accepted; the next is told nothing and
// tries again.
const backlog = 128

// Listener accepts streams on a host's port.
type Listener struct {
	host  *Host
	local netip.AddrPort

	mu      sync.Mutex
	changed sync.Cond
	waiting []*Conn
	accept  deadline
	closed  bool
}

var (
	_ net.Listener          = (*Listener)(nil)
	_ transport.TCPListener = (*Listener)(nil)
)

// ListenStream accepts streams to a port on all addresses of the host; 0 chooses
// a port.
func (h *Host) ListenStream(port uint16) (net.Listener, error) {
	return h.listenTCP("tcp", netip.AddrPortFrom(netip.Addr{}, port))
}

func (h *Host) listenTCP(network string, local netip.AddrPort) (*Listener, error) {
	l := &Listener{host: h}
	l.changed.L = &l.mu
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	var bound netip.AddrPort
	err := net.ErrClosed
	if !n.closed {
		bound, err = h.bind(network, local, func(ap netip.AddrPort) bool {
			return h.listeners[ap] != nil || h.listeners[anyOf(ap)] != nil
		})
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(local), Err: err}
	}
	l.local = bound
	h.listeners[bound] = l
	return l, nil
}

// listener finds who accepts streams to dst. The caller holds network.mu.
func (h *Host) listener(dst netip.AddrPort) *Listener {
	if l := h.listeners[dst]; l != nil {
		return l
	}
	if l := h.listeners[anyOf(dst)]; l != nil {
		return l
	}
	return h.listeners[netip.AddrPortFrom(netip.IPv6Unspecified(), dst.Port())]
}

// offer queues a stream for Accept.
func (l *Listener) offer(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting) >= backlog {
		return false
	}
	l.waiting = append(l.waiting, c)
	l.changed.Signal()
	return true
}

// Accept answers the next stream, a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.next()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept as pion knows it.
func (l *Listener) AcceptTCP() (transport.TCPConn, error) {
	c, err := l.next()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (l *Listener) next() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.accept.err(l.closed); err != nil {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: net.TCPAddrFromAddrPort(l.local), Err: err}
		}
		if len(l.waiting) > 0 {
			c := l.waiting[0]
			l.waiting = l.waiting[1:]
			return c, nil
		}
		l.changed.Wait()
	}
}

// SetDeadline ends Accept at t; the zero time means never.
func (l *Listener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accept.set(&l.changed, t)
	return nil
}

// Addr answers the bound address, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// Close ends Accept and closes the streams that nobody accepted.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return &net.OpError{Op: "close", Net: "tcp", Addr: net.TCPAddrFromAddrPort(l.local), Err: net.ErrClosed}
	}
	l.closed = true
	l.accept.stop()
	orphans := l.waiting
	l.waiting = nil
	l.changed.Broadcast()
	l.mu.Unlock()

	n := l.host.network
	n.mu.Lock()
	delete(l.host.listeners, l.local)
	n.mu.Unlock()
	for _, c := range orphans {
		_ = c.Close()
	}
	return nil
}
