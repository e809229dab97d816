package turn

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// connections holds the open TCP connections of all listeners and their caps.
type connections struct {
	total, perIP int

	mu      sync.Mutex
	closed  bool
	open    map[*stream]struct{}
	sources map[netip.Addr]int
	writers sync.WaitGroup
}

func newConnections(limits Limits) *connections {
	return &connections{
		total: limits.TCPConnections, perIP: limits.TCPConnectionsPerIP,
		open:    make(map[*stream]struct{}),
		sources: make(map[netip.Addr]int),
	}
}

// verdict on a new connection.
type verdict uint8

const (
	accepted verdict = iota
	refusedTotal
	refusedPerIP
	refusedClosed
)

// add counts s in and starts its writer, unless a cap is reached.
func (c *connections) add(s *stream) verdict {
	source := sourceKey(s.source.Addr())
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return refusedClosed
	case len(c.open) >= c.total:
		return refusedTotal
	case c.sources[source] >= c.perIP:
		return refusedPerIP
	}
	c.open[s] = struct{}{}
	c.sources[source]++
	c.writers.Go(s.write)
	return accepted
}

// remove counts s out.
func (c *connections) remove(s *stream) {
	source := sourceKey(s.source.Addr())
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, s)
	if c.sources[source]--; c.sources[source] <= 0 {
		delete(c.sources, source)
	}
}

// count answers how many are open.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// close closes all, refuses more, and waits for the writers.
func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	all := make([]*stream, 0, len(c.open))
	for s := range c.open {
		all = append(all, s)
	}
	c.mu.Unlock()
	for _, s := range all {
		_ = s.Close()
	}
	c.writers.Wait()
}

// listener is a TCP listener as pion sees it: it hands out streams. A tls.Conn
// stays inside its stream, where the handshake falls under the read deadline;
// pion would leak the connection when the handshake fails.
type listener struct {
	net.Listener
	server *Server
	closed chan struct{}
}

func newListener(inner net.Listener, server *Server) *listener {
	return &listener{Listener: inner, server: server, closed: make(chan struct{})}
}

// Accept answers the next connection within the caps. pion takes any error as the
// end of the listener and of all its allocations, so passing errors (no file
// descriptor left) are waited out here.
func (l *listener) Accept() (net.Conn, error) {
	pause := retryPause{stop: l.closed}
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if ended(err) || !pause.wait() {
				return nil, net.ErrClosed
			}
			continue
		}
		pause.reset()
		if s := l.admit(conn); s != nil {
			return s, nil
		}
		_ = conn.Close()
	}
}

// admit wraps conn, or answers nil and counts why not.
func (l *listener) admit(conn net.Conn) *stream {
	c := &l.server.counters
	_, localOK := conn.LocalAddr().(*net.TCPAddr)
	_, remoteOK := conn.RemoteAddr().(*net.TCPAddr)
	if !localOK || !remoteOK { // pion would take all such for one client
		c.tcpMalformed.Add(1)
		return nil
	}
	all := l.server.connections
	s := newStream(time.Now(), conn, l.server.gate, c, l.server.config.Limits, all.remove)
	switch all.add(s) {
	case accepted:
		c.tcpTotal.Add(1)
		limitUnsent(conn, notSentLowWater)
		return s
	case refusedTotal:
		c.tcpRefusedTotal.Add(1)
	case refusedPerIP:
		c.tcpRefusedPerIP.Add(1)
	}
	return nil
}

// Close is called once, by pion's server.
func (l *listener) Close() error {
	close(l.closed)
	return l.Listener.Close()
}
