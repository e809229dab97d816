package icemux

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
)

const (
	// maxKnown bounds the streams by which a session is recognised.
	maxKnown = 64
	// maxProbes bounds the checks of one connection that wait for an answer.
	maxProbes = 4
	// probeEvery is the least time between two checks of one connection; it
	// doubles with each up to probeSeldom, so that four of them span long round
	// trips.
	probeEvery  = 100 * time.Millisecond
	probeSeldom = 1600 * time.Millisecond
	// probeFresh is how long an answer to a check counts, and how long after the
	// last one checks are frequent again.
	probeFresh = 4 * time.Second
	// maxAmplification is how much more may be sent to an address that has proved
	// nothing than came from it (RFC 9000 §8.1).
	maxAmplification = 3
)

// Credentials are a client's user fragment and password (RFC 8839 §5.4).
type Credentials struct{ Fragment, Password string }

// Path validation: a client whose address changed under way goes on to send
// media, and the mux knows the stream, if not the address. It then asks that
// address for proof, with a check of its own that only the client can answer,
// and moves the path when the answer comes: one round trip after the first
// packet, where the client's next check may be seconds away. The idea is that of
// RFC 9000 §9; the check is that of RFC 8445 §7.2.
//
// A packet with a known stream's number proves nothing and moves nothing. It
// costs one small check now and then, never more than thrice its own size.

// transaction names a check and its answer (RFC 8489 §5).
type transaction [stun.TransactionIDSize]byte

// probe is a check that was sent to an address.
type probe struct {
	owner *udpConn
	to    netip.AddrPort
	sent  time.Time
}

// probing is what a connection has asked; guarded by port.mu.
type probing struct {
	ids  [maxProbes]transaction // a ring, the newest at next-1
	next int
	last time.Time
	wait time.Duration
}

// Authenticate says with what the client of a session proves itself. Without it
// a session moves only where the client's own checks come from.
func (m *UDP) Authenticate(ufrag string, c Credentials) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sessions[ufrag]; s != nil {
		s.remote = c
	}
}

// Recognise says that the client of a session sends a stream with this SSRC. A
// number that another session has already, or more than 64 of one session, are
// left out.
func (m *UDP) Recognise(ufrag string, ssrc uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[ufrag]
	if s == nil || len(s.streams) >= maxKnown || m.streams[ssrc] != nil {
		return
	}
	m.streams[ssrc] = s
	s.streams = append(s.streams, ssrc)
}

// forgetStreams frees a session's streams. mu is held.
func (m *UDP) forgetStreams(s *session) {
	for _, ssrc := range s.streams {
		delete(m.streams, ssrc)
	}
	s.streams = nil
}

// stranger is told of a packet from an address that is nobody's: RTP of a known
// stream, or the answer to a check, may be a client that has moved.
func (p *port) stranger(now time.Time, packet []byte, from netip.AddrPort) {
	if kind, ok := stunType(packet); ok {
		if kind == stunSuccess {
			p.answered(now, packet, from)
		}
		return
	}
	if !isMedia(packet) || isRTCP(packet) || len(packet) < 12 {
		return
	}
	m := p.mux
	m.mu.RLock()
	var c *udpConn
	var local string
	var remote Credentials
	if s := m.streams[binary.BigEndian.Uint32(packet[8:])]; s != nil {
		c, local, remote = s.conns[p.index], s.ufrag, s.remote
	}
	m.mu.RUnlock()
	if c == nil || remote.Password == "" || !c.media.address().IsValid() {
		return
	}
	id, ok := p.ask(now, c, from)
	if !ok {
		return
	}
	check, err := newCheck(id, local, remote)
	if err != nil || len(check) > maxAmplification*len(packet) {
		return
	}
	m.counts.probes.Add(1)
	_, _ = p.socket.WriteTo(check, from) // lost or not: the next packet asks again
}

// ask notes a new check, unless it is too soon for one.
func (p *port) ask(now time.Time, c *udpConn, to netip.AddrPort) (id transaction, ok bool) {
	rand.Read(id[:]) // never fails (crypto/rand)
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &c.probing
	since := now.Sub(q.last)
	if c.closed.Load() || since < q.wait {
		return id, false
	}
	if since > probeFresh {
		q.wait = 0
	}
	q.wait = min(max(probeEvery, 2*q.wait), probeSeldom)
	q.last = now
	slot := &q.ids[q.next%maxProbes]
	delete(p.probes, *slot)
	*slot = id
	q.next++
	p.probes[id] = probe{c, to, now}
	return id, true
}

// newCheck builds a binding request to a client (RFC 8445 §7.2.2).
func newCheck(id transaction, local string, remote Credentials) ([]byte, error) {
	m, err := stun.Build(stun.NewTransactionIDSetter(id), stun.BindingRequest,
		stun.NewUsername(remote.Fragment+":"+local),
		ice.AttrControlled(binary.BigEndian.Uint64(id[:])),
		ice.PriorityAttr(hostPriority),
		stun.NewShortTermIntegrity(remote.Password), stun.Fingerprint)
	if err != nil {
		return nil, err
	}
	return m.Raw, nil
}

// hostPriority is that of a host candidate (RFC 8445 §5.1.2.1).
const hostPriority = 126<<24 | 65535<<8 | 255

// answered moves the path of a client that has answered a check, once the
// address that it had is silent.
func (p *port) answered(now time.Time, packet []byte, from netip.AddrPort) {
	id := transaction(packet[8:stunHeader])
	p.mu.Lock()
	asked, known := p.probes[id]
	p.mu.Unlock()
	if !known || asked.to != from || now.Sub(asked.sent) > probeFresh {
		return
	}
	m := p.mux
	m.mu.RLock()
	password := asked.owner.session.remote.Password
	m.mu.RUnlock()
	answer := &stun.Message{Raw: append([]byte(nil), packet...)}
	if answer.Decode() != nil || stun.NewShortTermIntegrity(password).Check(answer) != nil {
		return
	}
	c := asked.owner
	agent := c.media.address()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed.Load() || !p.silent(now, c, c.current(agent), samePlaceQuiet) {
		return
	}
	if v, evicted := p.owners.take(now, c, from, true); v == contested {
		m.counts.contested.Add(1)
		return
	} else if evicted {
		m.counts.evicted.Add(1)
	}
	c.probing.wait = 0
	p.move(now, c, agent, from)
}

// dropProbes forgets what a connection has asked; mu is held.
func (p *port) dropProbes(c *udpConn) {
	for _, id := range c.probing.ids {
		delete(p.probes, id)
	}
}
