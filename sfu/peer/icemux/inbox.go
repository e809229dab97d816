package icemux

import (
	"io"
	"net/netip"
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
// Several handles may read from one inbox; each packet goes to one of them.
type inbox struct {
	pool  *bufferPool
	limit int
	drops *atomic.Uint64 // packets that found the inbox full
	large *atomic.Uint64 // packets larger than the reader's memory

	mu     sync.Mutex
	filled sync.Cond // a packet came, or something was closed
	ring   []arrival // len is a power of two
	first  int
	count  int
	closed bool
}

func newInbox(pool *bufferPool, limit int, drops, large *atomic.Uint64) *inbox {
	q := &inbox{pool: pool, limit: limit, drops: drops, large: large, ring: make([]arrival, inboxStart)}
	q.filled.L = &q.mu
	return q
}

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
	q.filled.Signal()
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
// inbox is closed or *gone, which shut guards, becomes true.
func (q *inbox) read(b []byte, gone *bool) (int, netip.AddrPort, error) {
	for {
		a, ok := q.pop(gone)
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

func (q *inbox) pop(gone *bool) (arrival, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed || *gone:
			return arrival{}, false
		case q.count > 0:
			a := q.ring[q.first]
			q.ring[q.first] = arrival{}
			q.first = (q.first + 1) & (len(q.ring) - 1)
			q.count--
			return a, true
		}
		q.filled.Wait()
	}
}

// shut ends one reader: it sets *gone and wakes everybody, as the one that was
// woken for a packet may be the one that leaves. It returns false if *gone was
// set before.
func (q *inbox) shut(gone *bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if *gone {
		return false
	}
	*gone = true
	q.filled.Broadcast()
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
	q.filled.Broadcast()
}
