// Package udp moves datagrams in batches: one system call for many datagrams,
// whoever they are for.
//
// It decides nothing about what is sent. It takes datagrams with addresses and
// hands them to the kernel (or to any net.PacketConn), and the other way round.
//
//	    WriteBatch([]Message)                    ReadBatch([]Message)
//	            │                                        ▲
//	runs of equal size to one                            │ v4-mapped addresses
//	address become one message                           │ are unmapped
//	    (UDP_SEGMENT)                                    │
//	            ▼                                        │
//	        sendmmsg ─────────────► kernel ─────────► recvmmsg
//
// On Linux a *net.UDPConn takes the path above; elsewhere, and for every other
// net.PacketConn (an in-memory network in a test), the same methods are a loop
// of ReadFrom and WriteTo. No goroutine is started on any path.
//
// Steady state allocates nothing on a real socket.
//
// Specifications: RFC 768, RFC 2474 (DSCP), RFC 4291 §2.5.5.2 (v4-mapped
// addresses), Linux udp(7) and recvmmsg(2) for UDP_SEGMENT and the batches.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// MaxBatch is the most datagrams one call to ReadBatch can return.
const MaxBatch = 64

// MaxDSCP is the largest differentiated services code point (6 bits).
const MaxDSCP = 63

// Message is one datagram.
type Message struct {
	// Buffer is the caller's memory. A read fills it from the start; a write
	// sends Buffer[:N]. It is not kept after the call.
	Buffer []byte
	// N is the number of valid bytes in Buffer. A read sets it to 0 for a
	// datagram that did not fit (which is counted as truncated), so a reader
	// that drops empty datagrams drops those too.
	N int
	// Addr is the other side. IPv4 is always plain IPv4, never v4-mapped. The
	// zone of a link-local IPv6 address is the interface's number in decimal.
	Addr netip.AddrPort
}

// Config says how a socket is opened.
type Config struct {
	// DSCP marks every datagram sent: 0 (best effort) to 63.
	DSCP uint8
	// ReceiveBuffer and SendBuffer are the kernel's queue sizes in bytes.
	// 0 leaves the system's default; the system may grant less than asked
	// (see Socket.BufferSizes).
	ReceiveBuffer, SendBuffer int
	// V6Only keeps a socket on [::] from taking IPv4 as well.
	V6Only bool
	// NoSegmentation turns segmentation offload off for sending.
	NoSegmentation bool
	// NoCoalescing turns receive offload (UDP_GRO) off.
	NoCoalescing bool
}

// DefaultConfig is for a server's media port: queues deep enough for a burst
// of key frames while the reader is not scheduled (2 MiB is 130 ms at
// 128 Mbit/s), no marking.
func DefaultConfig() Config {
	return Config{ReceiveBuffer: 2 << 20, SendBuffer: 2 << 20}
}

// Validate reports the first value that is out of range.
func (c Config) Validate() error {
	switch {
	case c.DSCP > MaxDSCP:
		return fmt.Errorf("dscp %d is above %d", c.DSCP, MaxDSCP)
	case c.ReceiveBuffer < 0:
		return errors.New("receive buffer is negative")
	case c.SendBuffer < 0:
		return errors.New("send buffer is negative")
	}
	return nil
}

// backend is a way to move datagrams; each platform has one for real sockets
// and all share packetLoop.
type backend interface {
	readBatch(ms []Message) (int, error)
	writeBatch(ms []Message) (int, error)
	writeTo(b []byte, addr netip.AddrPort) (int, error)
}

// Socket is one open UDP port, or something that behaves like one.
//
// ReadBatch is meant for one goroutine (more are safe, but wait for each
// other). WriteBatch, WriteTo, Stats and Close may be called from any number
// of goroutines at once.
type Socket struct {
	conn    net.PacketConn
	local   netip.AddrPort
	v4, v6  bool
	backend backend
	counts  counters
}

