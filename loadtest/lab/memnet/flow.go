package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Constants of the simple model of TCP that a flow follows.
const (
	// segmentSize is the payload of a full segment, in bytes: 1500 less the
	// headers, and a little for tunnels.
	segmentSize = 1400
	// firstWindow is the congestion window to begin with, in segments (RFC 6928).
	firstWindow = 10
	// leastWindow is what losses cannot take, in segments.
	leastWindow = 2
	// retransmitAfter is the wait after a lost segment, doubled each time; Linux's
	// least retransmission timeout, made odd.
	retransmitAfter = 200_000_017 * time.Nanosecond
	// maxRetransmits ends a stream whose segment does not get through: about three minutes.
	maxRetransmits = 9
)

// flow is one direction of a stream: bytes written at one end, cut into
// segments, carried by the path, and put in order at the other.
//
//	Write -> waiting segments -> [congestion window] -> path -> reorder -> buffer -> Read
//
// window bounds the bytes of all these places together: a writer whose reader
// does not read blocks. A lost segment is sent again after a timeout and holds
// back those behind it.
type flow struct {
	network  *Network
	from, to endpoint
	window   int   // bytes
	writer   *Conn // told when the direction breaks

	mu       sync.Mutex
	changed  sync.Cond  // on mu; readers and writers wait on it
	segments []*segment // written, not yet in the reader's buffer, in order
	unsent   int        // index in segments of the first that was never sent
	inFlight int        // bytes
	congWin  int        // bytes, congestion window
	held     int        // bytes written and not yet read
	buffer   []byte     // arrived in order; unread from start on
	start    int
	write    deadline
	finished bool  // the writer closed: no more writes
	writeErr error // why writes fail
	read     deadline
	eof      bool  // the writer closed, and everything has arrived
	left     bool  // the reader closed
	readErr  error // why reads fail once the buffer is empty
	reader   ending
}

// ending says what becomes of segments that arrive at the reader's end.
type ending uint8

const (
	listening ending = iota // they are read
	refusing                // the end is gone, and says so with a reset
	silent                  // the end is gone without a word
)

// segment is a piece of a flow. Its end mark alone (fin) carries no bytes.
type segment struct {
	data    []byte
	fin     bool
	arrived bool
	tries   int
}

func newFlow(n *Network, from, to endpoint) *flow {
	f := &flow{network: n, from: from, to: to, window: n.config.StreamWindow, congWin: firstWindow * segmentSize}
	f.changed.L = &f.mu
	return f
}

// push writes p, blocking while the window is full.
func (f *flow) push(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	written := 0
	for {
		switch {
		case f.writeErr != nil:
			return written, f.writeErr
		case f.finished:
			return written, net.ErrClosed
		case f.write.expired:
			return written, os.ErrDeadlineExceeded
		case len(p) == 0:
			return written, nil
		}
		room := f.window - f.held
		if room <= 0 {
			f.changed.Wait()
			continue
		}
		k := min(room, len(p))
		f.append(p[:k])
		written, p = written+k, p[k:]
		f.transmit()
	}
}

// append cuts p into segments, filling up a last one that has not been sent.
func (f *flow) append(p []byte) {
	f.held += len(p)
	for len(p) > 0 {
		if last := len(f.segments) - 1; last >= f.unsent && len(f.segments[last].data) < segmentSize {
			s := f.segments[last]
			k := min(segmentSize-len(s.data), len(p))
			s.data, p = append(s.data, p[:k]...), p[k:]
			continue
		}
		k := min(segmentSize, len(p))
		f.segments = append(f.segments, &segment{data: append(make([]byte, 0, k), p[:k]...)})
		p = p[k:]
	}
}

// transmit sends what the congestion window allows. The caller holds mu.
func (f *flow) transmit() {
	for f.unsent < len(f.segments) && f.inFlight < f.congWin {
		s := f.segments[f.unsent]
		f.unsent++
		f.inFlight += len(s.data)
		f.carry(s)
	}
}

