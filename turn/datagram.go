package turn

import (
	"net"
	"time"
)

// datagram is a UDP socket on which clients arrive, as pion sees it.
type datagram struct {
	conn     net.PacketConn
	gate     *gate
	counters *counters
	local    net.Addr // one pointer for life: it identifies the socket
	closed   chan struct{}
}

func newDatagram(conn net.PacketConn, gate *gate, counters *counters) *datagram {
	// A copy, so that two sockets that share an address value still differ.
	local := *conn.LocalAddr().(*net.UDPAddr)
	return &datagram{conn: conn, gate: gate, counters: counters, local: &local, closed: make(chan struct{})}
}

// ReadFrom answers the next datagram that is for pion. pion takes any error as
// the end of the socket and of all its allocations, so passing errors are waited
// out here.
func (d *datagram) ReadFrom(p []byte) (int, net.Addr, error) {
	pause := retryPause{stop: d.closed}
	for {
		n, from, err := d.conn.ReadFrom(p)
		if err != nil {
			if ended(err) || !pause.wait() {
				return 0, nil, net.ErrClosed
			}
			continue
		}
		pause.reset()
		remote := udpAddrPort(from)
		if n == len(p) || !remote.IsValid() {
			d.counters.oversized.Add(1)
			continue
		}
		if kindOf(p[:n]) == kindChannelData { // media: not even the time is needed
			return n, from, nil
		}
		pass, reply := d.gate.admit(time.Now(), p[:n], tuple{local: d.local, remote: remote})
		if reply != nil {
			d.send(reply, from)
		}
		if pass {
			return n, from, nil
		}
	}
}

// WriteTo sends to a client, or counts why not. It reports success either way:
// to pion a failure would only be a line in a log for each packet.
func (d *datagram) WriteTo(p []byte, to net.Addr) (int, error) {
	if !unproven(p) || d.gate.answer(time.Now(), udpAddrPort(to)) {
		d.send(p, to)
	}
	return len(p), nil
}

func (d *datagram) send(p []byte, to net.Addr) {
	if _, err := d.conn.WriteTo(p, to); err != nil {
		d.counters.sendErrors.Add(1)
	}
}

// Close is called once, by pion's server.
func (d *datagram) Close() error {
	close(d.closed)
	return d.conn.Close()
}

func (d *datagram) LocalAddr() net.Addr                { return d.local }
func (d *datagram) SetDeadline(t time.Time) error      { return d.conn.SetDeadline(t) }
func (d *datagram) SetReadDeadline(t time.Time) error  { return d.conn.SetReadDeadline(t) }
func (d *datagram) SetWriteDeadline(t time.Time) error { return d.conn.SetWriteDeadline(t) }
