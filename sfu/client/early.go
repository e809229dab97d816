package client

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

const (
	// earlyOthers is how much longer than a round trip the likely path is waited
	// for before the others are tried too; a quarter of a second is what RFC 8305
	// §5 gives the first address.
	earlyOthers = 250 * time.Millisecond
	// earlyTries is how often all paths are tried before ICE begins anew as the
	// standard has it.
	earlyTries = 3
	// mostEarly bounds the checks that are remembered.
	mostEarly = 32
)

// early takes the path to a server into use with the first check, where ICE
// (RFC 8445) waits for its answer, nominates, and waits again: two round trips
// and the ticks of a timer, which on a far network is what people wait for most.
//
//	agent ─ check ──► + USE-CANDIDATE ──► server (ICE-lite: the path is nominated)
//	      ◄ request ─ made here: the agent takes the path at once
//	      ─ ClientHello ────────────────► right behind the check
//	      ◄────────────── answer, ServerHello ...
//
// On a far path the server's hello of DTLS came with the answer. The agent, then
// DTLS's server, finds it where it looks for packets, and what goes behind the check
// is its whole answer to it, with its certificate.
//
// That is as safe as any protocol's first packet: it goes to an address that
// the server told over the authenticated signalling, once, and is small. It is
// done only for a server that is ICE-lite, which takes the nomination of a first
// check (RFC 5245 §8.1.1.2, RFC 8445 §7.3.2).
//
// If no answer comes in time, the other pairs of sockets and addresses are
// checked, and what the agent sends on the first goes by the one that answers;
// if none does, ICE begins anew in the usual way, with relays.
type early struct {
	// passing is true when packets are none of ours any more, or not yet.
	passing atomic.Bool

	mu        sync.Mutex // guards what follows; a leaf but for sockets' writes
	local     icemux.Credentials
	remote    icemux.Credentials
	servers   []netip.AddrPort
	likely    [2]netip.Addr // local, remote: those of the signalling connection
	sockets   []*earlySocket
	checks    []earlyCheck
	request   transaction // of the request that was made here
	first     route       // that the agent uses
	actual    route       // that packets take, when it is another
	hello     []byte      // what the agent wrote last before there was an answer
	theirs    []byte      // the server's hello, for the agent to find on the path
	answered  bool
	abandoned bool
}

// transaction names a check and its answer (RFC 8489 §5).
type transaction [stun.TransactionIDSize]byte

// route is a socket with an address of the server.
type route struct {
	socket *earlySocket
	to     netip.AddrPort
}

// earlyCheck is a check, and whether it was sent or waits for others to fail.
type earlyCheck struct {
	route
	id   transaction
	raw  []byte
	sent bool
	ours bool // the agent does not know of it
}

// newEarly answers one that lets everything pass until it is armed.
func newEarly(local, remote netip.Addr) *early {
	e := &early{likely: [2]netip.Addr{local, remote}}
	e.passing.Store(true)
	return e
}

// arm begins, for a session with these credentials and a server at these
// addresses, before the agent sends its first check. hello is the server's of DTLS
// if it came with the answer.
func (e *early) arm(local, remote icemux.Credentials, servers []netip.AddrPort, hello []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(servers) == 0 {
		return
	}
	e.local, e.remote, e.servers, e.theirs = local, remote, servers, hello
	e.passing.Store(false)
}

// open notes a socket of the agent's.
func (e *early) open(s *earlySocket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sockets = append(e.sockets, s)
}

// proven says whether any path has answered, or nothing was tried.
func (e *early) proven() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answered || e.first.socket == nil
}

// abandon lets everything pass from now on.
func (e *early) abandon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.abandoned = true
	e.actual = route{}
	e.passing.Store(true)
}

// isOurs says whether the agent should take a path for this request.
func (e *early) isOurs(id transaction) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return id == e.request
}

// out takes what the agent writes.
func (e *early) out(s *earlySocket, b []byte, to netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := route{s, to}
	switch {
	case e.abandoned:
		s.send(b, to)
	case stun.IsMessage(b):
		e.outSTUN(r, b)
	case e.actual.socket != nil && r == e.first:
		e.actual.socket.send(b, e.actual.to)
	default:
		if r == e.first && !e.answered {
			if e.hello != nil { // again: something was lost
				e.sendChecks()
			}
			e.hello = append(e.hello[:0], b...)
		}
		s.send(b, to)
	}
}

func (e *early) outSTUN(r route, b []byte) {
	m := &stun.Message{Raw: slices.Clone(b)}
	if m.Decode() != nil {
		r.socket.send(b, r.to)
		return
	}
	if m.Type.Class != stun.ClassRequest {
		if transaction(m.TransactionID) != e.request {
			r.socket.send(b, r.to)
		}
		return // an answer to the request that was made here
	}
	if e.answered {
		if e.actual.socket != nil && r == e.first {
			r = e.actual
		}
		r.socket.send(b, r.to)
		return
	}
	if !slices.Contains(e.servers, r.to) || len(e.checks) >= mostEarly {
		r.socket.send(b, r.to) // a relay's or a resolver's
		return
	}
	raw, err := nominating(m, m.TransactionID, e.remote.Password)
	if err != nil {
		r.socket.send(b, r.to)
		return
	}
	if slices.ContainsFunc(e.checks, func(c earlyCheck) bool { return c.route == r }) {
		return // the agent's ticks are shorter than a round trip
	}
	c := earlyCheck{route: r, id: m.TransactionID, raw: raw}
	if e.first.socket == nil && e.isLikely(r) {
		c.sent = true
		e.choose(r)
	}
	e.checks = append(e.checks, c)
	if c.sent {
		r.socket.send(raw, r.to)
	}
}

