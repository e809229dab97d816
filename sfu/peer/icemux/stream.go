package icemux

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// readAhead is what is read from a stream at once.
	readAhead = 4096
	// firstFrame bounds the first packet, a binding request: far above what
	// any client sends, far below what is worth sending us for nothing.
	firstFrame = 1280
	// coalesce is how much goes into one write: small packets share a segment,
	// and no more than one segment is committed before the queue may drop it.
	coalesce = 1360
	// unsentLimit is how much the kernel may hold that it has not sent: a few
	// segments. What waits there can be neither dropped nor overtaken.
	unsentLimit = 4096
)

// stream is one TCP connection of a client: the goroutine that accepted it
// reads, a second one writes.
type stream struct {
	mux    *TCP
	conn   net.Conn
	remote netip.AddrPort

	mu     sync.Mutex
	wake   sync.Cond // there is something to write, or the end
	queue  frameQueue
	closed bool
}

func newStream(m *TCP, conn net.Conn, remote netip.AddrPort) *stream {
	s := &stream{mux: m, conn: conn, remote: remote}
	s.wake.L = &s.mu
	s.queue = frameQueue{pool: &m.pool, maxAge: m.cfg.QueueAge, maxBytes: m.cfg.QueueBytes, isVoice: m.cfg.IsVoice}
	return s
}

// serve reads one connection to its end.
func (m *TCP) serve(conn net.Conn, remote netip.AddrPort) {
	limitUnsent(conn, unsentLimit)
	_ = conn.SetReadDeadline(time.Now().Add(m.cfg.FirstPacket))
	r := bufio.NewReaderSize(conn, readAhead)
	b, n, err := readFrame(r, &m.pool, firstFrame)
	if err != nil {
		m.counts.strangers.Add(1)
		return
	}
	c := m.named(conn, remote, b.data[:n])
	s := newStream(m, conn, remote)
	if c == nil || !c.attach(s) {
		m.pool.give(b)
		m.counts.strangers.Add(1)
		return
	}
	m.counts.streams.Add(1)
	m.counts.read.Add(1)
	m.running.Go(s.writeAll)
	if !c.inbox.push(b, n, remote) {
		m.pool.give(b)
	}
	s.readAll(r, c)
	c.detach(s)
	s.close()
	m.counts.streams.Add(-1)
}

// named finds the connection that a first packet asks for.
func (m *TCP) named(conn net.Conn, remote netip.AddrPort, packet []byte) *tcpConn {
	ufrag, ok := requestUfrag(packet)
	if !ok {
		return nil
	}
	local, err := addrPort(conn.LocalAddr())
	if err != nil {
		return nil
	}
	return m.connFor(ufrag, local.Addr(), remote.Addr().Is6())
}

// readAll hands packets to the inbox until the client ends, is silent for too
// long, or sends what is no packet.
func (s *stream) readAll(r io.Reader, c *tcpConn) {
	m := s.mux
	var renewed time.Time
	for {
		// A deadline costs a timer: renew it four times in its life.
		if now := time.Now(); now.Sub(renewed) > m.cfg.Idle/4 {
			renewed = now
			if s.conn.SetReadDeadline(now.Add(m.cfg.Idle)) != nil {
				return
			}
		}
		b, n, err := readFrame(r, &m.pool, maxFrame)
		if err != nil {
			return
		}
		m.counts.read.Add(1)
		if !c.inbox.push(b, n, s.remote) {
			m.pool.give(b)
		}
	}
}

// push queues a packet; false says that it was dropped.
func (s *stream) push(now time.Time, p []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	drops := s.queue.drops
	ok := s.queue.push(now, p)
	s.countDrops(drops)
	if ok {
		s.wake.Signal()
	}
	return ok
}

// countDrops adds what the queue dropped since it stood at before. mu is held.
func (s *stream) countDrops(before uint64) {
	if d := s.queue.drops - before; d > 0 {
		s.mux.counts.writeDrops.Add(d)
	}
}

// writeAll writes what is queued until the stream is closed or a write fails.
func (s *stream) writeAll() {
	out := make([]byte, 0, frameHeader+bufferSize)
	for {
		var n int
		out, n = s.next(out[:0])
		if n == 0 {
			return
		}
		err := s.conn.SetWriteDeadline(time.Now().Add(s.mux.cfg.Write))
		if err == nil {
			_, err = s.conn.Write(out)
		}
		if err != nil {
			s.close() // wakes the reader, which leaves
			return
		}
		s.mux.counts.written.Add(uint64(n))
	}
}

// next waits for packets and frames as many as go into one write. No packets
// mean the end.
func (s *stream) next(out []byte) ([]byte, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := 0
	for !s.closed {
		before := s.queue.drops
		for packets == 0 || s.fits(len(out)) {
			item, ok := s.queue.pop(time.Now())
			if !ok {
				break
			}
			out = appendFrame(out, item.buf.data[:item.n])
			s.mux.pool.give(item.buf)
			packets++
		}
		s.countDrops(before)
		if packets > 0 {
			return out, packets
		}
		s.wake.Wait()
	}
	return out, 0
}

// fits says whether the packet at the front goes into the write as well.
func (s *stream) fits(used int) bool {
	n, ok := s.queue.front()
	return ok && used+frameHeader+n <= coalesce
}

// close ends both goroutines and returns the buffers.
func (s *stream) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.queue.clear()
		s.wake.Signal()
	}
	s.mu.Unlock()
	_ = s.conn.Close()
}
