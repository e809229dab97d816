package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// How many packets a slot remembers: half a second of 1 Mbit/s video and more
// of anything thinner, two seconds of 20 ms audio.
const (
	videoHistory = 512
	audioHistory = 128
)

// entryState tells what a sequence number stands for.
type entryState uint8

const (
	absent entryState = iota
	held              // a packet that was sent
	void              // a packet that was given up after it had its number
	ours              // a repair packet: it is never sent again
)

// entry is one sequence number that has been spent.
type entry struct {
	packet *packet.Packet // nil when void or ours
	output stamped
	at     time.Duration // when it was sent, since the downlink's epoch
	resent time.Duration // when it was last sent again
	source uint16
	times  uint8 // how often it was sent again
	state  entryState
}

// history is what a slot has sent, by outgoing sequence number. It owns one
// reference to each packet it holds.
type history struct {
	entries        []entry // power of two; made by the first store
	size           int
	oldest, newest uint16
	any            bool
}

// store remembers what a sequence number stands for and takes over the
// caller's reference to e.packet.
func (h *history) store(e entry) {
	if h.entries == nil {
		h.entries = make([]entry, h.size)
	}
	n := uint16(len(h.entries))
	sequence := e.output.Sequence
	switch ahead := int16(sequence - h.newest); {
	case !h.any:
		h.any, h.oldest, h.newest = true, sequence, sequence
	case ahead > 0:
		// What the window moves past is forgotten.
		for h.oldest != h.newest+1 && sequence-h.oldest >= n {
			h.forget(h.oldest)
			h.oldest++
		}
		if h.oldest == h.newest+1 {
			h.oldest = sequence
		}
		h.newest = sequence
	case h.newest-sequence >= n: // too late to be asked for
		if e.packet != nil {
			e.packet.Release()
		}
		return
	case int16(h.oldest-sequence) > 0:
		h.oldest = sequence
	}
	h.forget(sequence)
	h.entries[sequence&(n-1)] = e
}

// find answers what a sequence number stands for, nil when it is not known.
func (h *history) find(sequence uint16) *entry {
	if !h.any || h.newest-sequence >= uint16(len(h.entries)) {
		return nil
	}
	e := &h.entries[sequence&uint16(len(h.entries)-1)]
	if e.state == absent || e.output.Sequence != sequence {
		return nil
	}
	return e
}

// expire forgets what was sent before a time since the epoch.
func (h *history) expire(before time.Duration) {
	for h.any {
		e := &h.entries[h.oldest&uint16(len(h.entries)-1)]
		if e.state != absent && e.at >= before {
			return
		}
		h.forget(h.oldest)
		if h.oldest == h.newest {
			h.any = false
			return
		}
		h.oldest++
	}
}

// clear forgets everything.
func (h *history) clear() { h.expire(1<<63 - 1) }

// len is how many packets are held.
func (h *history) len() int {
	n := 0
	for i := range h.entries {
		if h.entries[i].state == held {
			n++
		}
	}
	return n
}

func (h *history) forget(sequence uint16) {
	e := &h.entries[sequence&uint16(len(h.entries)-1)]
	if e.packet != nil {
		e.packet.Release()
	}
	*e = entry{}
}
