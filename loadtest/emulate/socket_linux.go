package emulate

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// socketBuffer is what the system keeps of packets that are not read yet,
	// in bytes: 30 ms at 2 Gbit/s. Less than that is granted without rights.
	socketBuffer = 8 << 20

	// maxAge bounds how old the system's time stamp makes a packet; more than
	// that is a wall clock that was set.
	maxAge = time.Second
)

// socket is a UDP socket that is read without waiting, with the system's time of
// arrival and its count of lost packets, and without allocation.
type socket struct {
	fd     int
	lost   uint32 // packets that the system dropped at this socket
	name   unix.RawSockaddrInet6
	vector unix.Iovec
	head   unix.Msghdr
	extra  [128]byte
}

// rawAddress is an address in the system's form; of an IPv4 address the first
// part counts.
type rawAddress struct {
	raw  unix.RawSockaddrInet6
	size uint32
}

// openSocket answers a socket bound to local, and if remote is valid connected
// to it. Without local, remote tells the family.
func openSocket(local, remote netip.AddrPort) (s *socket, err error) {
	family := unix.AF_INET
	if (local.IsValid() && local.Addr().Is6()) || (!local.IsValid() && remote.Addr().Is6()) {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	for _, option := range []int{unix.SO_TIMESTAMPNS, unix.SO_RXQ_OVFL} {
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return nil, fmt.Errorf("socket option %d: %w", option, err)
		}
	}
	for _, option := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[0], socketBuffer) != nil {
			// Without rights as much as is granted; what is lost is counted.
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[1], socketBuffer)
		}
	}
	if local.IsValid() {
		if err = unix.Bind(fd, sockaddr(local)); err != nil {
			return nil, fmt.Errorf("listen on %v: %w", local, err)
		}
	}
	if remote.IsValid() {
		if err = unix.Connect(fd, sockaddr(remote)); err != nil {
			return nil, fmt.Errorf("connect to %v: %w", remote, err)
		}
	}
	s = &socket{fd: fd}
	s.head.Name = (*byte)(unsafe.Pointer(&s.name))
	s.head.Control = &s.extra[0]
	s.head.Iov = &s.vector
	s.head.SetIovlen(1)
	return s, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// local is the address that the socket has.
func (s *socket) local() (netip.AddrPort, error) {
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("socket name: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("socket name of type %T", sa)
}

// datagram is what was received.
type datagram struct {
	size int
	at   time.Time // when it came to the system
	lost uint32    // how many the system dropped since the one before
}

// receive reads one packet. false: there is none. Errors that tell of packets
// sent before (ICMP) are passed over.
func (s *socket) receive(buffer []byte) (d datagram, ok bool) {
	for range 3 {
		s.vector.Base = &buffer[0]
		s.vector.SetLen(len(buffer))
		s.head.Namelen = uint32(unsafe.Sizeof(s.name))
		s.head.SetControllen(len(s.extra))
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.head)), unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			d.size, d.at = int(n), time.Now()
			s.readExtra(&d)
			return d, true
		case unix.EAGAIN:
			return d, false
		}
	}
	return d, false
}

// readExtra reads the control messages of the last packet.
func (s *socket) readExtra(d *datagram) {
	rest := s.extra[:min(uint64(s.head.Controllen), uint64(len(s.extra)))]
	for len(rest) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&rest[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(rest) {
			return
		}
		data := rest[unix.CmsgLen(0):size]
		switch {
		case h.Level != unix.SOL_SOCKET:
		case h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16:
			stamp := time.Duration(binary.NativeEndian.Uint64(data))*time.Second + time.Duration(binary.NativeEndian.Uint64(data[8:]))
			if age := time.Duration(d.at.UnixNano()) - stamp; age > 0 && age < maxAge {
				d.at = d.at.Add(-age)
			}
		case h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			total := binary.NativeEndian.Uint32(data)
			d.lost, s.lost = total-s.lost, total
		}
		rest = rest[min(len(rest), unix.CmsgSpace(len(data))):]
	}
}

// from answers the sender of the last packet, twice: to look it up and to
// answer it.
func (s *socket) from() (netip.AddrPort, rawAddress) {
	raw := rawAddress{s.name, s.head.Namelen}
	port := (*[2]byte)(unsafe.Pointer(&s.name.Port))
	if s.name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), binary.BigEndian.Uint16(port[:])), raw
	}
	return netip.AddrPortFrom(netip.AddrFrom16(s.name.Addr), binary.BigEndian.Uint16(port[:])), raw
}

// send writes one packet to where the socket is connected (to nil) or to an
// address, and answers whether the system took it.
func (s *socket) send(packet []byte, to *rawAddress) bool {
	for range 3 {
		var errno unix.Errno
		if to == nil {
			_, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(packet))), uintptr(len(packet)),
				unix.MSG_DONTWAIT, 0, 0)
		} else {
			_, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(packet))), uintptr(len(packet)),
				unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
		}
		switch errno {
		case 0:
			return true
		case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EINTR:
			// Of the packet before, which found nobody; this one is still to be sent.
		default:
			return false
		}
	}
	// Nobody listens there, which is the network's doing and not ours.
	return true
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
