package memnet

import (
	"net/netip"
	"syscall"
)

// nat is an address translator with a public address. A private endpoint keeps
// one public port for all destinations, and anybody may answer to it
// (endpoint-independent mapping and filtering, RFC 4787 §4.1 and §5).
// Network.mu guards it.
type nat struct {
	public   netip.Addr
	outbound map[natKey]uint16
	inbound  map[natPort]netip.AddrPort
	next     uint16
}

type natKey struct {
	stream  bool
	private netip.AddrPort
}

type natPort struct {
	stream bool
	port   uint16
}

// firstNATPort is where a translator's ports begin: unlike the hosts' own, so
// that a mistake shows.
const firstNATPort = 20000

// Behind puts the host behind an address translator with the given public
// address, which other hosts behind the same address share. From then on the
// host's addresses are reachable only from there. It panics when the public
// address is a host's.
func (h *Host) Behind(public netip.Addr) {
	public = public.Unmap()
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[public] != nil {
		panic("memnet: a translator cannot have a host's address")
	}
	t := n.nats[public]
	if t == nil {
		t = &nat{public: public}
		t.forget()
		n.nats[public] = t
	}
	h.nat = t
}

// Rebind makes the translator in front of the host forget all its mappings, as
// a rebooted router or a network change does: what the host sends next comes
// from a new public port, and what is sent to the old ones is lost. The host's
// streams are reset; the far ends hear nothing more. Without a translator only
// the latter happens.
func (h *Host) Rebind() {
	n := h.network
	n.mu.Lock()
	if h.nat != nil {
		h.nat.forget()
	}
	var streams []*Conn
	for c := range h.streams {
		streams = append(streams, c)
	}
	n.mu.Unlock()
	for _, c := range streams {
		c.fail(syscall.ECONNRESET, silent)
	}
}

// forget drops all mappings; ports that were used are not used again soon.
func (t *nat) forget() {
	t.outbound = make(map[natKey]uint16)
	t.inbound = make(map[natPort]netip.AddrPort)
	if t.next < firstNATPort {
		t.next = firstNATPort
	}
}

// leave answers the public endpoint for a private one.
func (t *nat) leave(stream bool, private netip.AddrPort) netip.AddrPort {
	key := natKey{stream, private}
	port, ok := t.outbound[key]
	if !ok {
		port = t.next
		t.next++
		if t.next < firstNATPort {
			t.next = firstNATPort
		}
		t.outbound[key] = port
		t.inbound[natPort{stream, port}] = private
	}
	return netip.AddrPortFrom(t.public, port)
}

// route answers which host a packet from one of h's sockets reaches, with the
// source and destination that the receiving side sees. It fails when nobody
// owns the destination. The caller holds mu.
func (n *Network) route(h *Host, stream bool, src, dst netip.AddrPort) (to *Host, seenSrc, seenDst netip.AddrPort, ok bool) {
	if dst.Addr().IsLoopback() {
		return h, src, dst, true
	}
	if src.Addr().IsLoopback() {
		return nil, src, dst, false
	}
	if t := n.nats[dst.Addr()]; t != nil {
		private, mapped := t.inbound[natPort{stream, dst.Port()}]
		if !mapped {
			return nil, src, dst, false
		}
		to, dst = n.hosts[private.Addr()], private
	} else {
		to = n.hosts[dst.Addr()]
		if to == nil || (to.nat != nil && to.nat != h.nat && to != h) {
			return nil, src, dst, false
		}
		if to == h || (to.nat != nil && to.nat == h.nat) {
			return to, src, dst, true
		}
	}
	if h.nat != nil {
		src = h.nat.leave(stream, src)
	}
	return to, src, dst, true
}
