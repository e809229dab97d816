package icemux

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"
)

var _ ice.TCPMux = (*TCP)(nil)

// TCPConfig says what a TCP mux works with and what it allows. A zero value
// means the default.
type TCPConfig struct {
	// Listener is taken over: Close closes it. Its address is a *net.TCPAddr.
	Listener net.Listener
	// FirstPacket is how long a new connection has to send a binding request
	// for a known user fragment; default 10 s.
	FirstPacket time.Duration
	// Idle is how long a client may be silent; default 30 s. ICE clients send
	// a consent check at least every 6 s (RFC 7675 §5.1).
	Idle time.Duration
	// Write is how long one write may take until the client is given up;
	// default 10 s. It never holds up whoever writes a packet.
	Write time.Duration
	// MaxConnections bounds all connections; default 2000.
	MaxConnections int
	// MaxPerAddress bounds the connections from one IPv4 address or one IPv6
	// network of 64 bits; default 64, for the many behind one NAT.
	MaxPerAddress int
	// QueueAge and QueueBytes bound what waits to be written to one client;
	// default 200 ms and 256 KiB.
	QueueAge   time.Duration
	QueueBytes int
	// QueuePackets bounds each connection's inbox; default 256.
	QueuePackets int
	// IsVoice tells voice by RTP payload type: when the queue is full, video
	// is dropped first. Nil takes all RTP for video.
	IsVoice func(payloadType uint8) bool
	// Logger may be nil.
	Logger *slog.Logger
}

func (c *TCPConfig) fill() {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	count := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&c.FirstPacket, 10*time.Second)
	def(&c.Idle, 30*time.Second)
	def(&c.Write, 10*time.Second)
	def(&c.QueueAge, 200*time.Millisecond)
	count(&c.MaxConnections, 2000)
	count(&c.MaxPerAddress, 64)
	count(&c.QueueBytes, 256<<10)
	count(&c.QueuePackets, defaultQueuePackets)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// maxStreams bounds the TCP connections of one local candidate: a client opens
// one for each of its own candidates.
const maxStreams = 8

// TCP is an ice.TCPMux: ICE-TCP, passive side (RFC 6544), for all peers on one
// port. All methods may be called from any goroutine.
//
// A new connection has no right to anything until its first packet is a binding
// request for a user fragment that somebody asked a connection for. When a
// client's connection breaks, the local candidate stays, and the client may
// connect again.
type TCP struct {
	cfg    TCPConfig
	local  *net.TCPAddr
	pool   bufferPool
	counts tcpCounters

	mu       sync.Mutex
	sessions map[string][]*tcpConn // by user fragment, one for each local address
	accepted map[net.Conn]struct{}
	perAddr  map[netip.Prefix]int
	closed   bool

	done    chan struct{}
	running sync.WaitGroup
}

// tcpConn is one user fragment at one local address, with any number of
// streams up to maxStreams.
type tcpConn struct {
	mux     *TCP
	ufrag   string
	local   netip.Addr
	v6      bool // the family of the remote side
	inbox   *inbox
	handles int // guarded by TCP.mu

	mu      sync.Mutex
	streams map[netip.AddrPort]*stream
	closed  bool
}

// NewTCP starts to accept.
func NewTCP(cfg TCPConfig) (*TCP, error) {
	if cfg.Listener == nil {
		return nil, errors.New("icemux: no listener")
	}
	local, ok := cfg.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("icemux: listener has a %T, not a TCP address", cfg.Listener.Addr())
	}
	cfg.fill()
	m := &TCP{
		cfg:      cfg,
		local:    local,
		sessions: make(map[string][]*tcpConn),
		accepted: make(map[net.Conn]struct{}),
		perAddr:  make(map[netip.Prefix]int),
		done:     make(chan struct{}),
	}
	m.running.Go(m.accept)
	return m, nil
}

// LocalAddr is where the mux listens; pion announces no candidates elsewhere.
func (m *TCP) LocalAddr() net.Addr { return m.local }

