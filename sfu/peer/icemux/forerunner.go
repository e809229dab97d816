package icemux

import (
	"net/netip"
	"time"
)

const (
	// maxForerunners bounds what is kept of addresses that have proved nothing
	// yet: 64 packets, 96 kB a socket.
	maxForerunners = 64
	// forerunnerAge is how long one is kept: an agent answers within that, and a
	// client repeats it later than that.
	forerunnerAge = time.Second
)

// forerunner is the first packet of DTLS from an address that has proved nothing
// yet. A client in a hurry sends it right behind its check, and it is here
// before the agent has answered that: it is kept until then, and dropped when
// there is no answer. One for each address; the oldest make room, so who sends
// many only has others repeat theirs.
type forerunner struct {
	from netip.AddrPort
	at   time.Time
	buf  *buffer
	n    int
}

// isDTLS tells DTLS from what else there is (RFC 7983 §7).
func isDTLS(p []byte) bool { return len(p) > 0 && p[0] >= 20 && p[0] <= 63 }

// hold keeps a packet from an address that is nobody's; it answers the owner if
// there is one by now.
func (p *port) hold(now time.Time, packet []byte, from netip.AddrPort) *udpConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.owners.heard(now, from); c != nil {
		return c
	}
	place := -1
	for i := range p.forerunners {
		if f := &p.forerunners[i]; f.from == from {
			if now.Sub(f.at) < forerunnerAge {
				return nil // one is enough
			}
			place = i
		}
	}
	switch {
	case place >= 0:
	case len(p.forerunners) < maxForerunners:
		place = len(p.forerunners)
		p.forerunners = append(p.forerunners, forerunner{})
	default:
		place = p.oldestForerunner()
	}
	f := &p.forerunners[place]
	if f.buf == nil {
		f.buf = p.mux.pool.take()
	}
	f.from, f.at, f.n = from, now, copy(f.buf.data, packet)
	return nil
}

func (p *port) oldestForerunner() int {
	oldest := 0
	for i := range p.forerunners {
		if p.forerunners[i].at.Before(p.forerunners[oldest].at) {
			oldest = i
		}
	}
	return oldest
}

// release answers the forerunner of an address that is somebody's now, and takes
// it out; mu is held. The buffer is the caller's.
func (p *port) release(now time.Time, from netip.AddrPort) (buf *buffer, n int) {
	for i := range p.forerunners {
		f := p.forerunners[i]
		if f.from != from {
			continue
		}
		last := len(p.forerunners) - 1
		p.forerunners[i] = p.forerunners[last]
		p.forerunners = p.forerunners[:last]
		if now.Sub(f.at) < forerunnerAge {
			return f.buf, f.n
		}
		p.mux.pool.give(f.buf)
	}
	return nil, 0
}

// dropForerunners gives everything back.
func (p *port) dropForerunners() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.forerunners {
		p.mux.pool.give(f.buf)
	}
	p.forerunners = nil
}
