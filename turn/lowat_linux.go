package turn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitUnsent asks the kernel to take no more than about limit bytes beyond what
// it has sent (TCP_NOTSENT_LOWAT), if conn is a connection of the kernel's. It is
// an improvement, so a failure is nothing to report.
func limitUnsent(conn net.Conn, limit int) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // tls.Conn
		conn = wrapped.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, limit)
	})
}
