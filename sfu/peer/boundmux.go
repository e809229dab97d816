package peer

import (
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

// boundMux is the mux as one peer's agent sees it. Every connection that pion
// asks for, also after an ICE restart with its new fragment, it binds to the batch
// of the peer's worker, and tells the mux by what the client is recognised and
// proves itself when its address changes.
type boundMux struct {
	*icemux.UDP
	batch     *icemux.Batch
	handshake *handshake // nil unless it is looked at

	mu      sync.Mutex
	ufrag   string // our newest; empty before the first
	remote  icemux.Credentials
	streams []uint32
}

// GetConn answers the connection of a user fragment.
func (m *boundMux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	m.Bind(ufrag, m.batch)
	m.mu.Lock()
	m.ufrag = ufrag
	m.Authenticate(ufrag, m.remote)
	for _, ssrc := range m.streams {
		m.Recognise(ufrag, ssrc)
	}
	m.mu.Unlock()
	c, err := m.UDP.GetConn(ufrag, addr)
	if err != nil || m.handshake == nil {
		return c, err
	}
	return m.handshake.follow(c), nil
}

// offered takes the client's credentials out of an offer, before it is answered.
func (m *boundMux) offered(offer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remote = credentials(offer)
}

// sends says that the client sends a stream, which its keys have proved.
func (m *boundMux) sends(ssrc uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.streams) < maxStreams && !slices.Contains(m.streams, ssrc) {
		m.streams = append(m.streams, ssrc)
		if m.ufrag != "" {
			m.Recognise(m.ufrag, ssrc)
		}
	}
}

// Close leaves the shared mux open: one peer's end must not be everybody's.
func (m *boundMux) Close() error { return nil }

// credentials are those of the session or of its first section: all sections go
// over one transport (RFC 8843 §7).
func credentials(description string) (c icemux.Credentials) {
	for line := range strings.Lines(description) {
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok && c.Fragment == "" {
			c.Fragment = v
		}
		if v, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok && c.Password == "" {
			c.Password = v
		}
	}
	return c
}
