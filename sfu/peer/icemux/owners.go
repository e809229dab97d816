package icemux

import (
	"net/netip"
	"time"
)

// holdAddress is how long an address stays with a user fragment after it last
// proved to be there. Clients prove it at least every 6 seconds: consent
// checks are 5 s apart, randomised by a fifth (RFC 7675 §5.1).
const holdAddress = 7 * time.Second

// owners says whose packets come from which remote address, for one socket.
// It holds no lock: the port it belongs to does.
//
// Who may have an address, and why it cannot be taken away easily:
//
//   - A binding request never needs this table: it names its user fragment and
//     goes there, wherever it comes from. All other packets go by address.
//   - A request by itself maps nothing. The ICE agent checks its
//     MESSAGE-INTEGRITY; only when the agent answers with success, which it
//     does by writing through us, the address becomes that connection's. Who
//     knows a user fragment but not its password can neither take an address
//     nor fill the table with spoofed ones.
//   - A free address goes to the first connection that answers a request from
//     it. (A full ICE agent also gets the answers to its own checks: writing a
//     request reserves a free address, weakly: anyone who proves more takes it.
//     So naming somebody else's address as a candidate does no harm.)
//   - An address that has an owner changes hands only when a binding request
//     for another connection arrived from it and was answered with success,
//     and the owner has not proved itself for holdAddress. A participant who
//     spoofs requests in his own name from the address of another therefore
//     cannot take over its media: the victim's own checks keep it.
//   - The price: a client that comes back within holdAddress from the very same
//     address and port, while its old connection has not been closed, gets its
//     binding responses at once and the rest only after holdAddress.
//   - Each connection has at most a few addresses; beyond, the one that proved
//     itself longest ago makes room.
type owners struct {
	byAddr map[netip.AddrPort]*claim
}

// claim is one address of one connection.
type claim struct {
	addr  netip.AddrPort
	owner *udpConn
	// proved is when a request from addr was last answered with success; zero
	// if we only wrote there.
	proved time.Time
	// heard is when anything came from addr last.
	heard time.Time
}

// verdict is what became of a claim.
type verdict int

const (
	kept      verdict = iota // the address was the connection's already
	granted                  // the address is now the connection's
	contested                // the address stays with another connection
)

func newOwners() owners { return owners{byAddr: make(map[netip.AddrPort]*claim)} }

// of returns the owner of an address, or nil.
func (o *owners) of(addr netip.AddrPort) *udpConn {
	if c := o.byAddr[addr]; c != nil {
		return c.owner
	}
	return nil
}

// heard is of for an address from which something came.
func (o *owners) heard(now time.Time, addr netip.AddrPort) *udpConn {
	c := o.byAddr[addr]
	if c == nil {
		return nil
	}
	c.heard = now
	return c.owner
}

// take claims addr for a connection that answers a request from there
// (proved), or sends one there. It returns the address that had to make room,
// if any.
func (o *owners) take(now time.Time, conn *udpConn, addr netip.AddrPort, proved bool) (v verdict, evicted bool) {
	c := o.byAddr[addr]
	switch {
	case c == nil:
	case c.owner == conn:
		if proved {
			c.proved = now
		}
		return kept, false
	case !proved, !c.proved.IsZero() && now.Sub(c.proved) < holdAddress:
		return contested, false
	default:
		o.drop(c)
	}
	if len(conn.claims) >= conn.maxClaims {
		o.drop(oldest(conn.claims))
		evicted = true
	}
	c = &claim{addr: addr, owner: conn}
	if proved {
		c.proved = now
	}
	o.byAddr[addr] = c
	conn.claims = append(conn.claims, c)
	return granted, evicted
}

// oldest picks the claim that proved itself longest ago; among those that never
// did, the first.
func oldest(claims []*claim) *claim {
	o := claims[0]
	for _, c := range claims[1:] {
		if c.proved.Before(o.proved) {
			o = c
		}
	}
	return o
}

// drop frees an address.
func (o *owners) drop(c *claim) {
	delete(o.byAddr, c.addr)
	claims := c.owner.claims
	for i := range claims {
		if claims[i] == c {
			c.owner.claims = append(claims[:i], claims[i+1:]...)
			return
		}
	}
}

// forget frees all addresses of a connection.
func (o *owners) forget(conn *udpConn) {
	for _, c := range conn.claims {
		delete(o.byAddr, c.addr)
	}
	conn.claims = nil
}
