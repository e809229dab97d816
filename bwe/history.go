package bwe

import "github.com/rivulet-rtc/rivulet/bwe/units"

const (
	// minHistory and maxHistory bound the packets remembered. The ring begins
	// small (a call of voice needs no more) and doubles while packets that
	// may still be reported would be overwritten.
	minHistory = 256
	maxHistory = 8192
	// forget is when a packet without a report is given up, in nanoseconds.
	forget = 10e9
)

// fate is what became of a sent packet.
type fate uint8

const (
	inFlight fate = iota
	received
	lost
)

// sent is one packet in the history.
type sent struct {
	sequence int64
	at       int64 // nanoseconds on the controller's clock
	through  int64 // bytes sent up to and with this packet
	size     int32
	probe    uint16
	fate     fate
	padding  bool
}

// history remembers what was sent until it is reported or overwritten.
type history struct {
	ring    []sent
	newest  int64      // highest sequence sent, -1 before the first
	settled int64      // highest sequence reported on, -1 before the first
	through int64      // bytes sent
	done    int64      // bytes sent up to and with the packet settled
	oldest  int64      // at: of the first packet sent after settled; 0 when none
	largest units.Size // largest packet so far
	barrier int64      // nothing up to it is known any more
	lapsed  int64      // highest sequence given up for want of feedback
	gone    int64      // bytes sent up to and with that
}

func newHistory() history {
	return history{ring: make([]sent, minHistory), newest: -1, settled: -1, barrier: -1, lapsed: -1}
}

// add remembers one packet; false when its sequence does not rise.
func (h *history) add(now int64, p SentPacket) bool {
	if p.Sequence <= h.newest || p.Size <= 0 || p.Size > 1<<16 {
		return false
	}
	for len(h.ring) < maxHistory {
		o := h.slot(p.Sequence)
		if o.size == 0 || o.sequence <= h.settled || now-o.at > forget {
			break
		}
		h.grow()
	}
	h.newest = p.Sequence
	h.through += int64(p.Size)
	if h.oldest == 0 {
		h.oldest = now
	}
	*h.slot(p.Sequence) = sent{
		sequence: p.Sequence,
		at:       now,
		through:  h.through,
		size:     int32(p.Size),
		probe:    p.Probe,
		padding:  p.Kind == Padding,
	}
	if p.Size > h.largest {
		h.largest = p.Size
	}
	return true
}

// find answers the packet of a sequence, or nil when it is not known.
func (h *history) find(sequence int64) *sent {
	if sequence <= h.barrier || sequence > h.newest {
		return nil
	}
	if p := h.slot(sequence); p.size > 0 && p.sequence == sequence {
		return p
	}
	return nil
}

// settle notes that reports have come as far as p.
func (h *history) settle(p *sent) {
	if p.sequence <= h.settled {
		return
	}
	h.settled = p.sequence
	h.done = p.through
	h.oldest = 0
	if h.settled < h.newest {
		if next := h.find(h.settled + 1); next != nil {
			h.oldest = next.at
		} else {
			h.oldest = p.at // the sequence jumped; close enough
		}
	}
}

// abandon forgets everything sent so far: reports of it are of another path.
func (h *history) abandon() {
	h.barrier = h.newest
	h.settled, h.done, h.oldest = h.newest, h.through, 0
	h.lapsed, h.gone = h.newest, h.through
}

// flying is how many bytes were sent after the last packet reported on, and
// not given up since.
func (h *history) flying() int64 { return h.through - max(h.done, h.gone) }

// lapse gives up the packets sent up to a time, and answers when the first of
// those left was sent; 0 when none is.
func (h *history) lapse(upTo int64) int64 {
	if h.lapsed < h.settled {
		h.lapsed, h.gone = h.settled, h.done
	}
	// Nothing older than the ring is known.
	h.lapsed = max(h.lapsed, h.newest-int64(len(h.ring)))
	for h.lapsed < h.newest {
		if p := h.find(h.lapsed + 1); p != nil {
			if p.at > upTo {
				return p.at
			}
			h.gone = p.through
		}
		h.lapsed++
	}
	return 0
}

// recall counts what was given up but not reported as in flight again.
func (h *history) recall() { h.lapsed, h.gone = h.settled, h.done }

func (h *history) slot(sequence int64) *sent {
	return &h.ring[sequence&int64(len(h.ring)-1)]
}

func (h *history) grow() {
	old := h.ring
	h.ring = make([]sent, 2*len(old))
	for i := range old {
		if old[i].size > 0 {
			*h.slot(old[i].sequence) = old[i]
		}
	}
}
