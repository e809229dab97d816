package pacing

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// flowScan is what one pass over the waiting video learns of a flow.
type flowScan struct {
	frames     int
	last       uint32
	hasOld     bool // old is the first frame of which nothing was sent
	old        uint32
	hasLeast   bool // least is the frame that is missed least
	least      uint32
	level      uint8 // of least
	superseded bool  // a key frame waits behind old
}

// trimVideo drops whole frames until the rest waits no longer than allowed.
func (q *Queue[T]) trimVideo() {
	l := &q.lists[Video]
	limit := q.rate.In(q.cfg.MaxDelay)
	hard := q.rate.In(q.cfg.MaxKeyframeDelay)
	for l.n > 0 && l.size > limit {
		f, frame, superseded, ok := q.victim(l.size > hard)
		if !ok || !superseded && l.size <= hard && q.mayWait(&q.scan[f], limit) {
			return
		}
		if !superseded {
			q.spoil(f, frame)
		}
		q.dropFrame(f, frame)
	}
}

// mayWait says whether the frame that is missed least of a flow is spared though
// more than limit waits, see Config.Followers.
func (q *Queue[T]) mayWait(s *flowScan, limit units.Size) bool {
	if q.cfg.Followers == 0 {
		return false
	}
	if s.level == 0 {
		limit = max(limit, q.cfg.Followers)
	}
	return q.lists[Video].size-q.keys <= limit
}

// victim chooses the frame that is missed least: one that a key frame behind
// it replaces; else, of the flow with most waiting, the newest of those that the
// fewest others refer to, for the frames before it still decode. A key frame, a
// flow's only frame and one already begun are spared unless must.
func (q *Queue[T]) victim(must bool) (flow int, frame uint32, superseded, ok bool) {
	q.scanVideo()
	old, least, any := -1, -1, -1
	for i := range q.scan {
		s := &q.scan[i]
		if s.frames == 0 {
			continue
		}
		if s.superseded && (old < 0 || q.flows[i].size > q.flows[old].size) {
			old = i
		}
		if s.frames > 1 && s.hasLeast && (least < 0 || q.flows[i].size > q.flows[least].size) {
			least = i
		}
		if any < 0 || q.flows[i].size > q.flows[any].size {
			any = i
		}
	}
	switch {
	case old >= 0:
		return old, q.scan[old].old, true, true
	case least >= 0:
		return least, q.scan[least].least, false, true
	case must && any >= 0:
		return any, q.scan[any].last, false, true
	}
	return 0, 0, false, false
}

// scanVideo fills q.scan in one pass over the waiting video.
func (q *Queue[T]) scanVideo() {
	clear(q.scan)
	for i := q.lists[Video].head; i != none; i = q.nodes[i].next {
		it := &q.nodes[i].item
		s, f := &q.scan[it.Flow], &q.flows[it.Flow]
		if s.frames == 0 || s.last != it.Frame {
			s.frames++
			s.last = it.Frame
			begun := f.sending && f.sendFrame == it.Frame
			if !begun && !s.hasOld {
				s.hasOld, s.old = true, it.Frame
			}
			switch {
			case it.Keyframe: // what was before it is of no use to what comes
				s.hasLeast = false
			case !begun && (!s.hasLeast || it.Level >= s.level):
				s.hasLeast, s.least, s.level = true, it.Frame, it.Level
			}
		}
		if it.Keyframe && s.hasOld && s.old != it.Frame {
			s.superseded = true
		}
	}
}

// spoil notes that a frame is incomplete from now on.
func (q *Queue[T]) spoil(flow int, frame uint32) {
	f := &q.flows[flow]
	f.dropped = true
	if f.newest == frame {
		f.skipping, f.skipFrame = true, frame
	}
}

func (q *Queue[T]) dropFrame(flow int, frame uint32) {
	for i := q.lists[Video].head; i != none; {
		next := q.nodes[i].next
		if it := &q.nodes[i].item; it.Flow == flow && it.Frame == frame {
			q.drop(i)
		}
		i = next
	}
}

// trimRetransmissions drops the oldest: their receiver has waited longest and
// will have concealed or asked again.
func (q *Queue[T]) trimRetransmissions() {
	l := &q.lists[Retransmission]
	limit := q.rate.In(q.cfg.MaxDelay)
	for l.n > 1 && l.size > limit {
		q.drop(l.head)
	}
}

// makeRoom keeps the number of packets bounded; it answers false when the new
// packet is the one to do without.
func (q *Queue[T]) makeRoom(p Priority) bool {
	if p == Voice {
		// Voice leaves at the next Pop; a heap of it means nobody pops.
		if l := &q.lists[Voice]; l.n >= max(1, q.cfg.MaxPackets/4) {
			q.drop(l.head)
		}
	}
	if q.Len() < q.cfg.MaxPackets {
		return true
	}
	if p == Padding {
		return false
	}
	if l := &q.lists[Padding]; l.n > 0 {
		q.drop(l.tail)
		return true
	}
	if p == Video {
		return false
	}
	if l := &q.lists[Video]; l.n > 0 {
		last := &q.nodes[l.tail].item
		f, frame := last.Flow, last.Frame
		q.spoil(f, frame)
		q.dropFrame(f, frame)
		return true
	}
	if p == Retransmission {
		return false
	}
	if l := &q.lists[Retransmission]; l.n > 0 {
		q.drop(l.head)
		return true
	}
	return q.Len() < q.cfg.MaxPackets
}

// append links one item at the end of its list.
func (q *Queue[T]) append(now time.Time, it Item[T]) {
	i := q.spare
	if i == none {
		q.nodes = append(q.nodes, node[T]{})
		i = int32(len(q.nodes) - 1)
	} else {
		q.spare = q.nodes[i].next
	}
	l := &q.lists[it.Priority]
	q.nodes[i] = node[T]{item: it, at: now, next: none, prev: l.tail}
	if l.tail == none {
		l.head = i
	} else {
		q.nodes[l.tail].next = i
	}
	l.tail = i
	l.n++
	l.size += it.Size
	if it.Priority == Video {
		q.flows[it.Flow].size += it.Size
		if it.Keyframe {
			q.keys += it.Size
		}
	}
}

// take unlinks one node and answers its item.
func (q *Queue[T]) take(i int32) Item[T] {
	n := &q.nodes[i]
	it := n.item
	l := &q.lists[it.Priority]
	if n.prev == none {
		l.head = n.next
	} else {
		q.nodes[n.prev].next = n.next
	}
	if n.next == none {
		l.tail = n.prev
	} else {
		q.nodes[n.next].prev = n.prev
	}
	l.n--
	l.size -= it.Size
	if it.Priority == Video {
		q.flows[it.Flow].size -= it.Size
		if it.Keyframe {
			q.keys -= it.Size
		}
	}
	*n = node[T]{next: q.spare, prev: none} // the value must not outlive its turn
	q.spare = i
	return it
}

func (q *Queue[T]) drop(i int32) { q.discard(q.take(i)) }

func (q *Queue[T]) discard(it Item[T]) {
	q.drops++
	if q.onDrop != nil {
		q.onDrop(it)
	}
}
