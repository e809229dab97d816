package icemux

import (
	"sync/atomic"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

// UDPStats says what a UDP mux holds, and counts what it dropped.
type UDPStats struct {
	// Sessions are user fragments known, Connections their connections (one for
	// each socket used), Addresses the remote addresses that belong to them.
	Sessions, Connections, Addresses int
	// BuffersInUse are packet buffers lent: those of the readers and those in
	// inboxes. It is 0 after Close.
	BuffersInUse int64
	// UnknownAddress are packets, other than STUN, from an address that is
	// nobody's.
	UnknownAddress uint64
	// StraySTUN are STUN messages, or what looks like it, that name no user
	// fragment and come from an address that is nobody's.
	StraySTUN uint64
	// UnknownUfrag are binding requests for a user fragment that is not known.
	UnknownUfrag uint64
	// QueueFull are packets dropped because nobody read them in time.
	QueueFull uint64
	// Oversized are packets larger than the memory given to read them.
	Oversized uint64
	// Evicted are remote addresses that made room for newer ones.
	Evicted uint64
	// Contested are claims to an address that another connection holds.
	Contested uint64
	// Roamed are clients that were followed to another address.
	Roamed uint64
	// Probes are checks sent to addresses from which a known stream came.
	Probes uint64
	// ReadErrors are failed reads of the sockets.
	ReadErrors uint64
	// Sockets are the sockets' own counters, in the order of the configuration.
	Sockets []udp.Stats
}

type udpCounters struct {
	unknownAddress, strayStun, unknownUfrag, queueFull        atomic.Uint64
	oversized, evicted, contested, roamed, probes, readErrors atomic.Uint64
}

// Stats returns the state and the counters.
func (m *UDP) Stats() UDPStats {
	s := UDPStats{
		BuffersInUse:   m.pool.out.Load(),
		UnknownAddress: m.counts.unknownAddress.Load(),
		StraySTUN:      m.counts.strayStun.Load(),
		UnknownUfrag:   m.counts.unknownUfrag.Load(),
		QueueFull:      m.counts.queueFull.Load(),
		Oversized:      m.counts.oversized.Load(),
		Evicted:        m.counts.evicted.Load(),
		Contested:      m.counts.contested.Load(),
		Roamed:         m.counts.roamed.Load(),
		Probes:         m.counts.probes.Load(),
		ReadErrors:     m.counts.readErrors.Load(),
	}
	m.mu.RLock()
	s.Sessions = len(m.sessions)
	for _, session := range m.sessions {
		for _, c := range session.conns {
			if c != nil {
				s.Connections++
			}
		}
	}
	m.mu.RUnlock()
	for _, p := range m.ports {
		s.Addresses += p.addresses()
		s.Sockets = append(s.Sockets, p.socket.Stats())
	}
	return s
}
