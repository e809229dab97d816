package udp

import (
	"errors"
	"io"
	"net"
	"net/netip"
)

// addrPortReader and addrPortWriter are what a packet connection may offer to
// spare the allocation of a net.Addr per datagram.
type addrPortReader interface {
	ReadFromAddrPort(b []byte) (int, netip.AddrPort, error)
}

type addrPortWriter interface {
	WriteToAddrPort(b []byte, addr netip.AddrPort) (int, error)
}

// packetLoop moves datagrams one by one through a net.PacketConn.
type packetLoop struct {
	conn   net.PacketConn
	reader addrPortReader // nil: use ReadFrom
	writer addrPortWriter // nil: use WriteTo
	counts *counters
}

func newPacketLoop(conn net.PacketConn, counts *counters) *packetLoop {
	l := &packetLoop{conn: conn, counts: counts}
	l.reader, _ = conn.(addrPortReader)
	l.writer, _ = conn.(addrPortWriter)
	return l
}

// readBatch reads a single datagram: a second ReadFrom could wait, and a
// datagram in hand must not wait for one that may never come.
func (l *packetLoop) readBatch(ms []Message) (int, error) {
	m := &ms[0]
	n, addr, err := l.readFrom(m.Buffer)
	if err != nil {
		return 0, err
	}
	m.N, m.Addr = n, addr
	l.counts.read(1, n)
	return 1, nil
}

func (l *packetLoop) readFrom(b []byte) (int, netip.AddrPort, error) {
	if l.reader != nil {
		n, addr, err := l.reader.ReadFromAddrPort(b)
		return n, unmap(addr), err
	}
	n, addr, err := l.conn.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, addrPortOf(addr), nil
}

func (l *packetLoop) writeBatch(ms []Message) (sent int, err error) {
	for i := range ms {
		m := &ms[i]
		if _, err := l.writeTo(m.Buffer[:m.N], m.Addr); err == nil {
			sent++
		} else if closedForGood(err) {
			l.counts.writeErrors.Add(uint64(len(ms) - i - 1))
			return sent, err
		}
	}
	return sent, nil
}

func (l *packetLoop) writeTo(b []byte, addr netip.AddrPort) (n int, err error) {
	l.counts.writeCalls.Add(1)
	if l.writer != nil {
		n, err = l.writer.WriteToAddrPort(b, addr)
	} else {
		// The connection may keep the address, so it cannot be reused.
		n, err = l.conn.WriteTo(b, net.UDPAddrFromAddrPort(addr))
	}
	if err != nil {
		l.counts.writeErrors.Add(1)
		return 0, err
	}
	l.counts.wrote(1, n)
	return n, nil
}

// closedForGood tells the end of a connection from a datagram refused.
func closedForGood(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF)
}
