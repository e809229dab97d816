package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr holds either kind of kernel socket address: sockaddr_in is shorter
// than sockaddr_in6 and starts with the same family field.
type sockaddr unix.RawSockaddrInet6

func (s *sockaddr) pointer() *byte { return (*byte)(unsafe.Pointer(s)) }

func (s *sockaddr) inet4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
}

// port views a port field, which is in network order whatever the machine.
func port(field *uint16) []byte { return (*[2]byte)(unsafe.Pointer(field))[:] }

// encode writes addr for a socket of the given family and returns the length,
// or 0 when a socket of that family cannot reach it.
func (s *sockaddr) encode(addr netip.AddrPort, family int) uint32 {
	ip := addr.Addr()
	if family == unix.AF_INET {
		ip = ip.Unmap()
		if !ip.Is4() {
			return 0
		}
		in := s.inet4()
		in.Family = unix.AF_INET
		binary.BigEndian.PutUint16(port(&in.Port), addr.Port())
		in.Addr = ip.As4()
		return unix.SizeofSockaddrInet4
	}
	if !ip.IsValid() {
		return 0
	}
	s.Family = unix.AF_INET6
	binary.BigEndian.PutUint16(port(&s.Port), addr.Port())
	s.Flowinfo = 0
	s.Addr = ip.As16() // IPv4 becomes v4-mapped, as a dual-stack socket wants it
	s.Scope_id = scopeID(ip.Zone())
	return unix.SizeofSockaddrInet6
}

// decode reads what the kernel wrote; IPv4 comes out plain.
func (s *sockaddr) decode() netip.AddrPort {
	switch s.Family {
	case unix.AF_INET:
		in := s.inet4()
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), binary.BigEndian.Uint16(port(&in.Port)))
	case unix.AF_INET6:
		ip := netip.AddrFrom16(s.Addr).Unmap()
		if s.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(strconv.FormatUint(uint64(s.Scope_id), 10))
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port(&s.Port)))
	}
	return netip.AddrPort{}
}

// scopeID is the interface number of a zone, 0 for none. Our own zones are
// numbers; a name comes only from configuration and is looked up each time.
func scopeID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if id, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(id)
	}
	iface, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(iface.Index)
}
