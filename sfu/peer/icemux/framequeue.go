package icemux

import (
	"encoding/binary"
	"time"
)

// class says what may be done with a packet that waits too long.
type class uint8

const (
	control class = iota // STUN, DTLS: never dropped for age
	rtcp                 // dropped alone
	voice                // dropped as a frame, after video
	video                // dropped as a frame, first
)

const (
	// doomMemory is how long a dropped frame is remembered, so that what is
	// still to come of it is dropped too: longer than a frame takes to be sent.
	doomMemory = time.Second
	// doomedFrames bounds what is remembered.
	doomedFrames = 16
)

// frame names an RTP frame: all its packets have one SSRC and one timestamp
// (RFC 3550 §5.1), which SRTP leaves in the clear.
type frame struct{ ssrc, timestamp uint32 }

// queued is one packet in a frameQueue.
type queued struct {
	buf   *buffer
	n     int
	at    time.Time
	class class
	frame frame // of voice and video
}

// frameQueue holds what waits to be written to one TCP stream. It is bounded in
// time and in bytes, and what it drops is whole RTP frames: a frame of which a
// packet is missing cannot be decoded, and the rest of it would only delay what
// comes behind. When there is too much, video goes before voice.
//
// Time comes from the caller; it has no lock.
type frameQueue struct {
	pool     *bufferPool
	maxAge   time.Duration
	maxBytes int
	// isVoice tells voice by RTP payload type; nil: all RTP is video.
	isVoice func(payloadType uint8) bool

	items []queued
	first int // items[:first] are gone
	bytes int
	// doomed is a ring of the frames dropped last.
	doomed     [doomedFrames]doomedFrame
	nextDoomed int
	drops      uint64
}

type doomedFrame struct {
	frame frame
	until time.Time
}

// classify reads the RTP header as far as it is needed.
func (q *frameQueue) classify(p []byte) (class, frame) {
	switch {
	case !isMedia(p):
		return control, frame{}
	case isRTCP(p) || len(p) < 12:
		return rtcp, frame{}
	}
	f := frame{binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint32(p[4:])}
	if q.isVoice != nil && q.isVoice(p[1]&0x7f) {
		return voice, f
	}
	return video, f
}

// push copies p to the end; false says that it was dropped instead.
func (q *frameQueue) push(now time.Time, p []byte) bool {
	if len(p) > bufferSize {
		q.drops++
		return false
	}
	class, f := q.classify(p)
	q.expire(now)
	if class >= voice && q.isDoomed(now, f) {
		q.drops++
		return false
	}
	if !q.makeRoom(now, len(p), class, f) {
		q.drops++
		if class >= voice {
			q.doom(now, f)
		}
		return false
	}
	b := q.pool.take()
	n := copy(b.data, p)
	if q.first > 0 && len(q.items) == cap(q.items) {
		q.compact(func(*queued) bool { return true })
	}
	q.items = append(q.items, queued{b, n, now, class, f})
	q.bytes += n
	return true
}

// pop takes the packet at the front; the caller gives its buffer back.
func (q *frameQueue) pop(now time.Time) (queued, bool) {
	q.expire(now)
	if q.len() == 0 {
		return queued{}, false
	}
	item := q.items[q.first]
	q.items[q.first] = queued{}
	q.first++
	q.bytes -= item.n
	if q.first == len(q.items) {
		q.items, q.first = q.items[:0], 0
	}
	return item, true
}

// front is the size of the packet that pop would give next, if nothing grows
// old meanwhile.
func (q *frameQueue) front() (n int, ok bool) {
	if q.len() == 0 {
		return 0, false
	}
	return q.items[q.first].n, true
}

func (q *frameQueue) len() int { return len(q.items) - q.first }

// expire drops what waited longer than maxAge, with all of its frame.
func (q *frameQueue) expire(now time.Time) {
	if !q.stale(now) {
		return
	}
	for i := q.first; i < len(q.items); i++ {
		item := &q.items[i]
		if now.Sub(item.at) <= q.maxAge {
			break // those behind are younger
		}
		if item.class >= voice {
			q.doom(now, item.frame)
		}
	}
	q.compact(func(item *queued) bool {
		switch item.class {
		case control:
			return true
		case rtcp:
			return now.Sub(item.at) <= q.maxAge
		default:
			return now.Sub(item.at) <= q.maxAge && !q.isDoomed(now, item.frame)
		}
	})
}

// stale says whether the oldest packet that may be dropped is too old.
func (q *frameQueue) stale(now time.Time) bool {
	for i := q.first; i < len(q.items); i++ {
		if q.items[i].class != control {
			return now.Sub(q.items[i].at) > q.maxAge
		}
	}
	return false
}

// makeRoom drops until n bytes fit, the oldest video frame first. For video
// nothing else is dropped; for the rest, RTCP and voice are, oldest first.
func (q *frameQueue) makeRoom(now time.Time, n int, class class, f frame) bool {
	for q.bytes+n > q.maxBytes {
		victim, ok := q.oldest(video)
		if !ok && class != video {
			victim, ok = q.oldest(rtcp)
		}
		if !ok {
			return false
		}
		q.dropFrame(now, victim)
		if class >= voice && victim.class >= voice && victim.frame == f {
			return false // its own frame went
		}
	}
	return true
}

// oldest finds the first packet of a class or a higher one.
func (q *frameQueue) oldest(least class) (queued, bool) {
	for i := q.first; i < len(q.items); i++ {
		if q.items[i].class >= least {
			return q.items[i], true
		}
	}
	return queued{}, false
}

// dropFrame removes a packet, and with RTP the rest of its frame.
func (q *frameQueue) dropFrame(now time.Time, victim queued) {
	if victim.class >= voice {
		q.doom(now, victim.frame)
		q.compact(func(item *queued) bool { return item.class < voice || item.frame != victim.frame })
		return
	}
	q.compact(func(item *queued) bool { return item.buf != victim.buf })
}

// compact keeps what keep says, in order, and counts the rest as dropped.
func (q *frameQueue) compact(keep func(*queued) bool) {
	kept := q.items[:0]
	for i := q.first; i < len(q.items); i++ {
		item := &q.items[i]
		if keep(item) {
			kept = append(kept, *item)
			continue
		}
		q.bytes -= item.n
		q.drops++
		q.pool.give(item.buf)
	}
	clear(q.items[len(kept):])
	q.items, q.first = kept, 0
}

func (q *frameQueue) doom(now time.Time, f frame) {
	if q.isDoomed(now, f) {
		return
	}
	q.doomed[q.nextDoomed] = doomedFrame{f, now.Add(doomMemory)}
	q.nextDoomed = (q.nextDoomed + 1) % doomedFrames
}

func (q *frameQueue) isDoomed(now time.Time, f frame) bool {
	for i := range q.doomed {
		if q.doomed[i].frame == f && now.Before(q.doomed[i].until) {
			return true
		}
	}
	return false
}

// clear returns all buffers.
func (q *frameQueue) clear() {
	for i := q.first; i < len(q.items); i++ {
		q.pool.give(q.items[i].buf)
	}
	q.items, q.first, q.bytes = nil, 0, 0
}
