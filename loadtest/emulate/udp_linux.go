package emulate

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// UDP is a UDP proxy that was opened. Run it once.
type UDP struct {
	config  UDPConfig
	carrier *carrier
	front   *socket
	local   netip.AddrPort
	buffer  []byte
	extra   units.Size // of a packet beyond its payload

	shared pair // of all clients, where they share
	peers  map[netip.AddrPort]*peer
	opened int // clients that there were
}

// peer is one client. It is the sink of what goes up; answers is that of what
// comes down.
type peer struct {
	proxy   *UDP
	raw     rawAddress
	up      *socket
	links   pair
	seen    time.Time
	gone    bool
	answers answers
}

// answers writes what comes down to a client.
type answers struct{ *peer }

// OpenUDP listens. Whoever opens must Run, or Close.
func OpenUDP(config UDPConfig) (*UDP, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	u := &UDP{
		config: config, buffer: make([]byte, largeBuffer), peers: map[netip.AddrPort]*peer{},
		extra: overhead(config.Listen.Addr()),
	}
	var err error
	if u.front, err = openSocket(config.Listen, netip.AddrPort{}); err != nil {
		return nil, err
	}
	if u.local, err = u.front.local(); err != nil {
		u.front.close()
		return nil, err
	}
	if u.carrier, err = newCarrier(config.Links); err != nil {
		u.front.close()
		return nil, err
	}
	u.carrier.house = u
	if err := u.carrier.listen(u.front.fd, u); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

// Addr is where clients send to.
func (u *UDP) Addr() netip.AddrPort { return u.local }

// Rebind gives every client a new address upstream, as a NAT that forgot it or a
// phone that changed networks does. Any goroutine may call it during Run.
func (u *UDP) Rebind() { u.carrier.changeAddress() }

// Run carries packets until ctx ends or the configured time is over, and answers
// what it measured. The link's plan begins now.
func (u *UDP) Run(ctx context.Context) (Report, error) {
	defer u.Close()
	if err := u.begin(time.Now()); err != nil {
		return Report{}, err
	}
	c := u.carrier
	err := c.run(ctx, u.config.Duration, u.config.Progress)
	r := c.summary("udp")
	r.Clients = u.opened
	return r, err
}

// begin starts the plan.
func (u *UDP) begin(now time.Time) (err error) {
	u.carrier.start = now
	if u.config.Shared {
		if u.shared, err = u.config.Links.open(now, 0); err == nil {
			u.use(u.shared)
		}
	}
	return err
}

// Close ends a proxy that was never run.
func (u *UDP) Close() {
	for from, p := range u.peers {
		u.drop(from, p)
	}
	if u.front.fd >= 0 {
		u.front.close()
		u.front.fd = -1
	}
	u.carrier.poller.close()
}

// use adds the ways of a pair to the carrier's.
func (u *UDP) use(p pair) {
	u.carrier.ways = append(u.carrier.ways, p[Down])
	if p[Up] != p[Down] {
		u.carrier.ways = append(u.carrier.ways, p[Up])
	}
}

// read takes packets of clients.
func (u *UDP) read(c *carrier) {
	for range batch {
		d, ok := u.front.receive(u.buffer)
		if !ok {
			return
		}
		c.meters[Up].missed += uint64(d.lost)
		from, raw := u.front.from()
		p := u.peers[from]
		if p == nil {
			if p = u.admit(from, raw, d.at); p == nil {
				c.meters[Up].refused++
				continue
			}
		}
		p.seen = d.at
		c.meters[Up].kinds.add(u.buffer[:d.size], u.extra+units.Size(d.size))
		c.offer(d.at, p.links[Up], Up, u.buffer[:d.size], u.extra+units.Size(d.size), false, p)
	}
}

// admit makes room for a client and opens its way. nil: there is none, or the
// system has no more sockets.
func (u *UDP) admit(from netip.AddrPort, raw rawAddress, now time.Time) *peer {
	if len(u.peers) >= u.config.MaxClients && !u.evict(now) {
		return nil
	}
	p := &peer{proxy: u, raw: raw, links: u.shared, seen: now}
	p.answers = answers{p}
	if !u.config.Shared {
		var err error
		if p.links, err = u.config.Links.open(u.carrier.start, uint64(u.opened)); err != nil {
			return nil
		}
	}
	if !p.connect() {
		return nil
	}
	if !u.config.Shared {
		u.use(p.links)
	}
	u.opened++
	u.peers[from] = p
	return p
}

// evict drops the client that has been silent for longest, if that is long.
func (u *UDP) evict(now time.Time) bool {
	var oldest netip.AddrPort
	for from, p := range u.peers {
		if o := u.peers[oldest]; o == nil || p.seen.Before(o.seen) {
			oldest = from
		}
	}
	p := u.peers[oldest]
	if p == nil || now.Sub(p.seen) < u.config.Idle {
		return false
	}
	u.drop(oldest, p)
	return true
}

// drop ends a client. What is under way for it on a shared link goes nowhere.
func (u *UDP) drop(from netip.AddrPort, p *peer) {
	p.gone = true
	u.carrier.forget(p.up.fd)
	p.up.close()
	delete(u.peers, from)
	if !u.config.Shared {
		u.carrier.ways = slices.DeleteFunc(u.carrier.ways, func(w *way) bool { return w == p.links[Up] || w == p.links[Down] })
		u.carrier.discard(p.links[Up])
		u.carrier.discard(p.links[Down])
	}
}

// keep changes the clients' addresses where that is due.
func (u *UDP) keep(_ *carrier, _ time.Time, change bool) {
	if !change {
		return
	}
	for _, p := range u.peers {
		before := p.up
		if !p.connect() {
			// No socket to be had: better the old address than none.
			continue
		}
		u.carrier.forget(before.fd)
		before.close()
	}
}

func (u *UDP) clients() int { return len(u.peers) }

func (u *UDP) queues(now time.Time) (up, down time.Duration) {
	if u.config.Shared {
		return u.shared.waits(now)
	}
	for _, p := range u.peers {
		a, b := p.links.waits(now)
		up, down = max(up, a), max(down, b)
	}
	return up, down
}

// connect opens a new socket upstream.
func (p *peer) connect() bool {
	s, err := openSocket(netip.AddrPort{}, p.proxy.config.To)
	if err != nil {
		return false
	}
	if p.proxy.carrier.listen(s.fd, p) != nil {
		s.close()
		return false
	}
	p.up = s
	return true
}

// read takes packets of the server.
func (p *peer) read(c *carrier) {
	u := p.proxy
	for range batch {
		d, ok := p.up.receive(u.buffer)
		if !ok {
			return
		}
		c.meters[Down].missed += uint64(d.lost)
		c.meters[Down].kinds.add(u.buffer[:d.size], u.extra+units.Size(d.size))
		c.offer(d.at, p.links[Down], Down, u.buffer[:d.size], u.extra+units.Size(d.size), false, &p.answers)
	}
}

// write sends what has come up to the server.
func (p *peer) write(packet []byte) bool { return p.gone || p.up.send(packet, nil) }

// write sends what has come down to the client.
func (a *answers) write(packet []byte) bool {
	return a.gone || a.proxy.front.send(packet, &a.raw)
}
