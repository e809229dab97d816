// Package memnet is an IP network in memory, so that a whole server and its
// clients (pion, HTTP, WebSocket, TURN, ICE over TCP) run inside one
// testing/synctest bubble in virtual time.
//
// It decides when a packet arrives, and whether it does. In: datagrams and
// stream bytes written by hosts. Out: the same, later. There are no threads of
// its own: one timer for the whole network is set to the earliest arrival, and
// its function delivers everything that is due, in order of arrival and then
// of sending.
//
//	PacketConn.WriteTo ─┐            ┌─ Link.Send ─┐   arrivals   ┌─> PacketConn queue ─> ReadFrom
//	Conn.Write ─ flow ──┴─ NAT, filter ─ path ─────┴─> (heap) ────┴─> flow, in order ───> Read
//	                                                     one timer
//
// Every ordered pair of addresses is a path. A path carries its packets after
// a fixed delay, or as its [Link] or [Relay] says. Sizes given to a Link are IP bytes:
// payload, UDP or TCP header, IP header.
//
// Inside a bubble everything must be made inside it: call [New] there. Reads,
// accepts and dials then block durably (on condition variables and channels of
// the bubble), and after [Network.Close] nothing is left running. Outside a
// bubble the same network runs in real time.
//
// A pion client in a bubble: SetNet(host), UDP4 only (pion dials active ICE-TCP
// candidates with net.Dialer, past its own Net), multicast DNS off, no STUN URL;
// TURN works over both UDP and TCP. Close everything before the bubble ends.
//
// Differences from a real network, chosen for smallness: stream
// acknowledgements take no time and no bytes, no ICMP reaches a socket, and
// datagrams are never fragmented.
package memnet

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Defaults of [Config]. Delays are odd numbers of nanoseconds, and no divisor of
// a millisecond, so that arrivals do not fall into the same instant as the
// timers of those who wait for them: the order of timers due at one instant is
// random, and runs would not repeat.
const (
	// DefaultDelay is the one-way delay of a path without a link.
	DefaultDelay = 5_000_011 * time.Nanosecond
	// DefaultLoopbackDelay is the one-way delay from a host to itself.
	DefaultLoopbackDelay = 10_007 * time.Nanosecond
	// DefaultReceiveBuffer bounds the unread payload bytes of one packet
	// connection, as Linux's net.core.rmem_default does.
	DefaultReceiveBuffer = 212_992
	// DefaultStreamWindow bounds the bytes written to one direction of a stream
	// and not yet read at the other end.
	DefaultStreamWindow = 64 * 1024
)

// Link decides the fate of the packets of one path direction.
//
// Send is called once per packet with its size in IP bytes, in order of now.
// It answers when the packet arrives (before now means now) and whether it
// does. It is called with the network's lock held, so it must be pure: it must
// not block nor call into the network.
type Link interface {
	Send(now time.Time, size int) (arrive time.Time, ok bool)
}

// Relay is a path of hops that paths may share, each of which is asked when the
// packet comes to it. It is called as a [Link] is.
type Relay interface {
	// Enter takes a packet over the first hop. Where further is nil, at is when
	// it arrives, or ok is false; otherwise at is when it comes to the next hop,
	// and further is called then.
	Enter(now time.Time, size int) (at time.Time, further Hop, ok bool)
}

// Hop takes a packet over one more hop of a Relay, and answers as Enter does.
type Hop func(now time.Time) (at time.Time, further Hop, ok bool)

// Packet describes one packet to a filter.
type Packet struct {
	// Stream is true for a segment of a stream (TCP), false for a datagram (UDP).
	Stream bool
	// From and To are the addresses as the sending host sees them, before any
	// address translation.
	From, To netip.AddrPort
	// Size is in IP bytes.
	Size int
	// Data is what a datagram carries, only lent to the filter; nil for a stream.
	Data []byte
}

// Config holds the constants of a network. The zero value means the defaults.
type Config struct {
	Delay         time.Duration // one-way, paths without a link
	LoopbackDelay time.Duration // one-way, a host to itself
	ReceiveBuffer int           // bytes, per packet connection
	StreamWindow  int           // bytes, per stream direction
}

func (c Config) withDefaults() Config {
	if c.Delay <= 0 {
		c.Delay = DefaultDelay
	}
	if c.LoopbackDelay <= 0 {
		c.LoopbackDelay = DefaultLoopbackDelay
	}
	if c.ReceiveBuffer <= 0 {
		c.ReceiveBuffer = DefaultReceiveBuffer
	}
	if c.StreamWindow <= 0 {
		c.StreamWindow = DefaultStreamWindow
	}
	return c
}

// Stats counts what a network did since it was made.
type Stats struct {
	Datagrams   uint64 // written by sockets
	Delivered   uint64 // datagrams put into a socket's queue
	Lost        uint64 // packets that a link or the filter dropped, segments included
	Unreachable uint64 // packets for which nobody listened
	Overflowed  uint64 // datagrams dropped because the socket's queue was full
	Segments    uint64 // stream segments carried, retransmissions included
}

