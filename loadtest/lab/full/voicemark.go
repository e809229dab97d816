package full

import (
	"net"
	"net/netip"
	"sync"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
)

// The payload types of voice in every offer here: Opus, and RED around it.
const opusPayload, redPayload = 111, 63

// speaking is a host that tells its ways what its packets are for: the network
// sees sizes only.
type speaking struct {
	*memnet.Host
	ways *ways
}

// ways are those out of one host, by destination.
type ways struct {
	mu sync.Mutex // a leaf
	to map[netip.Addr]*way
}

func newWays() *ways { return &ways{to: map[netip.Addr]*way{}} }

// oneWay is a single one.
func oneWay(to netip.Addr, way *way) *ways {
	w := newWays()
	w.set(to, way)
	return w
}

// set puts a way to a destination, in place of an earlier one.
func (w *ways) set(to netip.Addr, way *way) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to[to] = way
}

func (w *ways) find(to netip.Addr) *way {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to[to]
}

// ListenUDP is what pion opens its sockets with.
func (s speaking) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	c, err := s.Host.ListenUDP(network, local)
	if err != nil {
		return nil, err
	}
	return &speakingConn{UDPConn: c, ways: s.ways}, nil
}

// speakingConn is one socket of it.
type speakingConn struct {
	transport.UDPConn
	ways *ways
	mu   sync.Mutex // from the mark to the packet that it is for
}

// WriteTo sends one datagram.
func (c *speakingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return c.UDPConn.WriteTo(b, to)
	}
	w := c.ways.find(a.AddrPort().Addr().Unmap())
	if w == nil {
		return c.UDPConn.WriteTo(b, to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.mark(datagramKind(b))
	return c.UDPConn.WriteTo(b, to)
}
