package full

import (
	"net"
	"sync"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
)

// opusPayload is the payload type of voice in every offer here.
const opusPayload = 111

// speaking is a host that tells a way which of its packets are voice: the
// network sees sizes only.
type speaking struct {
	*memnet.Host
	way *way
}

// ListenUDP is what pion opens its sockets with.
func (s speaking) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	c, err := s.Host.ListenUDP(network, local)
	if err != nil {
		return nil, err
	}
	return &speakingConn{UDPConn: c, way: s.way}, nil
}

// speakingConn is one socket of it.
type speakingConn struct {
	transport.UDPConn
	way *way
	mu  sync.Mutex // from the mark to the packet that it is for
}

// WriteTo sends one datagram.
func (c *speakingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.way.mark(isVoice(b))
	return c.UDPConn.WriteTo(b, to)
}

// isVoice reads the RTP header, which SRTP leaves clear.
func isVoice(b []byte) bool {
	return len(b) >= 12 && b[0]&0xc0 == 0x80 && b[1]&0x7f == opusPayload
}
