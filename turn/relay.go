package turn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// RelayRequest asks for the socket of one allocation.
type RelayRequest struct {
	// IPv6 asks for an IPv6 relay, otherwise it is an IPv4 one.
	IPv6 bool
	// User is the opaque id of the credentials.
	User string
}

// RelayAllocator opens the socket that faces the peers, and answers the address
// to tell the client. The socket's addresses must be *net.UDPAddr, its ReadFrom
// must return once it is closed, and WriteTo must not keep its buffer.
//
// It is a seam: a socket that hands packets straight to an SFU in the same
// process does as well as one of the kernel's.
type RelayAllocator func(RelayRequest) (net.PacketConn, netip.AddrPort, error)

// RelayHost is one local address on which relays open.
type RelayHost struct {
	// Bind is the local address, IPv4 or IPv6.
	Bind netip.Addr
	// Told is what clients are told instead, for a host behind a NAT; Bind
	// if it is not valid.
	Told netip.Addr
}

// HostRelay allocates real UDP sockets on this host, on ports of the kernel's
// choice: the first host of the family asked for serves it.
//
// Since the only peers are this node's own, these ports need no way in through
// a firewall. Bind to an address from which the media address is reached.
func HostRelay(hosts ...RelayHost) RelayAllocator {
	return func(r RelayRequest) (net.PacketConn, netip.AddrPort, error) {
		for _, host := range hosts {
			bind := normal(host.Bind)
			if !bind.IsValid() || bind.Is6() != r.IPv6 {
				continue
			}
			network := "udp4"
			if r.IPv6 {
				network = "udp6"
			}
			conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(bind, 0)))
			if err != nil {
				return nil, netip.AddrPort{}, fmt.Errorf("open relay socket: %w", err)
			}
			told := bind
			if host.Told.IsValid() {
				told = normal(host.Told)
			}
			port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
			return conn, netip.AddrPortFrom(told, port), nil
		}
		return nil, netip.AddrPort{}, errors.New("open relay socket: no relay address of this family")
	}
}

// Two ways to avoid an allocation for each packet, which *net.UDPConn and
// batched sockets offer.
type (
	addrPortReader interface {
		ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	}
	addrPortWriter interface {
		WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	}
)

// relay is the socket of one allocation as pion sees it. It lets through only
// what policy allows, both ways: pion checks a peer's IP, and only when the
// client asks for a permission; here the port counts too, for each packet.
type relay struct {
	conn     net.PacketConn
	policy   *policy
	pairs    *pairs
	counters *counters
	local    net.Addr
	// pair is whom else it may speak with; told is how clients know it, bound
	// how its pair reaches it.
	pair        string
	told, bound netip.AddrPort
	release     func(*relay)
	age         *time.Timer

	// Owned by pion's one reader: the peer of the last packet, to allocate
	// no address for the next.
	lastPeer netip.AddrPort
	lastAddr *net.UDPAddr

	once   sync.Once
	closed chan struct{}
}

func newRelay(conn net.PacketConn, policy *policy, counters *counters, release func(*relay)) *relay {
	return &relay{
		conn: conn, policy: policy, pairs: newPairs(), counters: counters, release: release,
		local: conn.LocalAddr(), closed: make(chan struct{}),
	}
}

// join lets it speak with the others of its user's pair, if there is one.
func (r *relay) join(pairs *pairs, user string, told netip.AddrPort) {
	r.pairs, r.pair, r.told, r.bound = pairs, pairOf(user), normalPort(told), meeting(udpAddrPort(r.local))
	pairs.add(r)
}

// ReadFrom answers the next packet from an allowed peer. pion takes any error as
// the end of the allocation, so passing errors are waited out here.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	pause := retryPause{stop: r.closed}
	for {
		n, from, err := r.read(p)
		if err != nil {
			if r.isClosed() || ended(err) || !pause.wait() {
				return 0, nil, net.ErrClosed
			}
			continue
		}
		pause.reset()
		if !r.policy.peer(from) {
			told, ok := r.pairs.from(r.pair, from)
			if !ok {
				r.counters.fromPeer.Add(1)
				continue
			}
			from = told
		}
		if n == len(p) { // perhaps cut off
			r.counters.oversized.Add(1)
			continue
		}
		r.counters.fromPackets.Add(1)
		r.counters.fromBytes.Add(uint64(n))
		if from != r.lastPeer {
			r.lastPeer, r.lastAddr = from, net.UDPAddrFromAddrPort(from)
		}
		return n, r.lastAddr, nil
	}
}

// read takes one packet off the socket; an address of another kind is answered
// as the zero one, which no policy allows.
func (r *relay) read(p []byte) (int, netip.AddrPort, error) {
	if fast, ok := r.conn.(addrPortReader); ok {
		n, from, err := fast.ReadFromUDPAddrPort(p)
		return n, normalPort(from), err
	}
	n, from, err := r.conn.ReadFrom(p)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, udpAddrPort(from), nil
}

// WriteTo sends p to an allowed peer. What may not or cannot be sent is counted
// and otherwise reported as sent: to pion it would only be a line in a log.
func (r *relay) WriteTo(p []byte, to net.Addr) (int, error) {
	peer := udpAddrPort(to)
	if !r.policy.peer(peer) {
		meets, ok := r.pairs.to(r.pair, peer)
		if !ok {
			r.counters.toPeer.Add(1)
			return len(p), nil
		}
		peer = meets
	}
	var err error
	if fast, ok := r.conn.(addrPortWriter); ok {
		_, err = fast.WriteToUDPAddrPort(p, peer)
	} else {
		// The address that was checked, not the one that came.
		_, err = r.conn.WriteTo(p, net.UDPAddrFromAddrPort(peer))
	}
	if err != nil {
		r.counters.sendErrors.Add(1)
		return len(p), nil
	}
	r.counters.toPackets.Add(1)
	r.counters.toBytes.Add(uint64(len(p)))
	return len(p), nil
}

// Close ends the relay; pion's reader then deletes the allocation. It never
// fails: pion stops closing the others when one does.
func (r *relay) Close() error {
	r.once.Do(func() {
		if r.age != nil {
			r.age.Stop()
		}
		r.shut()
	})
	return nil
}

// expire ends the relay because of its age, from its timer's goroutine.
func (r *relay) expire() { r.once.Do(r.shut) }

func (r *relay) shut() {
	close(r.closed)
	r.pairs.remove(r)
	_ = r.conn.Close()
	r.release(r)
}

func (r *relay) isClosed() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}

func (r *relay) LocalAddr() net.Addr                { return r.local }
func (r *relay) SetDeadline(t time.Time) error      { return r.conn.SetDeadline(t) }
func (r *relay) SetReadDeadline(t time.Time) error  { return r.conn.SetReadDeadline(t) }
func (r *relay) SetWriteDeadline(t time.Time) error { return r.conn.SetWriteDeadline(t) }

// ended says whether err means that a socket is gone for good.
func ended(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}

// udpAddrPort reads a UDP address in normal form; any other kind is the zero one.
func udpAddrPort(addr net.Addr) netip.AddrPort {
	if udp, ok := addr.(*net.UDPAddr); ok && udp != nil {
		return normalPort(udp.AddrPort())
	}
	return netip.AddrPort{}
}
