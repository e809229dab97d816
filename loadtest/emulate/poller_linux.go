package emulate

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// poller sleeps until a descriptor can be read or a deadline has come. A timerfd
// has no timer slack, unlike the timeout of epoll_wait and time.Sleep, and wakes
// a thread a tenth of a millisecond late instead of one.
//
// Everything belongs to one goroutine but interrupt.
type poller struct {
	epoll, timer int
	wake         int // eventfd

	began time.Time // this moment
	mono  int64     // is this on CLOCK_MONOTONIC, in nanoseconds
	armed time.Time

	events [64]unix.EpollEvent

	mu     sync.Mutex // guards closed against interrupt
	closed bool
}

func newPoller() (_ *poller, err error) {
	p := &poller{epoll: -1, timer: -1, wake: -1}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	for _, fd := range []int{p.timer, p.wake} {
		if err = p.add(fd); err != nil {
			return nil, err
		}
	}
	p.synchronise()
	return p, nil
}

// synchronise finds what CLOCK_MONOTONIC is at a time of Go's: the closest of
// some tries, for a thread may lose the processor between the two readings.
func (p *poller) synchronise() {
	closest := time.Duration(1<<63 - 1)
	for range 10 {
		var ts unix.Timespec
		before := time.Now()
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
			continue
		}
		if took := time.Since(before); took < closest {
			closest, p.began, p.mono = took, before, ts.Nano()
		}
	}
}

func (p *poller) add(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll: add: %w", err)
	}
	return nil
}

// remove must come before fd is closed.
func (p *poller) remove(fd int) {
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// wait sleeps until deadline, or until one of the descriptors can be read, and
// answers which. The answer is good until the next call.
func (p *poller) wait(deadline time.Time) ([]unix.EpollEvent, error) {
	if deadline != p.armed {
		// A time that is past, but not 0, which would disarm: fires at once.
		at := max(1, p.mono+int64(deadline.Sub(p.began)))
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at)}
		if err := unix.TimerfdSettime(p.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
			return nil, fmt.Errorf("timerfd: %w", err)
		}
		p.armed = deadline
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], -1)
	if err == unix.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	ready := p.events[:0]
	for _, e := range p.events[:n] {
		switch int(e.Fd) {
		case p.timer:
			// Readable until it is armed anew; do that even for the same time.
			p.armed = time.Time{}
		case p.wake:
			var count [8]byte
			_, _ = unix.Read(p.wake, count[:])
		default:
			ready = append(ready, e)
		}
	}
	return ready, nil
}

// interrupt ends a wait, from any goroutine.
func (p *poller) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(p.wake, one[:])
	}
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for _, fd := range []int{p.epoll, p.timer, p.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
