package icemux

import (
	"net"

	"golang.org/x/sys/unix"
)

// limitUnsent keeps the kernel from taking more than it can send soon
// (TCP_NOTSENT_LOWAT), so that what is too old can still be dropped here. It is
// a wish: without it the stream works, only later.
func limitUnsent(conn net.Conn, bytes int) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes)
	})
}
