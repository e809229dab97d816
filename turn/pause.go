package turn

import "time"

// retryPause waits longer and longer while a socket fails, so that a lasting
// error costs no processor time and a passing one no more than a moment.
type retryPause struct {
	stop <-chan struct{}
	next time.Duration
}

const (
	firstPause = time.Millisecond
	lastPause  = time.Second
)

// wait pauses; it answers false at once when stop is closed.
func (p *retryPause) wait() bool {
	p.next = min(max(firstPause, 2*p.next), lastPause)
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

func (p *retryPause) reset() { p.next = 0 }