// GetConnByUfrag returns a connection for a local candidate. Every call returns
// a handle of its own, to be closed; handles of one user fragment at one
// address share what comes in.
func (m *TCP) GetConnByUfrag(ufrag string, isIPv6 bool, local net.IP) (net.PacketConn, error) {
	ip, ok := netip.AddrFromSlice(local)
	if !ok {
		return nil, errAddress
	}
	ip = ip.Unmap()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, io.ErrClosedPipe
	}
	var c *tcpConn
	for _, known := range m.sessions[ufrag] {
		if known.local == ip && known.v6 == isIPv6 {
			c = known
		}
	}
	if c == nil {
		c = &tcpConn{
			mux:     m,
			ufrag:   ufrag,
			local:   ip,
			v6:      isIPv6,
			inbox:   newInbox(&m.pool, m.cfg.QueuePackets, &m.counts.queueFull, &m.counts.oversized),
			streams: make(map[netip.AddrPort]*stream),
		}
		m.sessions[ufrag] = append(m.sessions[ufrag], c)
	}
	c.handles++
	addr := net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(m.local.Port)))
	return newHandle(c, c.inbox, addr), nil
}

// connFor finds where a stream belongs: at the address it came to if that is
// known, else (behind a translator) at any of the right family.
func (m *TCP) connFor(ufrag []byte, local netip.Addr, v6 bool) *tcpConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	var other *tcpConn
	for _, c := range m.sessions[string(ufrag)] {
		switch {
		case c.v6 != v6:
		case c.local == local:
			return c
		case other == nil:
			other = c
		}
	}
	return other
}

// RemoveConnByUfrag ends all connections of a user fragment.
func (m *TCP) RemoveConnByUfrag(ufrag string) {
	m.mu.Lock()
	conns := m.sessions[ufrag]
	delete(m.sessions, ufrag)
	m.mu.Unlock()
	for _, c := range conns {
		c.end()
	}
}

// release is called when a handle is closed.
func (c *tcpConn) release() {
	m := c.mux
	m.mu.Lock()
	c.handles--
	last := c.handles == 0
	if last {
		conns := m.sessions[c.ufrag]
		for i := range conns {
			if conns[i] == c {
				conns = append(conns[:i:i], conns[i+1:]...)
				break
			}
		}
		if len(conns) == 0 {
			delete(m.sessions, c.ufrag)
		} else {
			m.sessions[c.ufrag] = conns
		}
	}
	m.mu.Unlock()
	if last {
		c.end()
	}
}

// end closes the streams and wakes the readers.
func (c *tcpConn) end() {
	c.mu.Lock()
	c.closed = true
	streams := c.streams
	c.streams = nil
	c.mu.Unlock()
	for _, s := range streams {
		s.close()
	}
	c.inbox.close()
}

// write queues a packet for the stream from to. It never waits. It returns 0
// when the packet was dropped, or when that client is not connected (any more).
func (c *tcpConn) write(p []byte, to netip.AddrPort) (int, error) {
	c.mu.Lock()
	s, closed := c.streams[to], c.closed
	c.mu.Unlock()
	switch {
	case closed:
		return 0, io.ErrClosedPipe
	case s == nil:
		c.mux.counts.noStream.Add(1)
		return 0, nil
	case !s.push(time.Now(), p):
		return 0, nil
	}
	return len(p), nil
}

// attach adds a stream that has named this connection.
func (c *tcpConn) attach(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.streams) >= maxStreams || c.streams[s.remote] != nil {
		return false
	}
	c.streams[s.remote] = s
	return true
}

func (c *tcpConn) detach(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[s.remote] == s {
		delete(c.streams, s.remote)
	}
}

// Close stops accepting, ends all connections and waits for their goroutines.
func (m *TCP) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	close(m.done)
	var conns []*tcpConn
	for _, list := range m.sessions {
		conns = append(conns, list...)
	}
	clear(m.sessions)
	var open []net.Conn
	for c := range m.accepted {
		open = append(open, c)
	}
	m.mu.Unlock()

	err := m.cfg.Listener.Close()
	for _, c := range conns {
		c.end()
	}
	for _, c := range open {
		_ = c.Close()
	}
	m.running.Wait()
	return err
}
