// Package mailbox is a bounded queue of many writers and one reader that never
// blocks a writer: the way into a goroutine that owns state (an egress worker,
// a room). The reader waits on Wake and takes everything at once, so that a
// burst costs one wake-up; the two slices are swapped and used again, so that a
// steady flow allocates nothing.
package mailbox

import "sync"

// Box holds values of type T until their reader takes them.
type Box[T any] struct {
	// Wake is readable when there is something to take.
	Wake <-chan struct{}

	wake  chan struct{}
	limit int

	mu     sync.Mutex
	queue  []T
	spare  []T
	closed bool
}

// New answers a box that holds at most limit values.
func New[T any](limit int) *Box[T] {
	wake := make(chan struct{}, 1)
	return &Box[T]{Wake: wake, wake: wake, limit: limit}
}

// Put adds v. It answers false, and v was not taken, when the box is full or closed.
func (b *Box[T]) Put(v T) bool { return b.put(v, b.limit) }

// PutUrgent adds v even to a full box, for the few control messages that must
// not be lost; the writer answers for their being few. False only when closed.
func (b *Box[T]) PutUrgent(v T) bool { return b.put(v, int(^uint(0)>>1)) }

func (b *Box[T]) put(v T, limit int) bool {
	b.mu.Lock()
	if b.closed || len(b.queue) >= limit {
		b.mu.Unlock()
		return false
	}
	b.queue = append(b.queue, v)
	first := len(b.queue) == 1
	b.mu.Unlock()
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// Take answers everything that waits, oldest first. The slice is valid until
// the next Take, which clears it.
func (b *Box[T]) Take() []T {
	b.mu.Lock()
	taken := b.queue
	clear(b.spare)
	b.queue, b.spare = b.spare[:0], taken
	b.mu.Unlock()
	return taken
}

// Close refuses everything from now on; what waits can still be taken.
func (b *Box[T]) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
}