// isLikely says whether a pair is the one that the signalling connection takes,
// or there is none that is more like it.
func (e *early) isLikely(r route) bool {
	local, remote := e.likely[0], e.likely[1]
	match := func(s *earlySocket, to netip.AddrPort) bool {
		own := s.local.Addr()
		return to.Addr() == remote && (own == local || own.IsUnspecified())
	}
	if match(r.socket, r.to) {
		return true
	}
	for _, s := range e.sockets {
		if slices.ContainsFunc(e.servers, func(to netip.AddrPort) bool { return match(s, to) }) {
			return false
		}
	}
	return true
}

// choose has the agent take a route.
func (e *early) choose(r route) {
	e.first = r
	rand.Read(e.request[:]) // never fails (crypto/rand)
	m, err := stun.Build(stun.NewTransactionIDSetter(e.request), stun.BindingRequest,
		stun.NewUsername(e.local.Fragment+":"+e.remote.Fragment),
		ice.AttrControlled(binary.BigEndian.Uint64(e.request[:])), ice.PriorityAttr(1),
		stun.NewShortTermIntegrity(e.local.Password), stun.Fingerprint)
	if err == nil {
		r.socket.inject(m.Raw, r.to)
	}
	if e.theirs != nil {
		r.socket.inject(e.theirs, r.to)
		e.theirs = nil
	}
}

// nominating answers a check with USE-CANDIDATE and a transaction of its own.
func nominating(m *stun.Message, id transaction, password string) ([]byte, error) {
	setters := []stun.Setter{stun.NewTransactionIDSetter(id), stun.BindingRequest}
	for _, a := range m.Attributes {
		switch a.Type {
		case stun.AttrMessageIntegrity, stun.AttrFingerprint, stun.AttrUseCandidate:
		default:
			setters = append(setters, stun.RawAttribute{Type: a.Type, Value: a.Value})
		}
	}
	built, err := stun.Build(append(setters, ice.UseCandidate(), stun.NewShortTermIntegrity(password), stun.Fingerprint)...)
	if err != nil {
		return nil, err
	}
	return built.Raw, nil
}

// tryAll checks all pairs, unless there was an answer.
func (e *early) tryAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.answered || e.abandoned || len(e.checks) == 0 {
		return
	}
	like := &stun.Message{Raw: slices.Clone(e.checks[0].raw)}
	if like.Decode() != nil {
		return
	}
	for _, s := range e.sockets {
		for _, to := range e.servers {
			r := route{s, to}
			known := slices.ContainsFunc(e.checks, func(c earlyCheck) bool { return c.route == r })
			if known || len(e.checks) >= mostEarly || !s.reaches(to) {
				continue
			}
			c := earlyCheck{route: r, ours: true}
			rand.Read(c.id[:]) // never fails (crypto/rand)
			var err error
			if c.raw, err = nominating(like, c.id, e.remote.Password); err == nil {
				e.checks = append(e.checks, c)
			}
		}
	}
	if e.first.socket == nil { // the likely pair never was a candidate
		e.choose(e.checks[0].route)
	}
	for i := range e.checks {
		e.checks[i].sent = true
	}
	e.sendChecks()
}

// sendChecks sends what was sent before once more (RFC 8489 §6.2.1).
func (e *early) sendChecks() {
	for _, c := range e.checks {
		if c.sent {
			c.socket.send(c.raw, c.to)
		}
	}
}

// in takes what comes from the network; it answers from whom the agent shall
// take it, the zero address for a packet that is not for it.
func (e *early) in(s *earlySocket, b []byte, from netip.AddrPort) netip.AddrPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.abandoned {
		return from
	}
	r := route{s, from}
	if stun.IsMessage(b) {
		if i := e.answers(r, b); i >= 0 {
			if !e.answered {
				e.prove(r)
			}
			if e.checks[i].ours {
				return netip.AddrPort{}
			}
			return from
		}
	}
	if e.actual.socket != nil && r == e.actual {
		if s == e.first.socket {
			return e.first.to
		}
		e.first.socket.inject(slices.Clone(b), e.first.to)
		return netip.AddrPort{}
	}
	return from
}

// answers finds the check that a packet is the genuine answer to; -1 for none.
func (e *early) answers(r route, b []byte) int {
	m := &stun.Message{Raw: slices.Clone(b)}
	if m.Decode() != nil || m.Type != stun.BindingSuccess {
		return -1
	}
	i := slices.IndexFunc(e.checks, func(c earlyCheck) bool { return c.id == m.TransactionID && c.route == r })
	if i < 0 || stun.NewShortTermIntegrity(e.remote.Password).Check(m) != nil {
		return -1
	}
	return i
}

// prove takes the route that answered first.
func (e *early) prove(r route) {
	e.answered = true
	if r == e.first {
		e.passing.Store(true)
		return
	}
	e.actual = r
	if e.hello != nil {
		r.socket.send(e.hello, r.to)
	}
}
