package icemux

import "sync/atomic"

// TCPStats says what a TCP mux holds, and counts what it did.
type TCPStats struct {
	// Sessions are user fragments known, Connections the TCP connections open,
	// Streams those of them that have named a user fragment.
	Sessions, Connections, Streams int
	// BuffersInUse are packet buffers lent. It is 0 after Close.
	BuffersInUse int64
	// Accepted are connections served, Refused those turned away because of a
	// limit, Strangers those that did not begin with a binding request for a
	// known user fragment in time.
	Accepted, Refused, Strangers uint64
	// AcceptErrors are failures of the listener.
	AcceptErrors uint64
	// ReadPackets and WrittenPackets went through.
	ReadPackets, WrittenPackets uint64
	// WriteDrops are packets that were too old or too many to be written.
	WriteDrops uint64
	// NoStream are packets for a client that is not connected.
	NoStream uint64
	// QueueFull and Oversized are packets that their reader did not get: not
	// read in time, or larger than the memory given.
	QueueFull, Oversized uint64
}

type tcpCounters struct {
	accepted, refused, strangers, acceptErrors atomic.Uint64
	read, written, writeDrops, noStream        atomic.Uint64
	queueFull, oversized                       atomic.Uint64
	streams                                    atomic.Int64
}

// Stats returns the state and the counters.
func (m *TCP) Stats() TCPStats {
	m.mu.Lock()
	sessions, connections := len(m.sessions), len(m.accepted)
	m.mu.Unlock()
	c := &m.counts
	return TCPStats{
		Sessions:       sessions,
		Connections:    connections,
		Streams:        int(c.streams.Load()),
		BuffersInUse:   m.pool.out.Load(),
		Accepted:       c.accepted.Load(),
		Refused:        c.refused.Load(),
		Strangers:      c.strangers.Load(),
		AcceptErrors:   c.acceptErrors.Load(),
		ReadPackets:    c.read.Load(),
		WrittenPackets: c.written.Load(),
		WriteDrops:     c.writeDrops.Load(),
		NoStream:       c.noStream.Load(),
		QueueFull:      c.queueFull.Load(),
		Oversized:      c.oversized.Load(),
	}
}
