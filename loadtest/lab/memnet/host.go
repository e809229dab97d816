package memnet

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/pion/transport/v5"
)

// Ports that are given out when none is asked for (RFC 6335 §6).
const (
	firstEphemeral = 49152
	lastEphemeral  = 65535
)

// mtu is what a host's interface reports; the network carries any size up to
// maxDatagram.
const mtu = 1500

// Host is a machine of the network: its addresses and its sockets. It is a
// [transport.Net] of pion and what an http.Transport needs to dial. All its
// methods may be called from any goroutine.
type Host struct {
	network *Network
	addrs   []netip.Addr // set once

	// Guarded by network.mu.
	preferred netip.Addr // what sockets without an address send from; none: the first
	nat       *nat
	packets   map[netip.AddrPort]*PacketConn
	listeners map[netip.AddrPort]*Listener
	streams   map[*Conn]struct{}
	nextPort  uint16
}

var _ transport.Net = (*Host)(nil)

func newHost(n *Network) *Host {
	return &Host{
		network:   n,
		packets:   make(map[netip.AddrPort]*PacketConn),
		listeners: make(map[netip.AddrPort]*Listener),
		streams:   make(map[*Conn]struct{}),
		nextPort:  firstEphemeral,
	}
}

// Addr answers the host's first address.
func (h *Host) Addr() netip.Addr { return h.addrs[0] }

// endpoints answers the functions that close what the host has open. The
// caller holds network.mu and calls them without it.
func (h *Host) endpoints() []func() {
	var closers []func()
	for _, c := range h.packets {
		closers = append(closers, func() { _ = c.Close() })
	}
	for _, l := range h.listeners {
		closers = append(closers, func() { _ = l.Close() })
	}
	for c := range h.streams {
		closers = append(closers, func() { _ = c.Close() })
	}
	return closers
}

// owns says whether a socket of this host can be bound to a.
func (h *Host) owns(a netip.Addr) bool {
	if a.IsUnspecified() || a.IsLoopback() {
		return true
	}
	for _, own := range h.addrs {
		if own == a {
			return true
		}
	}
	return false
}

// wildcard is the unspecified address that a socket of a network ("udp", "tcp4",
// "udp6", ...) is bound to when no address is asked for.
func (h *Host) wildcard(network string) netip.Addr {
	switch network[len(network)-1] {
	case '4':
		return netip.IPv4Unspecified()
	case '6':
		return netip.IPv6Unspecified()
	}
	for _, a := range h.addrs {
		if a.Is6() {
			return netip.IPv6Unspecified() // dual stack, as Go listens
		}
	}
	return netip.IPv4Unspecified()
}

// Prefer makes sockets that are bound to no address send from one of the host's
// addresses, as a system does whose default route has changed. It panics when the
// host does not have it.
func (h *Host) Prefer(a netip.Addr) {
	a = a.Unmap()
	if !slices.Contains(h.addrs, a) {
		panic("memnet: the host does not have the address " + a.String())
	}
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.preferred = a
}

