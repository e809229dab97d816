// Package icemux lets all peers of a node share one UDP port and one TCP port.
//
// It decides which peer a packet from the network belongs to, and how a packet
// to the network leaves: alone, or in the batch of the worker that wrote it.
// Its inputs are packets; its outputs are connections for pion/ice, which sees
// it as an ice.UDPMux and an ice.TCPMux.
//
//	one socket ─ ReadBatch ─► binding request ─► by user fragment ─┐
//	                          anything else ───► by remote address ┴► inbox ─► ICE agent
//	                          from nowhere, but of a known stream ──► asked for proof
//	                          DTLS before its check was answered ───► kept until then
//
//	ICE agent ─► WriteTo ─► RTP, RTCP of a bound fragment ─► Batch ─► one system call
//	                        STUN, DTLS ───────────────────► at once
//
// TCP carries the same packets with a length in front, one stream for each
// client, with a queue that drops whole frames rather than grow old.
//
// What comes from an address that has proved nothing is dropped and counted,
// never answered; at most the address is asked for proof. Everything is bounded: addresses for each user fragment,
// packets in each inbox, streams, bytes and milliseconds in each queue.
//
// Specifications: RFC 8445 (ICE), RFC 8489 (STUN), RFC 7983 (what first bytes
// mean), RFC 7675 (consent), RFC 6544 and RFC 4571 (ICE-TCP and its framing),
// RFC 5761 (RTP and RTCP on one port).
package icemux

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

const (
	defaultQueuePackets = 256
	defaultMaxAddresses = 16
)

// The muxes are what pion wants, and so are the connections.
var (
	_ ice.UDPMux               = (*UDP)(nil)
	_ ice.AddrPortReaderWriter = (*handle)(nil)
)

// UDPConfig says what a UDP mux works with.
type UDPConfig struct {
	// Sockets are taken over: Close closes them. At least one.
	Sockets []*udp.Socket
	// Addresses are announced for sockets bound to an unspecified address;
	// empty asks Interfaces.
	Addresses []netip.Addr
	// Interfaces lists the host's addresses; nil asks the operating system.
	Interfaces func() ([]netip.Addr, error)
	// IncludeLoopback announces loopback addresses of an unspecified socket
	// even if there are others.
	IncludeLoopback bool
	// QueuePackets bounds each connection's inbox; 0 for 256.
	QueuePackets int
	// MaxAddresses bounds the remote addresses of each user fragment and
	// socket; 0 for 16.
	MaxAddresses int
	// Logger may be nil.
	Logger *slog.Logger
}

// UDP is an ice.UDPMux over one or more sockets. All methods may be called
// from any goroutine.
type UDP struct {
	cfg     UDPConfig
	log     *slog.Logger
	pool    bufferPool
	ports   []*port
	counts  udpCounters
	listing listing

	mu       sync.RWMutex
	sessions map[string]*session
	streams  map[uint32]*session // by SSRC
	closed   bool

	done    chan struct{}
	readers sync.WaitGroup
}

// session is all connections of one user fragment.
type session struct {
	ufrag string
	batch atomic.Pointer[Batch]
	// conns has one place for each port; all of these are guarded by UDP.mu.
	conns   []*udpConn
	remote  Credentials
	streams []uint32 // by which its client is recognised
}

// udpConn is one user fragment on one socket.
type udpConn struct {
	mux     *UDP
	session *session
	port    *port
	// inboxes are those of IPv4 and of IPv6: on a socket of both, a candidate
	// of one takes what comes over the other for a stranger's.
	inboxes [2]*inbox
	handles int         // guarded by UDP.mu
	closed  atomic.Bool // for writers
	// media is where the agent sends media, roam where the client is instead.
	media destination
	roam  atomic.Pointer[roaming]
	// claims are the addresses it has, probing what it has asked of others;
	// guarded by port.mu.
	claims    []*claim
	probing   probing
	maxClaims int
}

// NewUDP starts one reader for each socket.
func NewUDP(cfg UDPConfig) (*UDP, error) {
	if len(cfg.Sockets) == 0 {
		return nil, errors.New("icemux: no sockets")
	}
	if cfg.QueuePackets <= 0 {
		cfg.QueuePackets = defaultQueuePackets
	}
	if cfg.MaxAddresses <= 0 {
		cfg.MaxAddresses = defaultMaxAddresses
	}
	m := &UDP{
		cfg:      cfg,
		log:      cfg.Logger,
		sessions: make(map[string]*session),
		streams:  make(map[uint32]*session),
		done:     make(chan struct{}),
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	for i, s := range cfg.Sockets {
		if !s.LocalAddr().IsValid() {
			return nil, fmt.Errorf("icemux: socket %d has no IP address", i)
		}
		m.ports = append(m.ports, newPort(m, i, s))
	}
	for _, p := range m.ports {
		m.readers.Go(p.read)
	}
	return m, nil
}

// GetConn returns a connection for a local candidate: addr is one of
// GetListenAddresses. Every call returns a handle of its own, to be closed;
// handles of one user fragment on one socket share what comes in.
func (m *UDP) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	local, err := addrPort(addr)
	if err != nil {
		return nil, err
	}
	p := m.portFor(local)
	if p == nil {
		return nil, fmt.Errorf("%w: %s", errNotListening, local)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, io.ErrClosedPipe
	}
	s := m.session(ufrag)
	c := s.conns[p.index]
	if c == nil {
		c = &udpConn{
			mux:       m,
			session:   s,
			port:      p,
			inboxes:   [2]*inbox{m.newInbox(), m.newInbox()},
			maxClaims: m.cfg.MaxAddresses,
		}
		s.conns[p.index] = c
	}
	c.handles++
	return newHandle(c, c.inboxes[family(local)], net.UDPAddrFromAddrPort(local)), nil
}

