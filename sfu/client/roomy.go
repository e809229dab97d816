package client

import (
	"fmt"
	"net"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// receiveQueue is what each socket asks for in bytes: the usual default holds
// some ninety packets, which is a second of one picture while this process is
// not scheduled. The system may grant less.
const receiveQueue = 1 << 20

// roomy is the operating system's network with larger receive queues.
type roomy struct{ transport.Net }

func newRoomy() (roomy, error) {
	n, err := stdnet.NewNet()
	if err != nil {
		return roomy{}, fmt.Errorf("list the network's interfaces: %w", err)
	}
	return roomy{n}, nil
}

// ListenUDP opens a socket.
func (r roomy) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	c, err := r.Net.ListenUDP(network, local)
	if err == nil {
		_ = c.SetReadBuffer(receiveQueue) // the default is no reason to fail
	}
	return c, err
}

// ListenPacket opens a socket for a relay.
func (r roomy) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := r.Net.ListenPacket(network, address)
	if u, ok := c.(*net.UDPConn); err == nil && ok {
		_ = u.SetReadBuffer(receiveQueue)
	}
	return c, err
}
