package icemux

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// line is what a handle writes to: a user fragment's connection over UDP or TCP.
type line interface {
	write(p []byte, to netip.AddrPort) (int, error)
	// release ends one handle's use of the line.
	release()
}

// handle is the net.PacketConn that pion/ice gets for one local candidate.
// Several handles may share one line; each is closed by itself.
//
// It also has the two methods of ice.AddrPortReaderWriter, with which pion
// reads and writes without allocating addresses.
//
// Deadlines do nothing: pion sets one only to wake a reader that it then
// closes, and Close wakes readers here. Writes never wait.
type handle struct {
	line   line
	inbox  *inbox
	reader *reader
	local  net.Addr
	ended  atomic.Bool // for writers
}

func newHandle(l line, q *inbox, local net.Addr) *handle {
	return &handle{line: l, inbox: q, reader: q.join(), local: local}
}

// ReadFromAddrPort waits for a packet. It returns io.EOF at the end, which
// pion takes without a complaint in the log.
func (h *handle) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return h.inbox.read(b, h.reader)
}

// ReadFrom is ReadFromAddrPort for callers that want a net.Addr.
func (h *handle) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := h.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	if _, stream := h.local.(*net.TCPAddr); stream {
		return n, net.TCPAddrFromAddrPort(from), nil
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteToAddrPort sends, or queues, one packet. It returns 0 and no error for
// a packet that was dropped on purpose. b is not kept.
func (h *handle) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if h.ended.Load() {
		return 0, io.ErrClosedPipe
	}
	return h.line.write(b, canonical(to))
}

// WriteTo is WriteToAddrPort for a net.Addr. It does not allocate for
// *net.UDPAddr and *net.TCPAddr.
func (h *handle) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, err := addrPort(addr)
	if err != nil {
		return 0, err
	}
	return h.WriteToAddrPort(b, to)
}

// LocalAddr is the address of the local candidate.
func (h *handle) LocalAddr() net.Addr { return h.local }

// Close ends this handle; the last one of a line ends the line.
func (h *handle) Close() error {
	if h.inbox.leave(h.reader) {
		h.ended.Store(true)
		h.line.release()
	}
	return nil
}

// SetDeadline does nothing.
func (h *handle) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (h *handle) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (h *handle) SetWriteDeadline(time.Time) error { return nil }

// addrPort takes the address out of a net.Addr.
func addrPort(addr net.Addr) (netip.AddrPort, error) {
	var a netip.AddrPort
	switch addr := addr.(type) {
	case *net.UDPAddr:
		a = addr.AddrPort()
	case *net.TCPAddr:
		a = addr.AddrPort()
	case nil:
	default:
		a, _ = netip.ParseAddrPort(addr.String())
	}
	if !a.IsValid() {
		return a, errAddress
	}
	return canonical(a), nil
}

// canonical gives an address the one form in which it is a map key: IPv4
// plain, a zone only where it means something (RFC 4007 §6).
func canonical(a netip.AddrPort) netip.AddrPort {
	ip := a.Addr()
	if ip.Is4() {
		return a
	}
	ip = ip.Unmap()
	if ip.Zone() != "" && !ip.IsLinkLocalUnicast() {
		ip = ip.WithZone("")
	}
	return netip.AddrPortFrom(ip, a.Port())
}

// Inject lets the reader find a packet beside what comes from the network; false
// when there is no room for it. It is for an agent that is told of a path before
// its client is there.
func (h *handle) Inject(packet []byte, from netip.AddrPort) bool {
	b := h.inbox.pool.take()
	n := copy(b.data, packet)
	if n == len(packet) && h.inbox.push(b, n, from) {
		return true
	}
	h.inbox.pool.give(b)
	return false
}
