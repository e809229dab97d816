//go:build !linux

package udp

import (
	"net"
	"net/netip"
)

// udpConnLoop gives packetLoop the methods of *net.UDPConn that do not
// allocate, under the names it looks for.
type udpConnLoop struct{ *net.UDPConn }

func (c udpConnLoop) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return c.ReadFromUDPAddrPort(b)
}

func (c udpConnLoop) WriteToAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	return c.WriteToUDPAddrPort(b, addr)
}

func newBackend(conn *net.UDPConn, _ Config, counts *counters) backend {
	return newPacketLoop(udpConnLoop{conn}, counts)
}

// families guesses from the bound address: without asking the system, a
// socket on [::] is taken to accept IPv4 too.
func families(_ net.PacketConn, local netip.AddrPort) (v4, v6 bool) {
	if local.Addr().Is4() {
		return true, false
	}
	return local.Addr().IsUnspecified(), true
}

func setOptions(conn *net.UDPConn, cfg Config) error {
	if cfg.ReceiveBuffer > 0 {
		_ = conn.SetReadBuffer(cfg.ReceiveBuffer) // a smaller queue is no reason not to start
	}
	if cfg.SendBuffer > 0 {
		_ = conn.SetWriteBuffer(cfg.SendBuffer)
	}
	return setDSCP(conn, cfg.DSCP)
}

func bufferSizes(net.PacketConn) (receive, send int) { return 0, 0 }
