// Package eventlog is a bounded, numbered log of what happened, for readers that
// go away and come back: a writer appends and never waits, each reader goes on
// after the last number that it has seen, and is told when what it lacks is gone.
package eventlog

import "sync"

// Entry is one value with its number.
type Entry[T any] struct {
	Sequence uint64
	Value    T
}

// Log keeps the newest entries. Any goroutine may use it; its lock is a leaf.
type Log[T any] struct {
	limit int

	mu      sync.Mutex
	entries []Entry[T] // the newest, at most limit
	last    uint64
	closed  bool
	changed chan struct{} // closed and replaced when there is more
}

// New answers a log that keeps at most limit entries; the first one has the
// number base+1.
func New[T any](limit int, base uint64) *Log[T] {
	return &Log[T]{limit: limit, last: base, changed: make(chan struct{})}
}

// Append adds a value and answers its number; 0 when the log is closed.
func (l *Log[T]) Append(v T) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0
	}
	l.last++
	if len(l.entries) == l.limit {
		copy(l.entries, l.entries[1:])
		l.entries = l.entries[:l.limit-1]
	}
	l.entries = append(l.entries, Entry[T]{l.last, v})
	l.notify()
	return l.last
}

// Close ends the log; what it holds can still be read.
func (l *Log[T]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.notify()
	}
}

func (l *Log[T]) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Last is the number of the newest entry, or the base.
func (l *Log[T]) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Oldest is the number before the oldest entry that is kept.
func (l *Log[T]) Oldest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last - uint64(len(l.entries))
}

// After answers at most limit entries after a number, and a channel that is
// closed when there is more. lost says that some of them are gone, or that the
// number is not one of this log's.
func (l *Log[T]) After(sequence uint64, limit int) (entries []Entry[T], more <-chan struct{}, closed, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.last - uint64(len(l.entries)) // the number before the oldest kept
	if sequence < oldest || sequence > l.last {
		return nil, l.changed, l.closed, true
	}
	kept := l.entries[sequence-oldest:]
	entries = append(entries, kept[:min(limit, len(kept))]...)
	return entries, l.changed, l.closed && len(entries) == len(kept), false
}