// Listen opens a UDP port. An IPv4 address opens an IPv4 socket; [::] takes
// both families unless cfg.V6Only is set; any other IPv6 address takes IPv6
// alone. Port 0 lets the system choose.
func Listen(addr netip.AddrPort, cfg Config) (*Socket, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("udp configuration: %w", err)
	}
	if !addr.IsValid() {
		return nil, errors.New("listen udp: invalid address")
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	network := "udp6"
	switch {
	case addr.Addr().Is4():
		network = "udp4"
	case addr.Addr().IsUnspecified() && !cfg.V6Only:
		network = "udp"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("listen udp %s: %w", addr, err)
	}
	if err := setOptions(conn, cfg); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen udp %s: %w", addr, err)
	}
	return newSocket(conn, cfg), nil
}

// Wrap puts the methods of a Socket on any net.PacketConn, and takes it over:
// Close closes it. A *net.UDPConn gets the batched path where there is one,
// with receive offload off (its options are left as they are); anything else
// is read and written one datagram at a time, through ReadFromAddrPort and
// WriteToAddrPort where it has them (they need no allocation).
func Wrap(conn net.PacketConn) *Socket {
	return newSocket(conn, Config{NoCoalescing: true})
}

func newSocket(conn net.PacketConn, cfg Config) *Socket {
	s := &Socket{conn: conn, local: addrPortOf(conn.LocalAddr())}
	s.v4, s.v6 = families(conn, s.local)
	if udpConn, ok := conn.(*net.UDPConn); ok {
		s.backend = newBackend(udpConn, cfg, &s.counts)
	}
	if s.backend == nil {
		s.backend = newPacketLoop(conn, &s.counts)
	}
	return s
}

// ReadBatch waits until at least one datagram is there and fills ms from the
// front; it returns how many (at most MaxBatch). The error is that of the
// socket: net.ErrClosed after Close, or what the wrapped connection returned.
func (s *Socket) ReadBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	return s.backend.readBatch(ms)
}

// WriteBatch sends the datagrams in order and returns how many the kernel
// took. A datagram that it refuses (unreachable, not permitted, too long) is
// counted as an error and does not hold up the ones behind it: n < len(ms)
// with a nil error says that some were refused. The error is non-nil only when
// the socket itself can send no more (net.ErrClosed).
//
// It waits when the send queue is full.
func (s *Socket) WriteBatch(ms []Message) (n int, err error) {
	if len(ms) == 0 {
		return 0, nil
	}
	return s.backend.writeBatch(ms)
}

// WriteTo sends one datagram and returns len(b), or 0 and why it was refused.
func (s *Socket) WriteTo(b []byte, addr netip.AddrPort) (int, error) {
	return s.backend.writeTo(b, addr)
}

// LocalAddr is the address the socket is bound to. It may be unspecified
// (0.0.0.0 or [::]); it is the zero value when a wrapped connection does not
// have an IP address.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Families says which IP versions the socket can send and receive.
func (s *Socket) Families() (v4, v6 bool) { return s.v4, s.v6 }

// BufferSizes returns the kernel's queue sizes in bytes as granted, or zeros
// where the platform or the wrapped connection does not tell.
func (s *Socket) BufferSizes() (receive, send int) { return bufferSizes(s.conn) }

// Close ends the socket and every call waiting in it.
func (s *Socket) Close() error { return s.conn.Close() }

// addrPortOf turns a net.Addr into its plain form; the zero value means that
// it has none.
func addrPortOf(addr net.Addr) netip.AddrPort {
	switch a := addr.(type) {
	case nil:
		return netip.AddrPort{}
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	case *net.TCPAddr:
		return unmap(a.AddrPort())
	default:
		parsed, err := netip.ParseAddrPort(addr.String())
		if err != nil {
			return netip.AddrPort{}
		}
		return unmap(parsed)
	}
}

// unmap gives IPv4 its plain form (RFC 4291 §2.5.5.2).
func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