func (m *UDP) newInbox() *inbox {
	return newInbox(&m.pool, m.cfg.QueuePackets, &m.counts.queueFull, &m.counts.oversized)
}

// family answers the place of an address's inbox. Addresses are canonical.
func family(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return 0
	}
	return 1
}

// push hands a packet to the candidates of its family. It takes over b on
// success; on false the caller keeps it. When there are no such candidates the
// others get it: what they make of it is the agent's to decide.
func (c *udpConn) push(b *buffer, n int, from netip.AddrPort) bool {
	q := c.inboxes[family(from)]
	if q.idle() {
		q = c.inboxes[1-family(from)]
	}
	return q.push(b, n, from)
}

// session finds or makes the session of a fragment. mu is held.
func (m *UDP) session(ufrag string) *session {
	s := m.sessions[ufrag]
	if s == nil {
		s = &session{ufrag: ufrag, conns: make([]*udpConn, len(m.ports))}
		m.sessions[ufrag] = s
	}
	return s
}

// portFor returns the port that receives at addr: one bound to it, or else one
// bound to the unspecified address of its family.
func (m *UDP) portFor(addr netip.AddrPort) *port {
	for _, p := range m.ports {
		if p.local == addr {
			return p
		}
	}
	for _, p := range m.ports {
		if p.local.Addr().IsUnspecified() && p.local.Port() == addr.Port() && p.serves(addr.Addr()) {
			return p
		}
	}
	return nil
}

// Bind makes media written for a user fragment wait in b until it is flushed,
// on connections that exist and on those to come. From then on only b's owner
// may write packets whose first byte is 128 to 191 (RTP, RTCP) there; all else
// still leaves at once, from any goroutine. A nil b ends the binding, and so
// does the end of the fragment's last connection: an ICE restart, with its new
// fragment, needs a new Bind.
func (m *UDP) Bind(ufrag string, b *Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	s := m.session(ufrag)
	s.batch.Store(b)
	m.prune(s)
}

// prune forgets a session that nothing holds any more. mu is held.
func (m *UDP) prune(s *session) {
	if s.batch.Load() != nil {
		return
	}
	for _, c := range s.conns {
		if c != nil {
			return
		}
	}
	if m.sessions[s.ufrag] == s {
		delete(m.sessions, s.ufrag)
	}
	m.forgetStreams(s)
}

// RemoveConnByUfrag ends all connections of a user fragment and frees its
// remote addresses. Readers get io.EOF, writers io.ErrClosedPipe. What waits
// in a batch is still sent.
func (m *UDP) RemoveConnByUfrag(ufrag string) {
	m.mu.Lock()
	s := m.sessions[ufrag]
	delete(m.sessions, ufrag)
	var conns []*udpConn
	if s != nil {
		s.batch.Store(nil)
		m.forgetStreams(s)
		conns = append(conns, s.conns...)
		clear(s.conns)
	}
	m.mu.Unlock()
	for _, c := range conns {
		c.end()
	}
}

// release is called when a handle is closed.
func (c *udpConn) release() {
	m := c.mux
	m.mu.Lock()
	c.handles--
	last := c.handles == 0
	if s := c.session; last && s.conns[c.port.index] == c {
		s.conns[c.port.index] = nil
		if !s.connected() {
			s.batch.Store(nil)
		}
		m.prune(s)
	}
	m.mu.Unlock()
	if last {
		c.end()
	}
}

// connected says whether a connection is left. UDP.mu is held.
func (s *session) connected() bool {
	for _, c := range s.conns {
		if c != nil {
			return true
		}
	}
	return false
}

// end closes a connection that the session no longer has. The nil connection
// of an unused port ends too.
func (c *udpConn) end() {
	if c == nil || c.closed.Swap(true) {
		return
	}
	c.port.forget(c)
	for _, q := range c.inboxes {
		q.close()
	}
}

// write sends a packet, or lets it wait in the batch of its worker.
func (c *udpConn) write(p []byte, to netip.AddrPort) (int, error) {
	if c.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	agent := to
	to = c.target(to)
	if isMedia(p) {
		c.media.set(agent)
		if b := c.session.batch.Load(); b != nil {
			return b.add(c.port.socket, p, to)
		}
	} else if kind, ok := stunType(p); ok {
		switch kind {
		case stunSuccess:
			c.port.take(time.Now(), c, to, true)
		case stunRequest:
			c.port.take(time.Now(), c, to, false)
		}
	}
	return c.port.socket.WriteTo(p, to)
}

// Close ends all connections, closes the sockets and waits for the readers.
func (m *UDP) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	close(m.done)
	var conns []*udpConn
	for _, s := range m.sessions {
		conns = append(conns, s.conns...)
	}
	clear(m.sessions)
	clear(m.streams)
	m.mu.Unlock()

	var failed []error
	for _, p := range m.ports {
		failed = append(failed, p.socket.Close())
	}
	for _, c := range conns {
		c.end()
	}
	m.readers.Wait()
	for _, p := range m.ports {
		p.dropForerunners()
	}
	return errors.Join(failed...)
}
