package udp

import "sync/atomic"

// Stats counts what went through a socket since it was opened.
type Stats struct {
	// ReadDatagrams and ReadBytes count payload, without IP and UDP headers.
	ReadDatagrams, ReadBytes uint64
	// ReadCalls are the system calls (or calls of a wrapped connection) that
	// returned datagrams.
	ReadCalls uint64
	// ReadTruncated are datagrams that did not fit their buffer.
	ReadTruncated uint64
	// ReadCoalesced are datagrams that arrived several to one system message.
	ReadCoalesced uint64

	// WriteDatagrams and WriteBytes count what the kernel took.
	WriteDatagrams, WriteBytes uint64
	// WriteCalls are the system calls made to send.
	WriteCalls uint64
	// WriteErrors are datagrams refused, or lost because the socket was closed.
	WriteErrors uint64
	// WriteSegmented are datagrams that left several to one system message.
	WriteSegmented uint64
	// WriteWaits counts how often the send queue was full.
	WriteWaits uint64
}

// counters is Stats while it is being counted. The two halves belong to
// different goroutines and are kept on different cache lines.
type counters struct {
	readDatagrams, readBytes, readCalls, readTruncated, readCoalesced atomic.Uint64
	_                                                                 [64]byte
	writeDatagrams, writeBytes, writeCalls                            atomic.Uint64
	writeErrors, writeSegmented, writeWaits                           atomic.Uint64
}

// Stats returns the counters. They are read one by one, so two of them may be
// a datagram apart.
func (s *Socket) Stats() Stats {
	c := &s.counts
	return Stats{
		ReadDatagrams:  c.readDatagrams.Load(),
		ReadBytes:      c.readBytes.Load(),
		ReadCalls:      c.readCalls.Load(),
		ReadTruncated:  c.readTruncated.Load(),
		ReadCoalesced:  c.readCoalesced.Load(),
		WriteDatagrams: c.writeDatagrams.Load(),
		WriteBytes:     c.writeBytes.Load(),
		WriteCalls:     c.writeCalls.Load(),
		WriteErrors:    c.writeErrors.Load(),
		WriteSegmented: c.writeSegmented.Load(),
		WriteWaits:     c.writeWaits.Load(),
	}
}

// read counts one read call that brought n datagrams of size bytes in all.
func (c *counters) read(n, size int) {
	c.readCalls.Add(1)
	c.readDatagrams.Add(uint64(n))
	c.readBytes.Add(uint64(size))
}

// wrote counts datagrams that the kernel took.
func (c *counters) wrote(n, size int) {
	c.writeDatagrams.Add(uint64(n))
	c.writeBytes.Add(uint64(size))
}
