package icemux

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

const (
	// readBatch is how many datagrams are read at once: enough for a burst,
	// and 64 KiB of buffers for a socket.
	readBatch = 32
	// readPause is the wait after a read that failed, so that a broken socket
	// does not take a core.
	readPause = 20 * time.Millisecond
)

// port is one socket of a mux with its reader.
type port struct {
	mux    *UDP
	index  int
	socket *udp.Socket
	local  netip.AddrPort
	v4, v6 bool

	mu     sync.Mutex
	owners owners
	probes map[transaction]probe // what waits for an answer

	forerunners []forerunner
}

func newPort(m *UDP, index int, s *udp.Socket) *port {
	p := &port{mux: m, index: index, socket: s, local: canonical(s.LocalAddr()), owners: newOwners(), probes: make(map[transaction]probe)}
	p.v4, p.v6 = s.Families()
	return p
}

// serves says whether the port can exchange packets with addresses like ip.
func (p *port) serves(ip netip.Addr) bool {
	if ip.Is4() {
		return p.v4
	}
	return p.v6
}

// take claims an address; see owners.
func (p *port) take(now time.Time, c *udpConn, addr netip.AddrPort, proved bool) {
	if b, n := p.claim(now, c, addr, proved); b != nil && !c.push(b, n, addr) {
		p.mux.pool.give(b)
	}
}

// claim is take; it answers what came from the address before, for the
// connection.
func (p *port) claim(now time.Time, c *udpConn, addr netip.AddrPort, proved bool) (forerunner *buffer, n int) {
	agent := c.media.address()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed.Load() {
		return nil, 0 // forget has been, or is about to
	}
	v, evicted := p.owners.take(now, c, addr, proved)
	if v == contested && proved {
		p.mux.counts.contested.Add(1)
	}
	if evicted {
		p.mux.counts.evicted.Add(1)
	}
	if proved && v != contested {
		p.follow(now, c, agent, addr)
	}
	if proved && v == granted {
		return p.release(now, addr)
	}
	return nil, 0
}

func (p *port) forget(c *udpConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owners.forget(c)
	p.dropProbes(c)
}

func (p *port) addresses() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.owners.byAddr)
}

// read hands what comes to the inboxes until the socket is closed.
func (p *port) read() {
	m := p.mux
	var (
		messages [readBatch]udp.Message
		buffers  [readBatch]*buffer
		found    [readBatch]*udpConn
	)
	for i := range buffers {
		buffers[i] = m.pool.take()
		messages[i].Buffer = buffers[i].data
	}
	defer func() {
		for _, b := range buffers {
			m.pool.give(b)
		}
	}()
	for {
		n, err := p.socket.ReadBatch(messages[:])
		if err != nil {
			if p.over(err) {
				return
			}
			continue
		}
		p.find(messages[:n], found[:n])
		for i, c := range found[:n] {
			if c != nil && c.push(buffers[i], messages[i].N, messages[i].Addr) {
				buffers[i] = m.pool.take()
				messages[i].Buffer = buffers[i].data
			}
			found[i] = nil
		}
	}
}

// over says whether the reader is at its end; if not, it has waited a moment.
func (p *port) over(err error) bool {
	m := p.mux
	select {
	case <-m.done:
		return true
	default:
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
		m.log.Error("media socket ended", "address", p.local, "error", err)
		return true
	}
	if m.counts.readErrors.Add(1) == 1 {
		m.log.Warn("cannot read from media socket; more of this is only counted", "address", p.local, "error", err)
	}
	pause := time.NewTimer(readPause)
	defer pause.Stop()
	select {
	case <-m.done:
		return true
	case <-pause.C:
		return false
	}
}

// find says whose each message is; nil for nobody's, which it counts.
func (p *port) find(messages []udp.Message, found []*udpConn) {
	now := time.Now()
	p.mu.Lock()
	for i := range messages {
		m := &messages[i]
		m.Addr = canonical(m.Addr)
		found[i] = p.owners.heard(now, m.Addr)
	}
	p.mu.Unlock()

	for i := range messages {
		packet := messages[i].Buffer[:messages[i].N]
		if len(packet) == 0 {
			found[i] = nil // empty, or did not fit: the socket counts those
			continue
		}
		ufrag, names := requestUfrag(packet)
		if names {
			found[i] = p.byUfrag(ufrag)
		}
		switch c := found[i]; {
		case c != nil:
			messages[i].Addr = c.seen(now, messages[i].Addr)
		case names: // byUfrag has counted it
		case packet[0] <= 3:
			p.mux.counts.strayStun.Add(1)
			p.stranger(now, packet, messages[i].Addr)
		case isDTLS(packet):
			if found[i] = p.hold(now, packet, messages[i].Addr); found[i] == nil {
				p.mux.counts.unknownAddress.Add(1)
			}
		default:
			p.mux.counts.unknownAddress.Add(1)
			p.stranger(now, packet, messages[i].Addr)
		}
	}
}

// byUfrag finds the connection that a binding request names.
func (p *port) byUfrag(ufrag []byte) *udpConn {
	m := p.mux
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s := m.sessions[string(ufrag)]; s != nil && s.conns[p.index] != nil {
		return s.conns[p.index]
	}
	m.counts.unknownUfrag.Add(1)
	return nil
}