// source chooses the address that a packet to dst carries when its socket is
// bound to local.
func (h *Host) source(local, dst netip.Addr) (netip.Addr, error) {
	if !local.IsUnspecified() {
		return local, nil
	}
	if dst.IsLoopback() {
		return dst, nil
	}
	if h.preferred.IsValid() && h.preferred.Is4() == dst.Is4() {
		return h.preferred, nil
	}
	for _, a := range h.addrs {
		if a.Is4() == dst.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, os.NewSyscallError("sendto", syscall.ENETUNREACH)
}

// bind chooses the address and port of a new socket. taken says which are used.
// The caller holds network.mu.
func (h *Host) bind(network string, want netip.AddrPort, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	addr := want.Addr().Unmap()
	if !addr.IsValid() {
		addr = h.wildcard(network)
	}
	if !h.owns(addr) {
		return netip.AddrPort{}, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if want.Port() != 0 {
		local := netip.AddrPortFrom(addr, want.Port())
		if taken(local) {
			return netip.AddrPort{}, os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
		return local, nil
	}
	for range lastEphemeral - firstEphemeral + 1 {
		local := netip.AddrPortFrom(addr, h.ephemeral())
		if !taken(local) {
			return local, nil
		}
	}
	return netip.AddrPort{}, os.NewSyscallError("bind", syscall.EADDRINUSE)
}

// ephemeral answers the next port of the ephemeral range. The caller holds
// network.mu.
func (h *Host) ephemeral() uint16 {
	port := h.nextPort
	if h.nextPort == lastEphemeral {
		h.nextPort = firstEphemeral
	} else {
		h.nextPort++
	}
	return port
}

// Interfaces answers the host's one interface with its addresses.
func (h *Host) Interfaces() ([]*transport.Interface, error) {
	ifc := transport.NewInterface(net.Interface{
		Index: 1,
		MTU:   mtu,
		Name:  "mem0",
		Flags: net.FlagUp | net.FlagRunning | net.FlagBroadcast,
	})
	for _, a := range h.addrs {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		ifc.AddAddress(&net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())})
	}
	return []*transport.Interface{ifc}, nil
}

// InterfaceByIndex answers the host's interface, whose index is 1.
func (h *Host) InterfaceByIndex(index int) (*transport.Interface, error) {
	return h.findInterface(func(ifc *transport.Interface) bool { return ifc.Index == index })
}

// InterfaceByName answers the host's interface, whose name is "mem0".
func (h *Host) InterfaceByName(name string) (*transport.Interface, error) {
	return h.findInterface(func(ifc *transport.Interface) bool { return ifc.Name == name })
}

func (h *Host) findInterface(match func(*transport.Interface) bool) (*transport.Interface, error) {
	all, err := h.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, ifc := range all {
		if match(ifc) {
			return ifc, nil
		}
	}
	return nil, transport.ErrInterfaceNotFound
}

// ResolveIPAddr resolves a literal address, "localhost", or a name given with
// [Network.Name].
func (h *Host) ResolveIPAddr(network, address string) (*net.IPAddr, error) {
	a, err := h.lookup(network, address)
	if err != nil {
		return nil, err
	}
	return &net.IPAddr{IP: a.AsSlice()}, nil
}

// ResolveUDPAddr resolves "host:port" as [Host.ResolveIPAddr] does.
func (h *Host) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	ap, err := h.resolve(network, address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(ap), nil
}

// ResolveTCPAddr resolves "host:port" as [Host.ResolveIPAddr] does.
func (h *Host) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	ap, err := h.resolve(network, address)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(ap), nil
}

// resolve splits "host:port"; an empty host gives an invalid Addr.
func (h *Host) resolve(network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil && service != "" {
		return netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: address}
	}
	port := uint16(number)
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, port), nil
	}
	addr, err := h.lookup(network, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr, port), nil
}

// lookup turns a name or a literal into an address of the network's family.
func (h *Host) lookup(network, name string) (netip.Addr, error) {
	notFound := &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		h.network.mu.Lock()
		known, ok := h.network.names[name]
		h.network.mu.Unlock()
		switch {
		case ok:
			addr = known
		case name == "localhost":
			addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		default:
			return netip.Addr{}, notFound
		}
	}
	addr = addr.Unmap()
	if network == "" {
		return addr, nil
	}
	switch network[len(network)-1] {
	case '4':
		if !addr.Is4() {
			return netip.Addr{}, notFound
		}
	case '6':
		if !addr.Is6() {
			return netip.Addr{}, notFound
		}
	}
	return addr, nil
}

// checkNetwork says whether network is one of want with an optional "4" or "6".
func checkNetwork(network, want string) error {
	switch network {
	case want, want + "4", want + "6":
		return nil
	}
	return net.UnknownNetworkError(network)
}

// addrPort reads the address of a net.UDPAddr or net.TCPAddr.
func addrPort(ip net.IP, port int) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}
