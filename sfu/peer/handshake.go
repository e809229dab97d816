package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/falsestart"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// helloWait is how long the answer to an offer waits for our hello of DTLS, which
// takes some milliseconds. Without it the client's first check brings it.
const helloWait = 200 * time.Millisecond

// handshake looks at the handshake of a peer of which we are the DTLS client, for
// two round trips less:
//
//   - Our hello goes with the answer to a client that takes it from there: the agent
//     is made to take a path to nobody's address, and what it writes there is kept.
//     The client's own check takes the agent to where it is.
//   - What was said meanwhile leaves right behind our Finished, not a round trip
//     later with the client's (package falsestart).
//
// Methods may be called from any goroutine but those that say otherwise.
type handshake struct {
	ready    func(trip time.Duration) // the first words may leave; called once
	checking chan struct{}            // closed once the agent takes checks
	written  chan struct{}            // closed once our hello was written to nobody

	begun sync.Once // closes checking
	over  atomic.Bool
	early atomic.Pointer[earlyWriter]

	mu     sync.Mutex // guards what follows; a leaf
	first  *followed  // the first socket of the agent
	kept   []byte     // our hello, where the answer went without it
	asked  time.Time  // our hello has left
	trip   time.Duration
	theirs *falsestart.Hello
	keys   *srtp.Context // derived, and our Finished has not left
}

// Addresses of nobody (RFC 5737, RFC 3849): what is written there is kept or dropped.
var (
	nowhere4 = netip.MustParseAddrPort("192.0.2.1:9")
	nowhere6 = netip.MustParseAddrPort("[2001:db8::1]:9")
)

// socket is what the mux gives an agent.
type socket interface {
	net.PacketConn
	ice.AddrPortReaderWriter
	Inject(packet []byte, from netip.AddrPort) bool
}

// isNowhere says whether a path leads to nobody.
func isNowhere(pair *webrtc.ICECandidatePair) bool {
	if pair == nil || pair.Remote == nil {
		return false
	}
	ip, err := netip.ParseAddr(pair.Remote.Address)
	a := netip.AddrPortFrom(ip, pair.Remote.Port)
	return err == nil && (a == nowhere4 || a == nowhere6)
}

// newHandshake makes one; ready is called when the first words may leave, with the
// time from our hello to the other's, a round trip with its packets.
func newHandshake(ready func(trip time.Duration)) *handshake {
	return &handshake{ready: ready, checking: make(chan struct{}), written: make(chan struct{})}
}

// follow lets the handshake see what passes a socket of the agent's.
func (h *handshake) follow(c net.PacketConn) net.PacketConn {
	s, ok := c.(socket)
	if !ok {
		return c
	}
	f := &followed{socket: s, handshake: h, nowhere: nowhere4}
	if local, ok := c.LocalAddr().(*net.UDPAddr); ok && local.AddrPort().Addr().Unmap().Is6() {
		f.nowhere = nowhere6
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == nil {
		h.first = f
	}
	return f
}

// iceChanged is told of the agent.
func (h *handshake) iceChanged(s webrtc.ICEConnectionState) {
	if s == webrtc.ICEConnectionStateChecking {
		h.begun.Do(func() { close(h.checking) })
	}
}

// ahead answers the random of our hello (profile.Hello), before any client has checked
// a path; nil when it does not come in time, and then it leaves behind the answer to
// the client's first check.
func (h *handshake) ahead(ctx context.Context, offer, answer string) (random []byte) {
	ctx, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	select {
	case <-h.checking:
	case <-ctx.Done():
		return nil
	}
	ours, theirs := credentials(answer), credentials(offer)
	check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(ours.Fragment+":"+theirs.Fragment),
		ice.UseCandidate(), ice.AttrControlling(1), ice.PriorityAttr(1), stun.NewShortTermIntegrity(ours.Password), stun.Fingerprint)
	h.mu.Lock()
	first := h.first
	h.mu.Unlock()
	if err != nil || first == nil || !first.Inject(check.Raw, first.nowhere) {
		return nil
	}
	select {
	case <-h.written:
	case <-ctx.Done():
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	random, ok := profile.HelloRandom(h.kept)
	if ok {
		h.kept = nil
	}
	return random
}

// begin notes that something of DTLS leaves; mu is held.
func (h *handshake) begin() {
	if h.asked.IsZero() {
		h.asked = time.Now()
	}
}

// keep takes what is written to nobody: the first of it is our hello.
func (h *handshake) keep(packet []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked.IsZero() {
		h.begin()
		h.kept = append([]byte(nil), packet...)
		close(h.written)
	}
}

// take answers what was kept, once, for who is to have it now.
func (h *handshake) take() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.kept
	h.kept = nil
	return b
}

// received looks at a packet of DTLS that the agent reads.
func (h *handshake) received(packet []byte) {
	hello, err := falsestart.ReadHello(packet)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.theirs == nil { // pion takes the first, too
		h.theirs, h.trip = &hello, time.Since(h.asked)
	}
}

// Write is pion's key log: the keys are there, and our Finished is about to leave.
func (h *handshake) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.theirs == nil || h.over.Load() {
		return len(line), nil
	}
	if keys, err := falsestart.Protect(*h.theirs, string(line)); err == nil {
		h.keys = keys
	}
	return len(line), nil
}

// sent looks at a packet of DTLS that the agent has written to an address.
func (h *handshake) sent(f *followed, packet []byte, to netip.AddrPort) {
	h.mu.Lock()
	h.begin()
	keys := h.keys
	if keys == nil || !falsestart.HasFinished(packet) {
		h.mu.Unlock()
		return
	}
	h.keys = nil
	trip := h.trip
	h.mu.Unlock()
	h.over.Store(true)
	h.early.Store(&earlyWriter{keys: keys, socket: f, to: to})
	h.ready(trip)
}

// finish ends it, when pion has taken over or the path has failed.
func (h *handshake) finish() {
	h.over.Store(true)
	h.early.Store(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys, h.theirs = nil, nil
}

// followed is a socket of an agent whose handshake is looked at.
type followed struct {
	socket
	handshake *handshake
	nowhere   netip.AddrPort // of the socket's family
}

// ReadFromAddrPort reads one packet.
func (f *followed) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := f.socket.ReadFromAddrPort(b)
	if err == nil && isDTLS(b[:n]) && !f.handshake.over.Load() {
		f.handshake.received(b[:n])
	}
	return n, from, err
}

// ReadFrom is ReadFromAddrPort for callers that want a net.Addr.
func (f *followed) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := f.ReadFromAddrPort(b)
	return n, net.UDPAddrFromAddrPort(from), err
}

// WriteToAddrPort writes one packet, and keeps what is for nobody.
func (f *followed) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if to == f.nowhere {
		if isDTLS(b) {
			f.handshake.keep(b)
		}
		return len(b), nil
	}
	n, err := f.socket.WriteToAddrPort(b, to)
	switch {
	case err != nil || f.handshake.over.Load():
	case isDTLS(b):
		f.handshake.sent(f, b, to)
	case stun.IsMessage(b): // the answer to a check
		if hello := f.handshake.take(); hello != nil {
			_, _ = f.socket.WriteToAddrPort(hello, to) // pion repeats what is lost
		}
	}
	return n, err
}

// WriteTo is WriteToAddrPort for a net.Addr.
func (f *followed) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return f.socket.WriteTo(b, addr)
	}
	a := to.AddrPort()
	return f.WriteToAddrPort(b, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// isDTLS tells DTLS from what else there is (RFC 7983 §7).
func isDTLS(p []byte) bool { return len(p) > 0 && p[0] >= 20 && p[0] <= 63 }

// earlyWriter sends RTP before pion does. It belongs to the peer's worker.
type earlyWriter struct {
	keys   *srtp.Context
	socket *followed
	to     netip.AddrPort
	buffer []byte
}

// errEarly says that a packet is too long to be sent early.
var errEarly = errors.New("peer: a packet before the end of the handshake is longer than a packet can be")

// earlyPacket bounds a packet with its tag in bytes; earlyTag is the longest tag
// (RFC 7714 §14.2) with some bytes to spare.
const (
	earlyPacket = 1500
	earlyTag    = 20
)

// write protects and sends one packet.
func (w *earlyWriter) write(header *rtp.Header, payload []byte) (int, error) {
	if w.buffer == nil {
		w.buffer = make([]byte, earlyPacket)
	}
	p := rtp.Packet{Header: *header, Payload: payload}
	if p.MarshalSize()+earlyTag > earlyPacket {
		return 0, errEarly
	}
	n, err := p.MarshalTo(w.buffer)
	if err != nil {
		return 0, err
	}
	protected, err := w.keys.EncryptRTP(w.buffer, w.buffer[:n], nil)
	if err != nil {
		return 0, err
	}
	return w.socket.WriteToAddrPort(protected, w.to)
}
