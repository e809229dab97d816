package icemux

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// samePlaceQuiet is how long the address that media goes to must have been
	// silent before media follows to another port of the same host: a
	// translator that forgot. Voice comes every 20 to 120 ms.
	samePlaceQuiet = 250 * time.Millisecond
	// elsewhereQuiet is the same for another host. Clients with several networks
	// prove all of them now and then, and media stays where it is: the one in
	// use brings a report each second at least.
	elsewhereQuiet = 1200 * time.Millisecond
	// roamSettle is how long packets from the old address may still be under way
	// after a move; what comes later says that it is alive.
	roamSettle = 500 * time.Millisecond
)

// roaming says that a client whose media goes to one address is at another now.
//
// A client's address changes under way when a translator before it forgets its
// mapping, and the client cannot know. Its checks go on, from the new address,
// and the agent answers them: so the address has proved itself with the
// session's password. But an agent that is controlled moves only where the
// client nominates, and a client that knows of no move does not.
//
// So the mux moves the path below the agent: from then on what comes from the
// new address is handed on as from the old one, and what is written to the old
// one leaves to the new one. It happens only while the old address is silent,
// and ends when that speaks again. Who can replay a client's checks from
// another address gains nothing while the client is heard.
type roaming struct {
	from, to netip.AddrPort
	since    time.Time
}

// destination is where an agent sends media. The writer of media sets it, and
// takes its lock against nobody but who asks, once for each check.
type destination struct {
	mu sync.Mutex // a leaf
	to netip.AddrPort
}

func (d *destination) set(to netip.AddrPort) {
	d.mu.Lock()
	d.to = to
	d.mu.Unlock()
}

// address is the zero one before anything was sent.
func (d *destination) address() netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.to
}

// follow is told that addr has proved itself for a connection whose agent sends
// media to another; the port's lock is held.
func (p *port) follow(now time.Time, c *udpConn, agent, addr netip.AddrPort) {
	if !agent.IsValid() {
		return // nothing is sent yet
	}
	current := c.current(agent)
	if addr == current {
		return
	}
	quiet := samePlaceQuiet
	if addr.Addr() != current.Addr() {
		quiet = elsewhereQuiet
	}
	if p.silent(now, c, current, quiet) {
		p.move(now, c, agent, addr)
	}
}

// current answers where media goes that an agent sends to an address.
func (c *udpConn) current(agent netip.AddrPort) netip.AddrPort {
	if r := c.roam.Load(); r != nil && r.from == agent {
		return r.to
	}
	return agent
}

// silent says whether nothing has come from a connection's address for a time;
// the port's lock is held.
func (p *port) silent(now time.Time, c *udpConn, addr netip.AddrPort, quiet time.Duration) bool {
	last := p.owners.byAddr[addr]
	return last == nil || last.owner != c || now.Sub(last.heard) >= quiet
}

// move lets what an agent sends to one address go to another; the port's lock is
// held.
func (p *port) move(now time.Time, c *udpConn, agent, addr netip.AddrPort) {
	if addr == agent {
		c.roam.Store(nil)
		return
	}
	c.roam.Store(&roaming{agent, addr, now})
	p.mux.counts.roamed.Add(1)
}

// seen answers the address under which the agent knows the sender of a packet.
func (c *udpConn) seen(now time.Time, from netip.AddrPort) netip.AddrPort {
	r := c.roam.Load()
	switch {
	case r == nil:
	case from == r.to:
		return r.from
	case from == r.from && now.Sub(r.since) > roamSettle:
		c.roam.CompareAndSwap(r, nil) // it is alive
	}
	return from
}

// target answers where a packet goes that the agent writes to an address.
func (c *udpConn) target(to netip.AddrPort) netip.AddrPort {
	if r := c.roam.Load(); r != nil && to == r.from {
		return r.to
	}
	return to
}
