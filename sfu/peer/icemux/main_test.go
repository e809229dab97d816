package icemux

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is a net.PacketConn in memory that the test plays the network of.
type wire struct {
	local  netip.AddrPort
	in     chan sent
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	out     []sent
	discard bool // do not keep what is written
}

type sent struct {
	data []byte
	addr netip.AddrPort
}

func newWire(local string) *wire {
	return &wire{local: netip.MustParseAddrPort(local), in: make(chan sent, 1024), closed: make(chan struct{})}
}

func (w *wire) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-w.in:
		return copy(b, p.data), p.addr, nil
	case <-w.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (w *wire) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-w.closed:
		return 0, net.ErrClosed
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.discard {
		w.out = append(w.out, sent{bytes.Clone(b), to})
	}
	return len(b), nil
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := w.ReadFromAddrPort(b)
	return n, net.UDPAddrFromAddrPort(from), err
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	return w.WriteToAddrPort(b, to.(*net.UDPAddr).AddrPort())
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}
func (w *wire) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(w.local) }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// deliver lets a packet arrive.
func (w *wire) deliver(from netip.AddrPort, data []byte) { w.in <- sent{bytes.Clone(data), from} }

// written returns what was sent so far and forgets it.
func (w *wire) written() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.out
	w.out = nil
	return out
}

// stunMessage builds a STUN message with a USERNAME unless that is empty.
func stunMessage(kind uint16, username string) []byte {
	var attributes []byte
	if username != "" {
		attributes = binary.BigEndian.AppendUint16(attributes, attributeUsername)
		attributes = binary.BigEndian.AppendUint16(attributes, uint16(len(username)))
		attributes = append(attributes, username...)
		for len(attributes)%4 != 0 {
			attributes = append(attributes, 0)
		}
	}
	p := binary.BigEndian.AppendUint16(nil, kind)
	p = binary.BigEndian.AppendUint16(p, uint16(len(attributes)))
	p = binary.BigEndian.AppendUint32(p, stunCookie)
	p = append(p, "transaction!"...)
	return append(p, attributes...)
}

// rtp builds an RTP packet of size bytes.
func rtp(payloadType uint8, ssrc, timestamp uint32, size int) []byte {
	p := make([]byte, max(size, 12))
	p[0], p[1] = 0x80, payloadType
	binary.BigEndian.PutUint32(p[4:], timestamp)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return p
}

// rtcpPacket builds an RTCP packet (a receiver report's first bytes).
func rtcpPacket() []byte { return []byte{0x80, 201, 0, 1, 0, 0, 0, 1} }

var (
	alice   = netip.MustParseAddrPort("198.51.100.1:4001")
	bob     = netip.MustParseAddrPort("198.51.100.2:4002")
	success = stunMessage(stunSuccess, "")
	dtls    = []byte{22, 254, 253, 1, 2, 3}
)
