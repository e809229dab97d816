package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/pion/transport/v5"
)

// endpoint is one end of a stream.
type endpoint struct {
	host *Host
	own  netip.AddrPort // as its own host knows it
	seen netip.AddrPort // as the other end sees it; differs behind a NAT
}

// Conn is one end of a stream connection (TCP) between two hosts.
type Conn struct {
	here, there endpoint
	in, out     *flow
}

var (
	_ net.Conn          = (*Conn)(nil)
	_ transport.TCPConn = (*Conn)(nil)
)

// newPair makes both ends of a stream. The ends are not yet known to their
// hosts.
func newPair(n *Network, client, server endpoint) (clientEnd, serverEnd *Conn) {
	up, down := newFlow(n, client, server), newFlow(n, server, client)
	clientEnd = &Conn{here: client, there: server, in: down, out: up}
	serverEnd = &Conn{here: server, there: client, in: up, out: down}
	up.writer, down.writer = clientEnd, serverEnd
	return clientEnd, serverEnd
}

// register lets the host know the stream, so that closing the network closes
// it. It fails when the network is closed.
func (c *Conn) register() bool {
	n := c.here.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	c.here.host.streams[c] = struct{}{}
	return true
}

// segment carries one stream packet and calls done(true) when it arrives. When
// the path loses it, done(false) is called after retry. Nothing is called once
// the network is closed.
func (n *Network) segment(from, to endpoint, payload int, done func(arrived bool), retry time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.stats.Segments++
	now := time.Now()
	pkt := Packet{Stream: true, From: from.own, To: to.seen, Size: wireSize(to.own.Addr(), tcpHeader, payload)}
	arrive, further, ok := n.admit(now, pkt, to.own.Addr())
	if !ok {
		arrive = now.Add(retry)
	}
	e := n.sched.take()
	e.call = func() { done(ok) }
	if further != nil {
		further.lost, further.retry = func() { done(false) }, retry
		e.on = further
	}
	n.at(arrive, e)
}

// Read reads what has arrived, io.EOF after the other end closed.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.pull(b)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

// Write sends b; it blocks while the other end has a window full of unread
// bytes.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.push(b)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// ReadFrom copies r into the stream until its end.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// Close closes both directions. What was written still arrives, unless the
// other end sent something that was never read: then it sees a reset.
func (c *Conn) Close() error {
	n := c.here.host.network
	n.mu.Lock()
	delete(c.here.host.streams, c)
	n.mu.Unlock()
	c.out.finish()
	c.in.leave()
	return nil
}

// CloseWrite ends the sending direction only.
func (c *Conn) CloseWrite() error {
	c.out.finish()
	return nil
}

// CloseRead ends the receiving direction only.
func (c *Conn) CloseRead() error {
	c.in.leave()
	return nil
}

// fail ends both directions at this end with errno; what still arrives meets
// how.
func (c *Conn) fail(errno syscall.Errno, how ending) {
	c.out.failWriter(os.NewSyscallError("write", errno))
	c.in.failReader(os.NewSyscallError("read", errno), how)
}

// LocalAddr answers this end's address, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.here.own) }

// RemoteAddr answers the other end's address as it is seen from here.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.there.seen) }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline ends reads at t; the zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if err := c.in.setDeadline(&c.in.read, t); err != nil {
		return c.opError("set", err)
	}
	return nil
}

// SetWriteDeadline ends writes at t; the zero time means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if err := c.out.setDeadline(&c.out.write, t); err != nil {
		return c.opError("set", err)
	}
	return nil
}

// SetLinger is taken and ignored: Close always sends what was written.
func (c *Conn) SetLinger(int) error { return nil }

// SetKeepAlive is taken and ignored.
func (c *Conn) SetKeepAlive(bool) error { return nil }

// SetKeepAlivePeriod is taken and ignored.
func (c *Conn) SetKeepAlivePeriod(time.Duration) error { return nil }

// SetNoDelay is taken and ignored: nothing waits for more to send.
func (c *Conn) SetNoDelay(bool) error { return nil }

// SetWriteBuffer is taken and ignored: [Config] sets the window.
func (c *Conn) SetWriteBuffer(int) error { return nil }

// SetReadBuffer is taken and ignored: [Config] sets the window.
func (c *Conn) SetReadBuffer(int) error { return nil }

// opError wraps err as the net package does.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
