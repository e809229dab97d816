package memnet

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// This file holds the methods of PacketConn that only translate between the
// forms in which net and pion know a UDP socket.

// LocalAddr answers the bound address, a *net.UDPAddr.
func (c *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr answers the connected address, or nil.
func (c *PacketConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}

// Read reads one datagram.
func (c *PacketConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromUDPAddrPort(b)
	return n, err
}

// ReadFrom reads one datagram; the address is a *net.UDPAddr.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDP reads one datagram.
func (c *PacketConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadMsgUDP reads one datagram; there is no out-of-band data.
func (c *PacketConn) ReadMsgUDP(b, _ []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	n, from, err = c.ReadFromUDP(b)
	return n, 0, 0, from, err
}

// WriteTo sends one datagram; the address must be a *net.UDPAddr.
func (c *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok || a == nil {
		return 0, c.opError("write", os.NewSyscallError("sendto", syscall.EINVAL))
	}
	return c.WriteToUDPAddrPort(b, addrPort(a.IP, a.Port))
}

// WriteToUDP sends one datagram.
func (c *PacketConn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) {
	return c.WriteTo(b, to)
}

// WriteMsgUDP sends one datagram, to the connected address when to is nil.
// Out-of-band data is taken and ignored.
func (c *PacketConn) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	if to == nil {
		n, err = c.Write(b)
	} else {
		n, err = c.WriteToUDP(b, to)
	}
	if err != nil {
		return n, 0, err
	}
	return n, len(oob), nil
}

// SetDeadline sets both deadlines.
func (c *PacketConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline ends reads at t; the zero time means never.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.read, t)
}

// SetWriteDeadline ends writes at t. A write never blocks, but fails afterwards.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.write, t)
}

func (c *PacketConn) setDeadline(d *deadline, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	d.set(&c.readable, t)
	return nil
}

// SetReadBuffer bounds the unread bytes of the socket.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
	return nil
}

// SetWriteBuffer is taken and ignored: a write never waits.
func (c *PacketConn) SetWriteBuffer(int) error { return nil }

// ListenPacket binds a UDP socket.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	if err := checkNetwork(network, "udp"); err != nil {
		return nil, err
	}
	local, err := h.resolve(network, address)
	if err != nil {
		return nil, err
	}
	return h.listenUDP(network, local)
}

func (h *Host) listenUDP(network string, local netip.AddrPort) (*PacketConn, error) {
	c, err := h.openPacket(network, local, netip.AddrPort{})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	return c, nil
}
