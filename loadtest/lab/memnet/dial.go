package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pion/transport/v5"
)

// Constants of the handshake (RFC 6298 §2.1 for the first wait, made odd).
const (
	handshakeRetry = 1_000_000_019 * time.Nanosecond
	// maxHandshakes is how often the handshake's packets are sent: half a minute.
	maxHandshakes = 5
)

// handshake is a stream being opened by a host.
type handshake struct {
	network        *Network
	client, server endpoint
	result         chan error // one, nil for success

	mu        sync.Mutex
	tries     int
	conn      *Conn // the client's end, once there is a server's
	abandoned bool
}

// open connects a stream and blocks until the other end answers: at least a
// round trip.
func (h *Host) open(ctx context.Context, network string, local, remote netip.AddrPort) (*Conn, error) {
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(remote), Err: err}
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	s, err := h.handshake(local, remote)
	if err != nil {
		return fail(err)
	}
	s.ask()
	select {
	case err = <-s.result:
	case <-ctx.Done():
		err = ctx.Err()
	case <-h.network.done:
		err = net.ErrClosed
	}
	if err == nil && !s.conn.register() {
		err = net.ErrClosed
	}
	if err != nil {
		s.abandon()
		return fail(err)
	}
	return s.conn, nil
}

// handshake finds the way to remote.
func (h *Host) handshake(local, remote netip.AddrPort) (*handshake, error) {
	addr := remote.Addr().Unmap()
	if !addr.IsValid() {
		addr = h.loopback(netip.IPv4Unspecified())
	} else if addr.IsUnspecified() {
		addr = h.loopback(addr)
	}
	remote = netip.AddrPortFrom(addr, remote.Port())
	own := local.Addr().Unmap()
	if !own.IsValid() {
		own = netip.IPv4Unspecified() // source chooses
	}
	if !h.owns(own) {
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	own, err := h.source(own, addr)
	if err != nil {
		return nil, err
	}
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	port := local.Port()
	if port == 0 {
		port = h.ephemeral()
	}
	src := netip.AddrPortFrom(own, port)
	to, seenSrc, seenDst, ok := n.route(h, true, src, remote)
	if !ok {
		return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	}
	return &handshake{
		network: n,
		client:  endpoint{host: h, own: src, seen: seenSrc},
		server:  endpoint{host: to, own: seenDst, seen: remote},
		result:  make(chan error, 1),
	}, nil
}

// retry calls again after a wait that doubles, or gives up.
func (s *handshake) retry(again func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.abandoned {
		return
	}
	s.tries++
	if s.tries >= maxHandshakes {
		s.result <- os.NewSyscallError("connect", syscall.ETIMEDOUT)
		return
	}
	again()
}

// wait is how long the packet now sent is waited for. Until the first retry
// nobody else touches tries; afterwards the caller holds mu.
func (s *handshake) wait() time.Duration { return handshakeRetry << s.tries }

// ask sends SYN.
func (s *handshake) ask() {
	s.network.segment(s.client, s.server, 0, func(arrived bool) {
		if arrived {
			s.answer()
		} else {
			s.retry(s.ask)
		}
	}, s.wait())
}

// answer runs where SYN arrives.
func (s *handshake) answer() {
	n := s.network
	n.mu.Lock()
	l := s.server.host.listener(s.server.own)
	n.mu.Unlock()
	if l == nil {
		refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
		n.segment(s.server, s.client, 0, func(bool) { s.result <- refused }, 0)
		return
	}
	client, server := newPair(n, s.client, s.server)
	if !server.register() {
		return
	}
	if !l.offer(server) {
		_ = server.Close()
		n.after(handshakeRetry, func() { s.retry(s.ask) })
		return
	}
	s.mu.Lock()
	s.conn = client
	s.mu.Unlock()
	s.accept()
}

// accept sends SYN-ACK.
func (s *handshake) accept() {
	s.network.segment(s.server, s.client, 0, func(arrived bool) {
		if !arrived {
			s.retry(s.accept)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.abandoned {
			_ = s.conn.Close()
			return
		}
		s.result <- nil
	}, s.wait())
}

// abandon gives the stream up; a server's end that exists already, or soon,
// sees it closed.
func (s *handshake) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned = true
	select {
	case err := <-s.result:
		if err == nil {
			_ = s.conn.Close()
		}
	default:
		if s.conn != nil {
			_ = s.conn.Close()
		}
	}
}

// after calls f once d has passed, unless the network is closed before.
func (n *Network) after(d time.Duration, f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	e := n.sched.take()
	e.call = f
	n.at(time.Now().Add(d), e)
}

// DialContext connects a stream ("tcp") or a connected datagram socket ("udp")
// to "host:port".
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return h.dial(ctx, network, netip.AddrPort{}, address)
}

// Dial is DialContext without a context.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

func (h *Host) dial(ctx context.Context, network string, local netip.AddrPort, address string) (net.Conn, error) {
	udp := checkNetwork(network, "udp")
	tcp := checkNetwork(network, "tcp")
	if udp != nil && tcp != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: udp}
	}
	remote, err := h.resolve(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if udp == nil {
		return asConn(h.connect(network, local, remote))
	}
	return asConn(h.open(ctx, network, local, remote))
}

// asConn keeps a nil pointer from becoming an interface that is not nil.
func asConn[T interface {
	comparable
	net.Conn
}](c T, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// connect makes a datagram socket that knows one peer.
func (h *Host) connect(network string, local, remote netip.AddrPort) (*PacketConn, error) {
	fail := func(err error) (*PacketConn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.UDPAddrFromAddrPort(remote), Err: err}
	}
	addr := remote.Addr().Unmap()
	if !addr.IsValid() || addr.IsUnspecified() {
		addr = h.loopback(netip.IPv4Unspecified())
	}
	own := local.Addr().Unmap()
	if !own.IsValid() {
		own = netip.IPv4Unspecified()
	}
	own, err := h.source(own, addr)
	if err != nil {
		return fail(err)
	}
	c, err := h.openPacket(network, netip.AddrPortFrom(own, local.Port()), netip.AddrPortFrom(addr, remote.Port()))
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// dialer and listenConfig carry out what pion does through net.Dialer and
// net.ListenConfig.
type dialer struct {
	host *Host
	like *net.Dialer
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx := context.Background()
	if d.like.Timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, d.like.Timeout)
		defer cancel()
		ctx = bounded
	}
	var local netip.AddrPort
	switch a := d.like.LocalAddr.(type) {
	case *net.UDPAddr:
		local = addrPort(a.IP, a.Port)
	case *net.TCPAddr:
		local = addrPort(a.IP, a.Port)
	}
	return d.host.dial(ctx, network, local, address)
}

type listenConfig struct{ host *Host }

func (c listenConfig) Listen(_ context.Context, network, address string) (net.Listener, error) {
	local, err := c.host.ResolveTCPAddr(network, address)
	if err != nil {
		return nil, err
	}
	return c.host.ListenTCP(network, local)
}

func (c listenConfig) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	return c.host.ListenPacket(network, address)
}

// CreateDialer answers a dialer with the local address and timeout of d.
func (h *Host) CreateDialer(d *net.Dialer) transport.Dialer {
	if d == nil {
		d = &net.Dialer{}
	}
	return dialer{host: h, like: d}
}

// CreateListenConfig answers a listen configuration on the host.
func (h *Host) CreateListenConfig(*net.ListenConfig) transport.ListenConfig {
	return listenConfig{host: h}
}
