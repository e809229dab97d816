package udp

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// control runs f on the file descriptor of conn. f must not block.
func control(conn syscall.Conn, f func(fd int)) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// setOptions applies cfg. Queue sizes are a wish: the system's limit (as an
// unprivileged user) is no reason not to start. A marking that was asked for
// and cannot be had is an error.
func setOptions(conn *net.UDPConn, cfg Config) error {
	var dscpErr error
	err := control(conn, func(fd int) {
		setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer)
		setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.SendBuffer)
		dscpErr = setDSCP(fd, cfg.DSCP)
	})
	if err != nil {
		return err
	}
	return dscpErr
}

// setBuffer prefers the privileged option, which is not bounded by
// net.core.rmem_max and wmem_max.
func setBuffer(fd, force, plain, size int) {
	if size <= 0 {
		return
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
}

// setDSCP marks what leaves. On a dual-stack socket both options count: the
// IPv4 one for datagrams to v4-mapped addresses.
func setDSCP(fd int, dscp uint8) error {
	if dscp == 0 {
		return nil
	}
	class := int(dscp) << 2 // RFC 2474 §3: the upper six bits; ECN stays 0
	if domain(fd) == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, class); err != nil {
			return fmt.Errorf("set dscp %d: %w", dscp, err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, class); err != nil {
		return fmt.Errorf("set dscp %d: %w", dscp, err)
	}
	return nil
}

// domain is AF_INET or AF_INET6.
func domain(fd int) int {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return unix.AF_UNSPEC
	}
	return family
}

// families asks a real socket, and guesses for anything else from its address.
func families(conn net.PacketConn, local netip.AddrPort) (v4, v6 bool) {
	if local.Addr().Is4() {
		return true, false
	}
	dual := local.Addr().IsUnspecified()
	if udpConn, ok := conn.(*net.UDPConn); ok && dual {
		_ = control(udpConn, func(fd int) {
			only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
			dual = err == nil && only == 0
		})
	}
	return dual, true
}

// bufferSizes reads back what was granted. Linux doubles what is asked for, to
// make room for its own bookkeeping; half of what it reports is what it gave.
func bufferSizes(conn net.PacketConn) (receive, send int) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, 0
	}
	_ = control(sc, func(fd int) {
		if size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			receive = size / 2
		}
		if size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil {
			send = size / 2
		}
	})
	return receive, send
}