// PathStats counts the packets of one path, in one direction.
type PathStats struct {
	Packets uint64 // handed to the path
	Bytes   uint64 // handed to the path, in IP bytes
	Lost    uint64 // of Packets, dropped by the link or the filter
}

// Network is a set of hosts and the paths between them. All its methods may be
// called from any goroutine.
type Network struct {
	config Config
	base   time.Time     // the origin of event times
	done   chan struct{} // closed by Close

	mu     sync.Mutex // a leaf: held for bookkeeping and Link.Send only
	idle   sync.Cond  // on mu: no delivery under way
	hosts  map[netip.Addr]*Host
	nats   map[netip.Addr]*nat
	names  map[string]netip.Addr
	paths  map[pathKey]*path
	filter func(Packet) bool
	sched  schedule
	stats  Stats
	closed bool
}

type pathKey struct{ from, to netip.Addr }

// path is one direction between two addresses.
type path struct {
	link  Link
	relay Relay
	delay time.Duration
	stats PathStats
}

// New makes an empty network. Inside a synctest bubble call it in the bubble.
func New(config Config) *Network {
	n := &Network{
		config: config.withDefaults(),
		base:   time.Now(),
		done:   make(chan struct{}),
		hosts:  make(map[netip.Addr]*Host),
		nats:   make(map[netip.Addr]*nat),
		names:  make(map[string]netip.Addr),
		paths:  make(map[pathKey]*path),
	}
	n.idle.L = &n.mu
	return n
}

// Host adds a host that owns the addresses. It panics when there is no address,
// or one is not a plain unicast address, or is owned already: a mistake of the
// test that builds the network.
func (n *Network) Host(addrs ...netip.Addr) *Host {
	if len(addrs) == 0 {
		panic("memnet: a host needs an address")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	h := newHost(n)
	for _, a := range addrs {
		a = a.Unmap()
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Zone() != "" {
			panic(fmt.Sprintf("memnet: %v is not a host address", a))
		}
		if n.hosts[a] != nil || n.nats[a] != nil {
			panic(fmt.Sprintf("memnet: %v is taken", a))
		}
		n.hosts[a] = h
		h.addrs = append(h.addrs, a)
	}
	return h
}

// Name lets every host resolve name to addr.
func (n *Network) Name(name string, addr netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = addr.Unmap()
}

// Connect sets the link that carries packets from one address to another, and
// not back. nil means the fixed delay. Packets under way are not affected. The
// addresses are the hosts' own, also for a host behind a NAT.
func (n *Network) Connect(from, to netip.Addr, link Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(from.Unmap(), to.Unmap())
	p.link, p.relay = link, nil
}

// Route is Connect with a path of several hops.
func (n *Network) Route(from, to netip.Addr, relay Relay) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(from.Unmap(), to.Unmap())
	p.link, p.relay = nil, relay
}

// SetFilter makes every packet pass f, which answers whether it may go on; a
// firewall, or an outage. nil passes everything. It is called under the same
// rule as [Link].
func (n *Network) SetFilter(f func(Packet) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Stats answers the counters of the whole network.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// Path answers the counters of the path between two addresses.
func (n *Network) Path(from, to netip.Addr) PathStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.path(from.Unmap(), to.Unmap()).stats
}

// Close closes every socket, listener and stream, forgets what is under way, and
// returns when nothing of the network runs. It may be called more than once.
func (n *Network) Close() error {
	n.mu.Lock()
	first := !n.closed
	n.closed = true
	n.sched.clear()
	for n.sched.delivering {
		n.idle.Wait()
	}
	var closers []func()
	for _, h := range n.hosts {
		closers = append(closers, h.endpoints()...)
	}
	n.mu.Unlock()
	if first {
		close(n.done)
	}
	for _, c := range closers {
		c()
	}
	return nil
}

// path answers the path between two addresses, made when first asked for. The
// caller holds mu.
func (n *Network) path(from, to netip.Addr) *path {
	key := pathKey{from, to}
	p := n.paths[key]
	if p == nil {
		p = &path{delay: n.config.Delay}
		if from == to || (n.hosts[from] != nil && n.hosts[from] == n.hosts[to]) {
			p.delay = n.config.LoopbackDelay
		}
		n.paths[key] = p
	}
	return p
}

// admit asks filter and link about one packet from one host to another, and
// answers when it arrives, or when it comes to a further hop. The caller holds
// mu.
func (n *Network) admit(now time.Time, pkt Packet, to netip.Addr) (arrive time.Time, further *onward, ok bool) {
	p := n.path(pkt.From.Addr(), to)
	p.stats.Packets++
	p.stats.Bytes += uint64(pkt.Size)
	ok = n.filter == nil || n.filter(pkt)
	if ok {
		arrive = now.Add(p.delay)
		if p.relay != nil {
			var hop Hop
			if arrive, hop, ok = p.relay.Enter(now, pkt.Size); hop != nil {
				further = &onward{hop: hop, path: p}
			}
		} else if p.link != nil {
			arrive, ok = p.link.Send(now, pkt.Size)
		}
	}
	if !ok {
		p.stats.Lost++
		n.stats.Lost++
	}
	return arrive, further, ok
}
