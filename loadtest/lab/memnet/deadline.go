package memnet

import (
	"net"
	"os"
	"sync"
	"time"
)

// deadline is one deadline of a connection whose waiters wait on a condition
// variable. The variable's lock guards it.
type deadline struct {
	timer      *time.Timer
	expired    bool
	generation uint64 // tells a timer that fires late from the current one
}

// set moves the deadline to t, or away when t is zero, and wakes the waiters
// when it is over. The caller holds cond.L.
func (d *deadline) set(cond *sync.Cond, t time.Time) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.expired = true
		cond.Broadcast()
		return
	}
	current := d.generation
	d.timer = time.AfterFunc(wait, func() {
		cond.L.Lock()
		defer cond.L.Unlock()
		if d.generation == current {
			d.expired = true
			cond.Broadcast()
		}
	})
}

// stop makes a set timer harmless.
func (d *deadline) stop() {
	d.generation++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// err answers why an operation must end before it looks for data.
func (d *deadline) err(closed bool) error {
	switch {
	case closed:
		return net.ErrClosed
	case d.expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}
