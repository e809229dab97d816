package full

import (
	"net"
	"net/netip"
	"sync"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
)

// opusPayload is the payload type of voice in every offer here.
const opusPayload = 111

// speaking is a host that tells its ways which packets are voice: the network
// sees sizes only.
type speaking struct {
	*memnet.Host
	ways ways
}

// ways are those out of one host, by destination. They are complete before
// anything is sent.
type ways map[netip.Addr]*way

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
	ways ways
	mu   sync.Mutex // from the mark to the packet that it is for
}

// WriteTo sends one datagram.
func (c *speakingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return c.UDPConn.WriteTo(b, to)
	}
	w := c.ways[a.AddrPort().Addr().Unmap()]
	if w == nil {
		return c.UDPConn.WriteTo(b, to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.mark(isVoice(b))
	return c.UDPConn.WriteTo(b, to)
}

// isVoice reads the RTP header, which SRTP leaves clear.
func isVoice(b []byte) bool {
	return len(b) >= 12 && b[0]&0xc0 == 0x80 && b[1]&0x7f == opusPayload
}
