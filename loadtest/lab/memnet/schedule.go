package memnet

import (
	"net/netip"
	"time"
)

// event is something that happens at a set time: a datagram arrives, or a
// stream's function is called.
type event struct {
	at   time.Duration // since Network.base
	seq  uint64        // order among equals
	call func()        // streams; nil for a datagram
	on   *onward       // nil: at is the arrival
	data []byte        // datagram payload; the buffer is reused
	host *Host         // datagram's destination host
	src  netip.AddrPort
	dst  netip.AddrPort
}

// schedule is a binary heap of events and the one timer that waits for its
// head. Network.mu guards it.
type schedule struct {
	heap       []*event
	free       []*event
	seq        uint64
	timer      *time.Timer
	delivering bool // one goroutine is handing out what is due
}

// maxFreeEvents bounds the event buffers kept for reuse.
const maxFreeEvents = 1024

// take answers an empty event.
func (s *schedule) take() *event {
	if last := len(s.free) - 1; last >= 0 {
		e := s.free[last]
		s.free = s.free[:last]
		return e
	}
	return new(event)
}

// give returns an event whose work is done.
func (s *schedule) give(e *event) {
	if len(s.free) < maxFreeEvents {
		*e = event{data: e.data[:0]}
		s.free = append(s.free, e)
	}
}

// clear forgets all events and stops the timer.
func (s *schedule) clear() {
	s.heap = nil
	s.free = nil
	if s.timer != nil {
		s.timer.Stop()
	}
}

func before(a, b *event) bool {
	return a.at < b.at || (a.at == b.at && a.seq < b.seq)
}

func (s *schedule) push(e *event) {
	e.seq = s.seq
	s.seq++
	s.heap = append(s.heap, e)
	i := len(s.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !before(s.heap[i], s.heap[parent]) {
			break
		}
		s.heap[i], s.heap[parent] = s.heap[parent], s.heap[i]
		i = parent
	}
}

func (s *schedule) pop() *event {
	top := s.heap[0]
	last := len(s.heap) - 1
	s.heap[0] = s.heap[last]
	s.heap[last] = nil
	s.heap = s.heap[:last]
	for i := 0; ; {
		least := 2*i + 1
		if least >= last {
			break
		}
		if right := least + 1; right < last && before(s.heap[right], s.heap[least]) {
			least = right
		}
		if !before(s.heap[least], s.heap[i]) {
			break
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
	return top
}

// at puts e into the schedule for the time t. The caller holds mu and has seen
// that the network is open.
func (n *Network) at(t time.Time, e *event) {
	e.at = t.Sub(n.base)
	n.sched.push(e)
	if n.sched.heap[0] == e && !n.sched.delivering {
		n.arm()
	}
}

// arm sets the timer to the earliest event. The caller holds mu.
func (n *Network) arm() {
	wait := max(0, n.sched.heap[0].at-time.Since(n.base))
	if n.sched.timer == nil {
		n.sched.timer = time.AfterFunc(wait, n.fire)
		return
	}
	n.sched.timer.Reset(wait)
}

// fire delivers everything that is due and sets the timer anew. Only one
// goroutine delivers at a time, so arrivals keep their order.
func (n *Network) fire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sched.delivering || n.closed {
		return
	}
	n.sched.delivering = true
	for len(n.sched.heap) > 0 && n.sched.heap[0].at <= time.Since(n.base) {
		e := n.sched.pop()
		if e.on != nil {
			n.relay(e)
			continue
		}
		if e.call != nil {
			n.mu.Unlock()
			e.call()
			n.mu.Lock()
		} else {
			n.deliver(e)
		}
		n.sched.give(e)
	}
	n.sched.delivering = false
	n.idle.Broadcast()
	if len(n.sched.heap) > 0 {
		n.arm()
	}
}

// onward is what is left of a packet's way over a [Relay].
type onward struct {
	hop  Hop
	path *path
	// lost is called in place of the arrival's function when a hop loses a
	// segment, after a time; nil for a datagram.
	lost  func()
	retry time.Duration
}

// relay takes a packet over its next hop. The caller holds mu.
func (n *Network) relay(e *event) {
	now := n.base.Add(e.at)
	at, hop, ok := e.on.hop(now)
	switch {
	case hop != nil:
		e.on.hop = hop
	case ok:
		e.on = nil
	default:
		e.on.path.stats.Lost++
		n.stats.Lost++
		if e.on.lost == nil {
			n.sched.give(e)
			return
		}
		e.call, at = e.on.lost, now.Add(e.on.retry)
		e.on = nil
	}
	n.at(at, e)
}
