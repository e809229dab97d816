package icemux

import (
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// inboxStart is the first size of an inbox in packets; it doubles up to the
// limit. Most connections never need more: their reader is always waiting.
const inboxStart = 16

// arrival is one packet in an inbox.
type arrival struct {
	buf  *buffer
	n    int
	from netip.AddrPort
}

// inbox holds the packets that came for one connection until they are read.
// It is bounded: when it is full, what comes is dropped and counted, because a
// queue of old media is worth less than none.
//
// Several handles may read from one inbox, since an agent has one for each local
// address of a socket. Only the oldest that is left gets packets: with several
// readers they would change places on the way to the agent.
type inbox struct {
	pool  *bufferPool
	limit int
	drops *atomic.Uint64 // packets that found the inbox full
	large *atomic.Uint64 // packets larger than the reader's memory

	present atomic.Int32 // readers, for idle

	mu      sync.Mutex
	readers []*reader // the oldest first
	ring    []arrival // len is a power of two
	first   int
	count   int
	closed  bool
}

// reader is one handle's place at an inbox.
type reader struct {
	wake sync.Cond // its turn has come, or it has ended; on the inbox's lock
	gone bool
}

func newInbox(pool *bufferPool, limit int, drops, large *atomic.Uint64) *inbox {
	return &inbox{pool: pool, limit: limit, drops: drops, large: large, ring: make([]arrival, inboxStart)}
}

// join adds a reader, which leave must take away.
func (q *inbox) join() *reader {
	r := &reader{}
	r.wake.L = &q.mu
	q.mu.Lock()
	defer q.mu.Unlock()
	q.readers = append(q.readers, r)
	q.present.Add(1)
	return r
}

// idle says whether nobody reads.
func (q *inbox) idle() bool { return q.present.Load() == 0 }

// push takes over b on success; on false the caller keeps it.
func (q *inbox) push(b *buffer, n int, from netip.AddrPort) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if q.count >= q.limit {
		q.drops.Add(1)
		return false
	}
	if q.count == len(q.ring) {
		q.grow()
	}
	q.ring[(q.first+q.count)&(len(q.ring)-1)] = arrival{b, n, from}
	q.count++
	if len(q.readers) > 0 {
		q.readers[0].wake.Signal()
	}
	return true
}

func (q *inbox) grow() {
	ring := make([]arrival, 2*len(q.ring))
	for i := range q.count {
		ring[i] = q.ring[(q.first+i)&(len(q.ring)-1)]
	}
	q.ring, q.first = ring, 0
}

// read waits for a packet and copies it to b. It ends with io.EOF when the
// inbox is closed or the reader has left.
func (q *inbox) read(b []byte, r *reader) (int, netip.AddrPort, error) {
	for {
		a, ok := q.pop(r)
		if !ok {
			return 0, netip.AddrPort{}, io.EOF
		}
		n := copy(b, a.buf.data[:a.n])
		q.pool.give(a.buf)
		if n == a.n {
			return n, a.from, nil
		}
		// An error would end the reader's loop for one odd packet.
		q.large.Add(1)
	}
}

func (q *inbox) pop(r *reader) (arrival, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed || r.gone:
			return arrival{}, false
		case q.count > 0 && q.readers[0] == r:
			a := q.ring[q.first]
			q.ring[q.first] = arrival{}
			q.first = (q.first + 1) & (len(q.ring) - 1)
			q.count--
			return a, true
		}
		r.wake.Wait()
	}
}

// leave ends one reader; the next takes over. It returns false if the reader
// had left before.
func (q *inbox) leave(r *reader) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.gone {
		return false
	}
	r.gone = true
	q.present.Add(-1)
	r.wake.Broadcast()
	q.readers = slices.DeleteFunc(q.readers, func(other *reader) bool { return other == r })
	if len(q.readers) > 0 {
		q.readers[0].wake.Signal()
	}
	return true
}

// close ends all readers and returns what was not read to the pool.
func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	for i := range q.count {
		q.pool.give(q.ring[(q.first+i)&(len(q.ring)-1)].buf)
	}
	q.ring, q.count = nil, 0
	for _, r := range q.readers {
		r.wake.Broadcast()
	}
}
