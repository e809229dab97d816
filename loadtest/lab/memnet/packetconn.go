package memnet

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pion/transport/v5"
)

// maxDatagram is the largest UDP payload over IPv4.
const maxDatagram = 65507

// Header bytes counted for a packet besides its payload.
const (
	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
	tcpHeader  = 32 // with the timestamp option, which everybody sends
)

func wireSize(a netip.Addr, transportHeader, payload int) int {
	if a.Is4() {
		return ipv4Header + transportHeader + payload
	}
	return ipv6Header + transportHeader + payload
}

// PacketConn is a UDP socket of a host. Its queue is bounded in bytes and drops
// the newest datagram, as a kernel's does.
type PacketConn struct {
	host   *Host
	local  netip.AddrPort
	remote netip.AddrPort // valid when connected

	mu       sync.Mutex
	readable sync.Cond
	ring     []received // a power of two long
	head     int
	count    int
	bytes    int
	limit    int // bytes
	dropped  uint64
	closed   bool
	read     deadline
	write    deadline
}

type received struct {
	data []byte
	from netip.AddrPort
}

var (
	_ net.PacketConn    = (*PacketConn)(nil)
	_ net.Conn          = (*PacketConn)(nil)
	_ transport.UDPConn = (*PacketConn)(nil)
)

// openPacket binds a socket on the host.
func (h *Host) openPacket(network string, local, remote netip.AddrPort) (*PacketConn, error) {
	n := h.network
	c := &PacketConn{host: h, remote: remote, limit: n.config.ReceiveBuffer, ring: make([]received, 16)}
	c.readable.L = &c.mu
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	bound, err := h.bind(network, local, func(ap netip.AddrPort) bool {
		return h.packets[ap] != nil || h.packets[anyOf(ap)] != nil
	})
	if err != nil {
		return nil, err
	}
	c.local = bound
	h.packets[bound] = c
	return c, nil
}

// anyOf is the wildcard socket of the same port.
func anyOf(ap netip.AddrPort) netip.AddrPort {
	if ap.Addr().Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), ap.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), ap.Port())
}

// packetConn finds the socket for a datagram to dst. The caller holds
// network.mu.
func (h *Host) packetConn(dst netip.AddrPort) *PacketConn {
	if c := h.packets[dst]; c != nil {
		return c
	}
	if c := h.packets[anyOf(dst)]; c != nil {
		return c
	}
	return h.packets[netip.AddrPortFrom(netip.IPv6Unspecified(), dst.Port())]
}

// deliver hands a datagram that has arrived to its socket. The caller holds mu,
// which is given up meanwhile.
func (n *Network) deliver(e *event) {
	c := e.host.packetConn(e.dst)
	if c == nil || (c.remote.IsValid() && c.remote != e.src) {
		n.stats.Unreachable++
		return
	}
	n.mu.Unlock()
	taken := c.push(e)
	n.mu.Lock()
	if taken {
		n.stats.Delivered++
	} else {
		n.stats.Overflowed++
	}
}

// push queues the datagram, exchanging its buffer for an empty one, so that
// nothing is copied nor allocated.
func (c *PacketConn) push(e *event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A queue holds one datagram whatever its size.
	if c.closed || (c.count > 0 && c.bytes+len(e.data) > c.limit) {
		c.dropped++
		return false
	}
	if c.count == len(c.ring) {
		c.grow()
	}
	slot := &c.ring[(c.head+c.count)&(len(c.ring)-1)]
	slot.data, e.data = e.data, slot.data
	slot.from = e.src
	c.count++
	c.bytes += max(len(slot.data), 1) // empty datagrams are bounded too
	c.readable.Signal()
	return true
}

func (c *PacketConn) grow() {
	ring := make([]received, 2*len(c.ring))
	for i := range c.count {
		ring[i] = c.ring[(c.head+i)&(len(c.ring)-1)]
	}
	c.ring, c.head = ring, 0
}

// send puts one datagram on its way.
func (c *PacketConn) send(p []byte, to netip.AddrPort) error {
	if len(p) > maxDatagram {
		return os.NewSyscallError("sendto", syscall.EMSGSIZE)
	}
	c.mu.Lock()
	err := c.write.err(c.closed)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if !to.Addr().IsValid() || to.Port() == 0 {
		return os.NewSyscallError("sendto", syscall.EINVAL)
	}
	if to.Addr().IsUnspecified() { // the host itself, as Linux takes it
		to = netip.AddrPortFrom(c.host.loopback(to.Addr()), to.Port())
	}
	from, err := c.host.source(c.local.Addr(), to.Addr())
	if err != nil {
		return err
	}
	c.host.network.datagram(c.host, netip.AddrPortFrom(from, c.local.Port()), to, p)
	return nil
}

func (h *Host) loopback(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// datagram carries one datagram from a host's socket. What cannot be delivered
// vanishes and is counted: the sender of a datagram never knows.
func (n *Network) datagram(h *Host, src, dst netip.AddrPort, p []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.stats.Datagrams++
	to, seenSrc, seenDst, ok := n.route(h, false, src, dst)
	if !ok {
		n.stats.Unreachable++
		return
	}
	now := time.Now()
	pkt := Packet{From: src, To: dst, Size: wireSize(dst.Addr(), udpHeader, len(p)), Data: p}
	arrive, further, ok := n.admit(now, pkt, seenDst.Addr())
	if !ok {
		return
	}
	e := n.sched.take()
	e.data = append(e.data[:0], p...)
	e.host, e.src, e.dst, e.on = to, seenSrc, seenDst, further
	n.at(arrive, e)
}

// ReadFromUDPAddrPort reads one datagram, cut to the length of b, without an
// allocation.
func (c *PacketConn) ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.read.err(c.closed); err != nil {
			return 0, netip.AddrPort{}, c.opError("read", err)
		}
		if c.count > 0 {
			break
		}
		c.readable.Wait()
	}
	slot := &c.ring[c.head]
	c.head = (c.head + 1) & (len(c.ring) - 1)
	c.count--
	c.bytes -= max(len(slot.data), 1)
	n = copy(b, slot.data)
	return n, slot.from, nil
}

// WriteToUDPAddrPort sends one datagram without an allocation.
func (c *PacketConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.remote.IsValid() {
		return 0, c.opError("write", net.ErrWriteToConnected)
	}
	if err := c.send(b, to); err != nil {
		return 0, c.opError("write", err)
	}
	return len(b), nil
}

// Write sends one datagram to the remote address of a connected socket.
func (c *PacketConn) Write(b []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, c.opError("write", os.NewSyscallError("write", syscall.EDESTADDRREQ))
	}
	if err := c.send(b, c.remote); err != nil {
		return 0, c.opError("write", err)
	}
	return len(b), nil
}

// Close closes the socket; a blocked read returns.
func (c *PacketConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.read.stop()
	c.write.stop()
	c.ring, c.count, c.bytes = nil, 0, 0
	c.readable.Broadcast()
	c.mu.Unlock()

	n := c.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(c.host.packets, c.local)
	return nil
}

// Dropped answers how many datagrams the full queue has dropped.
func (c *PacketConn) Dropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}

// opError wraps err as the net package does.
func (c *PacketConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: net.UDPAddrFromAddrPort(c.local), Err: err}
}
