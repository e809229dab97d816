package switchboard

import "sync"

// committer puts what was written on the disk and says so to those who wait: one
// fsync for all that came while the last one ran (group commit), so that a slow
// disk costs latency and hardly throughput, and the board never waits. It has a
// goroutine of its own (run).
type committer struct {
	fail func(error)
	wake chan struct{} // holds one token

	mu      sync.Mutex // a leaf
	sync    func() error
	waiting []chan struct{}
	closed  bool
}

func newCommitter(sync func() error, fail func(error)) *committer {
	return &committer{sync: sync, fail: fail, wake: make(chan struct{}, 1)}
}

// put asks for what was written so far. Each of waiting is closed once it is on
// the disk, or once that has failed and was logged: a full disk must not end all
// calls.
func (c *committer) put(waiting []chan struct{}) {
	c.mu.Lock()
	c.waiting = append(c.waiting, waiting...)
	c.mu.Unlock()
	c.poke()
}

// close ends run after what is asked for already.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.poke()
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run is the committer's goroutine.
func (c *committer) run() {
	for closed := false; !closed; {
		<-c.wake
		c.mu.Lock()
		waiting, sync := c.waiting, c.sync
		c.waiting, closed = nil, c.closed
		c.mu.Unlock()
		if err := sync(); err != nil {
			c.fail(err)
		}
		for _, done := range waiting {
			close(done)
		}
	}
}
