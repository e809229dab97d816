package turn

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	// maxFrame is the largest frame taken from a client: what pion's buffer
	// of 1600 bytes holds without being full.
	maxFrame = 1596
	// readBuffer holds a few frames, to save system calls.
	readBuffer = 4096
	// writeBatch is how much is handed to TCP at once. On a thin link it
	// cannot be called back, so it is no more than about one segment.
	writeBatch = 1400
	// notSentLowWater makes TCP take more only when it has less than this
	// unsent: what waits, waits in our queue, where it can still be dropped.
	notSentLowWater = 4096
	// deadlineStep is how exact the idle timeout is.
	deadlineStep = time.Second
)

var errFraming = errors.New("the stream is no TURN")

// stream is one TCP or TLS connection of a client, as pion sees it. Each Read
// gives one whole frame. pion would cut frames itself, but keeps what comes in
// pieces without bound. Write queues and never blocks; a goroutine of the
// stream's own does the writing.
type stream struct {
	conn     net.Conn
	gate     *gate
	counters *counters
	limits   Limits
	local    net.Addr // one pointer for life: it identifies the connection
	remote   net.Addr
	source   netip.AddrPort
	release  func(*stream)

	// Owned by pion's one reader.
	buf      []byte
	unread   []byte // part of buf
	deadline time.Time
	born     time.Time

	once sync.Once
	done chan struct{} // closed by Close
	wake chan struct{} // holds one token when queue has something new

	mu     sync.Mutex // a leaf; guards what follows
	queue  queue
	proven bool // an allocation was made
}

func newStream(now time.Time, conn net.Conn, gate *gate, counters *counters, limits Limits, release func(*stream)) *stream {
	local, remote := *conn.LocalAddr().(*net.TCPAddr), *conn.RemoteAddr().(*net.TCPAddr)
	return &stream{
		conn: conn, gate: gate, counters: counters, limits: limits,
		local: &local, remote: &remote, source: normalPort(remote.AddrPort()),
		release: release, born: now, buf: make([]byte, readBuffer),
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// Read answers the next frame that is for pion. p must hold maxFrame bytes.
func (s *stream) Read(p []byte) (int, error) {
	for {
		size, err := frameSize(s.unread)
		if err != nil {
			s.counters.tcpMalformed.Add(1)
			return 0, err
		}
		if size == 0 || size > len(s.unread) {
			if err := s.fill(); err != nil {
				return 0, err
			}
			continue
		}
		frame := s.unread[:size]
		s.unread = s.unread[size:]
		if kindOf(frame) == kindChannelData {
			return copy(p, frame), nil
		}
		pass, reply := s.gate.admit(time.Now(), frame, tuple{local: s.local, remote: s.source})
		if reply != nil {
			if _, err := s.Write(reply); err != nil {
				return 0, err
			}
		}
		if pass {
			return copy(p, frame), nil
		}
	}
}

// frameSize answers how long the frame at the start of b is, or 0 if b does not
// say yet (RFC 8656 §12.5).
func frameSize(b []byte) (int, error) {
	if len(b) < channelHeaderLength {
		return 0, nil
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	var size int
	switch b[0] >> 6 {
	case 0:
		size = stunHeaderLength + length
		if len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) != stunCookie {
			return 0, errFraming
		}
	case 1:
		size = channelHeaderLength + (length+3)&^3
	default:
		return 0, errFraming
	}
	if size > maxFrame {
		return 0, errFraming
	}
	return size, nil
}

// fill reads more behind what is unread, within the deadline of the moment.
func (s *stream) fill() error {
	n := copy(s.buf, s.unread)
	s.mu.Lock()
	proven := s.proven
	s.mu.Unlock()
	until := s.born.Add(s.limits.TCPAuthTimeout)
	if proven {
		until = time.Now().Add(s.limits.TCPIdleTimeout)
	}
	if until.Sub(s.deadline).Abs() >= deadlineStep {
		s.deadline = until
		if err := s.conn.SetReadDeadline(until); err != nil {
			return err
		}
	}
	more, err := s.conn.Read(s.buf[n:])
	s.unread = s.buf[:n+more]
	if more > 0 {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// The allocation may have come while this read waited.
		s.mu.Lock()
		late := s.proven && !proven
		s.mu.Unlock()
		switch {
		case late:
			return nil
		case proven:
			s.counters.tcpIdle.Add(1)
		default:
			s.counters.tcpUnproven.Add(1)
		}
	}
	if err == nil {
		err = errFraming // a connection that reads nothing, without an error
	}
	return err
}

// Write queues one frame for the client. Media for which there is no room is
// dropped; an answer for which there is none ends the connection, since whoever
// asks so much and reads so little is not served.
func (s *stream) Write(p []byte) (int, error) {
	if unproven(p) && !s.gate.answer(time.Now(), s.source) {
		s.counters.tcpLimited.Add(1)
		s.abort()
		return 0, net.ErrClosed
	}
	select {
	case <-s.done:
		return 0, net.ErrClosed
	default:
	}
	s.mu.Lock()
	if kindOf(p) == kindSTUN && stunType(p) == typeAllocateSuccess {
		s.proven = true
	}
	queued := s.queue.push(time.Now(), p)
	s.mu.Unlock()
	if !queued {
		if isMedia(p) {
			s.counters.overflow.Add(1)
			return len(p), nil
		}
		s.counters.tcpStalled.Add(1)
		s.abort()
		return 0, net.ErrClosed
	}
	select {
	case s.wake <- struct{}{}:
	default: // the writer has a token already
	}
	return len(p), nil
}

// write is the stream's own goroutine: it hands frames to TCP until Close.
func (s *stream) write() {
	buf := make([]byte, 0, maxFrame+writeBatch)
	for {
		now := time.Now()
		s.mu.Lock()
		batch, stale := s.queue.take(now, buf[:0], writeBatch)
		s.mu.Unlock()
		s.counters.stale.Add(uint64(stale))
		if len(batch) == 0 {
			select {
			case <-s.wake:
				continue
			case <-s.done:
				return
			}
		}
		err := s.conn.SetWriteDeadline(now.Add(s.limits.TCPWriteTimeout))
		if err == nil {
			_, err = s.conn.Write(batch)
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.counters.tcpStalled.Add(1)
			}
			s.abort()
			return
		}
	}
}

// abort ends the connection from this side; pion's reader sees that and calls
// Close. It may run on any goroutine and takes no lock.
func (s *stream) abort() { _ = s.conn.Close() }

// Close ends the connection and its writer.
func (s *stream) Close() error {
	s.once.Do(func() {
		close(s.done)
		_ = s.conn.Close()
		s.release(s)
	})
	return nil
}

func (s *stream) LocalAddr() net.Addr                { return s.local }
func (s *stream) RemoteAddr() net.Addr               { return s.remote }
func (s *stream) SetDeadline(t time.Time) error      { return s.conn.SetDeadline(t) }
func (s *stream) SetReadDeadline(t time.Time) error  { return s.conn.SetReadDeadline(t) }
func (s *stream) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }
