package uplink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// window remembers the last sequence numbers that were received, and their
// packets, in a ring indexed by the unwrapped number.
type window struct {
	slots []slot
	tail  int64 // no slot below holds a packet
	held  int   // how many packets are held
}

// slot is one received sequence number. Unwrapped numbers are above zero, so a
// zero slot matches none.
type slot struct {
	extended  int64
	packet    *packet.Packet // nil: padding, malformed or expired
	recovered bool           // by retransmission, the original has not come
}

func newWindow(size int) window { return window{slots: make([]slot, size)} }

func (w *window) index(extended int64) *slot {
	return &w.slots[extended&int64(len(w.slots)-1)]
}

// at answers the slot of a received number, nil if it was not received.
func (w *window) at(extended int64) *slot {
	if s := w.index(extended); s.extended == extended {
		return s
	}
	return nil
}

// take marks a number as received and answers its slot, to be filled at once.
func (w *window) take(extended int64) *slot {
	s := w.index(extended)
	w.drop(s)
	s.extended = extended
	w.tail = min(w.tail, extended)
	return s
}

// hold keeps a reference of the window's own to p in slot s.
func (w *window) hold(s *slot, p *packet.Packet) {
	s.packet = p.Retain()
	w.held++
}

// advance makes room for the numbers above before, up to extended.
func (w *window) advance(before, extended int64) {
	lowest := extended - int64(len(w.slots)) + 1
	for e := max(before+1, lowest); e <= extended; e++ {
		w.drop(w.index(e))
	}
	w.tail = max(w.tail, lowest)
}

// expire releases the packets that arrived before limit, oldest first.
func (w *window) expire(highest int64, limit time.Time) {
	w.tail = max(w.tail, highest-int64(len(w.slots))+1)
	for ; w.held > 0 && w.tail <= highest; w.tail++ {
		s := w.at(w.tail)
		if s == nil || s.packet == nil {
			continue
		}
		if !s.packet.Arrival.Before(limit) {
			return
		}
		s.packet.Release()
		s.packet = nil
		w.held--
	}
}

// clear forgets everything.
func (w *window) clear() {
	for i := range w.slots {
		w.drop(&w.slots[i])
	}
	w.tail = 0
}

func (w *window) drop(s *slot) {
	if s.packet != nil {
		s.packet.Release()
		w.held--
	}
	*s = slot{}
}