// carry puts one segment on the path, or waits for its retransmission when the
// path loses it.
func (f *flow) carry(s *segment) {
	f.network.segment(f.from, f.to, len(s.data), func(arrived bool) {
		if arrived {
			f.arrive(s)
		} else {
			f.lose(s)
		}
	}, retransmitAfter<<s.tries)
}

// arrive takes a segment at the reader's end.
func (f *flow) arrive(s *segment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.reader == refusing && !s.fin:
		f.refuse()
		return
	case f.reader != listening, f.writeErr != nil:
		return
	}
	s.arrived = true
	f.inFlight -= len(s.data)
	f.congWin = min(f.congWin+len(s.data), max(f.window, firstWindow*segmentSize))
	f.compact()
	for len(f.segments) > 0 && f.segments[0].arrived {
		f.buffer = append(f.buffer, f.segments[0].data...)
		f.eof = f.eof || f.segments[0].fin
		f.segments = f.segments[1:]
		f.unsent--
	}
	f.transmit()
	f.changed.Broadcast()
}

// lose is called when a lost segment is due again.
func (f *flow) lose(s *segment) {
	f.mu.Lock()
	s.tries++
	if f.writeErr == nil && s.tries <= maxRetransmits {
		f.congWin = max(f.congWin/2, leastWindow*segmentSize)
		f.carry(s)
	}
	timeout := f.writeErr == nil && s.tries > maxRetransmits
	f.mu.Unlock()
	if timeout {
		f.writer.fail(syscall.ETIMEDOUT, refusing)
	}
}

// refuse answers a segment for a closed end with a reset (RFC 9293 §3.10.7.1),
// which reaches the writer one trip later. The caller holds mu.
func (f *flow) refuse() {
	f.network.segment(f.to, f.from, 0, func(bool) { f.writer.fail(syscall.ECONNRESET, refusing) }, 0)
}

// pull reads what has arrived, blocking while there is nothing.
func (f *flow) pull(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		unread := len(f.buffer) - f.start
		switch {
		case f.left:
			return 0, net.ErrClosed
		case f.read.expired:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case unread > 0:
			k := copy(p, f.buffer[f.start:])
			f.start += k
			f.held -= k
			f.changed.Broadcast()
			return k, nil
		case f.readErr != nil:
			return 0, f.readErr
		case f.eof:
			return 0, io.EOF
		}
		f.changed.Wait()
	}
}

// compact moves the unread bytes to the front once that frees half the buffer.
func (f *flow) compact() {
	if f.start == len(f.buffer) {
		f.buffer, f.start = f.buffer[:0], 0
	} else if f.start > len(f.buffer)/2 {
		k := copy(f.buffer, f.buffer[f.start:])
		f.buffer, f.start = f.buffer[:k], 0
	}
}

// finish closes the writer's end: what was written still arrives, then the
// reader sees the end.
func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.finished {
		return
	}
	f.finished = true
	f.write.stop()
	if f.writeErr == nil {
		f.segments = append(f.segments, &segment{fin: true})
		f.transmit()
	}
	f.changed.Broadcast()
}

// leave closes the reader's end. Bytes that nobody will read reset the writer
// (RFC 2525 §2.17), those under way as soon as they arrive.
func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left {
		return
	}
	f.left = true
	f.read.stop()
	if f.reader == listening {
		f.reader = refusing
		if len(f.buffer) > f.start {
			f.refuse()
		}
	}
	f.buffer, f.start = nil, 0
	f.changed.Broadcast()
}

// failWriter makes the writer's end fail and forgets what has not arrived.
func (f *flow) failWriter(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writeErr == nil {
		f.writeErr = err
		f.segments, f.unsent = nil, 0
		f.changed.Broadcast()
	}
}

// failReader makes reads fail once what has arrived is read; what arrives later
// meets how.
func (f *flow) failReader(err error, how ending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reader == listening {
		f.reader = how
	}
	if f.readErr == nil && !f.eof {
		f.readErr = err
		f.changed.Broadcast()
	}
}

func (f *flow) setDeadline(d *deadline, t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if (d == &f.read && f.left) || (d == &f.write && f.finished) {
		return net.ErrClosed
	}
	d.set(&f.changed, t)
	return nil
}
