package turn

import (
	"sync"
	"time"
)

const (
	// maxQueueAge is how long media may wait for a TCP connection. What is
	// older only delays what is newer: a call is better with a gap.
	maxQueueAge = 200 * time.Millisecond
	// maxQueueBytes bounds the memory of one connection that does not read:
	// 200 ms at 10 Mbit/s.
	maxQueueBytes = 256 << 10
	// maxQueueFrames bounds it for small frames too.
	maxQueueFrames = 2048
)

// frameBuffers are shared by all queues, so that a burst on one connection does
// not leave it holding memory.
var frameBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, maxFrame+64) // a Data indication around a full packet
	return &b
}}

// frame is one whole TURN message that waits to be written.
type frame struct {
	data  *[]byte
	at    time.Time
	media bool // may be dropped: ChannelData or a Data indication
}

// queue holds the frames that wait for one TCP connection, in order, each whole
// or not at all. It is pure: its owner tells the time and holds the lock.
type queue struct {
	ring  []frame
	head  int
	count int
	bytes int
}

// push copies data to the end. It answers false if there is no room.
func (q *queue) push(now time.Time, data []byte) bool {
	if q.bytes+len(data) > maxQueueBytes || q.count == maxQueueFrames {
		return false
	}
	if q.count == len(q.ring) {
		q.grow()
	}
	f := &q.ring[(q.head+q.count)%len(q.ring)]
	f.data = frameBuffers.Get().(*[]byte)
	*f.data = append((*f.data)[:0], data...)
	f.at, f.media = now, isMedia(data)
	q.count++
	q.bytes += len(data)
	return true
}

// take appends to buf the next frames, as many as fit into limit bytes and at
// least one if any is left. It drops media that waited too long, and answers how
// many frames it dropped.
func (q *queue) take(now time.Time, buf []byte, limit int) (_ []byte, dropped int) {
	for q.count > 0 {
		f := &q.ring[q.head]
		stale := f.media && now.Sub(f.at) > maxQueueAge
		if !stale && len(buf) > 0 && len(buf)+len(*f.data) > limit {
			break
		}
		if stale {
			dropped++
		} else {
			buf = append(buf, *f.data...)
		}
		q.bytes -= len(*f.data)
		frameBuffers.Put(f.data)
		f.data = nil
		q.head = (q.head + 1) % len(q.ring)
		q.count--
	}
	return buf, dropped
}

// grow doubles the ring, oldest frame first.
func (q *queue) grow() {
	ring := make([]frame, max(8, 2*len(q.ring)))
	for i := range q.count {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}

// isMedia says whether a frame to a client carries a peer's packet.
func isMedia(b []byte) bool {
	switch kindOf(b) {
	case kindChannelData:
		return true
	case kindSTUN:
		return stunType(b) == typeData
	}
	return false
}
