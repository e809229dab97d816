package pacing

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// none ends a list of nodes.
const none = int32(-1)

// maxSize keeps sums of sizes far from overflow; no IP packet is larger.
const maxSize = units.Size(1 << 20)

// node is one place in the slab; lists link places, so that taking a frame
// out of the middle moves nothing and allocates nothing.
type node[T any] struct {
	item       Item[T]
	at         time.Time
	next, prev int32
}

// list is a queue of nodes in order of arrival.
type list struct {
	head, tail int32
	n          int
	size       units.Size
}

// flow is what must be remembered of one slot's video.
type flow struct {
	size      units.Size
	sending   bool // sendFrame was begun: its rest is worth more than others
	sendFrame uint32
	skipping  bool // the rest of skipFrame is refused
	skipFrame uint32
	keyed     bool // keyFrame is the newest key frame
	keyFrame  uint32
	newest    uint32 // frame of the last packet pushed
	dropped   bool
}

// reset forgets the frames of a flow; its size is kept by the lists.
func (f *flow) reset() { *f = flow{size: f.size} }

// Queue paces the packets of one path. It belongs to one goroutine.
type Queue[T any] struct {
	cfg    Config
	onDrop func(Item[T])
	rate   units.Rate
	// free is when all that left is paid for; never more than Burst before
	// the oldest packet that waits began to, or before now when none does.
	free time.Time
	// released is since when waiting is nobody's will: the last end of a hold
	// or of a rate of 0.
	released time.Time
	stopped  bool      // held, or without a rate, since the last settle
	filled   time.Time // since when padding is pushed whenever there is room
	lastCost time.Duration
	nodes    []node[T]
	spare    int32
	lists    [priorities]list
	keys     units.Size // of key frames among the video that waits
	flows    []flow
	scan     []flowScan
	drops    uint64
	held     bool
}

// New answers an empty queue. onDrop is called for every item that was pushed
// and will not be popped, so that its buffer can be released; it must not call
// the queue. It may be nil.
func New[T any](cfg Config, onDrop func(Item[T])) (*Queue[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Queue[T]{
		cfg:    cfg,
		onDrop: onDrop,
		rate:   cfg.Rate,
		spare:  none,
		flows:  make([]flow, cfg.Flows),
		scan:   make([]flowScan, cfg.Flows),

		stopped: cfg.Rate <= 0,
	}
	for i := range q.lists {
		q.lists[i] = list{head: none, tail: none}
	}
	return q, nil
}

// Push queues one packet. It answers false when the packet was dropped at
// once: its frame was dropped before, there is no room, or the item names no
// flow or priority of this queue. onDrop was then called, as it is for
// everything that is dropped, so the caller releases nothing itself.
func (q *Queue[T]) Push(now time.Time, it Item[T]) bool {
	if it.Priority >= priorities || it.Flow < 0 || it.Flow >= len(q.flows) || it.Size <= 0 || it.Size > maxSize {
		q.discard(it)
		return false
	}
	f := &q.flows[it.Flow]
	if it.Priority == Video {
		if f.skipping && f.skipFrame == it.Frame {
			q.discard(it)
			return false
		}
		f.skipping = false
		f.newest = it.Frame
		if it.Keyframe {
			f.keyed, f.keyFrame = true, it.Frame
		}
		it.Keyframe = f.keyed && f.keyFrame == it.Frame
	}
	if !q.makeRoom(it.Priority) {
		if it.Priority == Video {
			q.spoil(it.Flow, it.Frame)
		}
		q.discard(it)
		return false
	}
	q.append(now, it)
	switch it.Priority {
	case Video:
		q.trimVideo()
		return !(f.skipping && f.skipFrame == it.Frame)
	case Retransmission:
		q.trimRetransmissions()
	case Padding:
		// Padding that waits has missed its purpose.
		if l := &q.lists[Padding]; l.n > 1 && l.size > q.rate.In(q.cfg.MaxDelay) {
			q.drop(l.tail)
			return false
		}
	}
	return true
}

// Pop answers the next packet that may leave now and charges its size.
func (q *Queue[T]) Pop(now time.Time) (Item[T], bool) {
	q.settle(now)
	for p := range q.lists {
		i := q.lists[p].head
		if i == none {
			continue
		}
		n := &q.nodes[i]
		cost := n.item.Size.At(q.rate)
		if Priority(p) == Voice {
			q.owe(now, cost)
			return q.take(i), true
		}
		if q.held || q.rate <= 0 || q.free.Add(min(cost, q.cfg.Burst)).After(now) {
			break
		}
		q.free = q.free.Add(cost)
		q.lastCost = cost
		if Priority(p) == Video {
			f := &q.flows[n.item.Flow]
			f.sending, f.sendFrame = true, n.item.Frame
		}
		return q.take(i), true
	}
	var zero Item[T]
	return zero, false
}

// SetRate changes the pacing rate; 0 stops everything but voice. What is owed
// keeps its bytes, and video that would now wait too long is dropped.
func (q *Queue[T]) SetRate(now time.Time, r units.Rate) {
	if r < 0 {
		r = 0
	}
	if r == q.rate {
		return
	}
	q.settle(now)
	if owed := q.free.Sub(now); owed > 0 {
		if q.rate > 0 && r > 0 {
			f := float64(q.rate) / float64(r)
			scaled := min(float64(owed)*f, float64(time.Minute))
			q.free = now.Add(time.Duration(scaled))
			q.lastCost = time.Duration(min(float64(q.lastCost)*f, float64(time.Minute)))
		} else {
			q.free = now
		}
	}
	q.rate = r
	q.stopped = q.stopped || r <= 0
	q.trimVideo()
	q.trimRetransmissions()
}

// Hold keeps everything but voice back, or lets it go again: the window of the
// congestion controller is full. What waits too long meanwhile is dropped as ever.
func (q *Queue[T]) Hold(held bool) {
	q.held = held
	q.stopped = q.stopped || held
}

// Fill says whether padding will be pushed from now on whenever nothing else
// waits, as for a probe. It counts as waiting: a call that comes late costs a
// probe no rate.
func (q *Queue[T]) Fill(now time.Time, on bool) {
	switch {
	case !on:
		q.filled = time.Time{}
	case q.filled.IsZero():
		q.filled = now
	}
}

// Next is when Pop has something; it may be past. Zero means that nothing
// waits that time alone would release.
func (q *Queue[T]) Next() time.Time {
	if i := q.lists[Voice].head; i != none {
		return q.nodes[i].at
	}
	if q.held || q.rate <= 0 {
		return time.Time{}
	}
	for p := Retransmission; p < priorities; p++ {
		if i := q.lists[p].head; i != none {
			n := &q.nodes[i]
			t := q.free.Add(min(n.item.Size.At(q.rate), q.cfg.Burst))
			if t.Before(n.at) {
				return n.at
			}
			return t
		}
	}
	return time.Time{}
}

// Dropped answers whether frames of a flow were dropped since it was last
// asked: what depends on them needs a key frame.
func (q *Queue[T]) Dropped(flow int) bool {
	if flow < 0 || flow >= len(q.flows) {
		return false
	}
	d := q.flows[flow].dropped
	q.flows[flow].dropped = false
	return d
}

// Clear drops whatever waits of a flow: its slot shows something else now.
func (q *Queue[T]) Clear(flow int) {
	if flow < 0 || flow >= len(q.flows) {
		return
	}
	for p := range q.lists {
		for i := q.lists[p].head; i != none; {
			next := q.nodes[i].next
			if q.nodes[i].item.Flow == flow {
				q.drop(i)
			}
			i = next
		}
	}
	q.flows[flow].reset()
}

// Close drops everything.
func (q *Queue[T]) Close() {
	for f := range q.flows {
		q.Clear(f)
	}
}

// Len is how many packets wait.
func (q *Queue[T]) Len() int {
	n := 0
	for p := range q.lists {
		n += q.lists[p].n
	}
	return n
}

// Waiting is how many bytes of one priority wait.
func (q *Queue[T]) Waiting(p Priority) units.Size {
	if p >= priorities {
		return 0
	}
	return q.lists[p].size
}

// Backlog is how many bytes wait.
func (q *Queue[T]) Backlog() units.Size {
	var s units.Size
	for p := range q.lists {
		s += q.lists[p].size
	}
	return s
}

// Delay is how long what waits will take at the present rate.
func (q *Queue[T]) Delay() time.Duration { return q.Backlog().At(q.rate) }

// Rate is the present pacing rate.
func (q *Queue[T]) Rate() units.Rate { return q.rate }

// Drops counts the packets dropped so far.
func (q *Queue[T]) Drops() uint64 { return q.drops }

// settle forgets credit older than a burst, and debt larger than voice or one
// packet may cause (a clock that went back must not stop the path).
func (q *Queue[T]) settle(now time.Time) {
	if q.stopped {
		q.released = now
		q.stopped = q.held || q.rate <= 0
	}
	if earliest := q.idleUntil(now).Add(-q.cfg.Burst); q.free.Before(earliest) {
		q.free = earliest
	}
	if latest := now.Add(max(q.cfg.MaxDebt, q.lastCost)); q.free.After(latest) {
		q.free = latest
	}
}

// idleUntil is until when nothing could have left: now, or, where packets have
// waited that nobody asked for, when the oldest of them came. Padding counts
// only where Fill says so.
func (q *Queue[T]) idleUntil(now time.Time) time.Time {
	since := now
	for _, p := range [...]Priority{Retransmission, Video} {
		if i := q.lists[p].head; i != none && q.nodes[i].at.Before(since) {
			since = q.nodes[i].at
		}
	}
	if !q.filled.IsZero() && q.filled.Before(since) {
		since = q.filled
	}
	if since.Before(q.released) {
		since = q.released
	}
	if latest := now.Add(-q.cfg.MaxLate); since.Before(latest) {
		return latest
	}
	return since
}

// owe charges voice, which did not wait for its turn.
func (q *Queue[T]) owe(now time.Time, cost time.Duration) {
	free := q.free.Add(min(cost, q.cfg.MaxDebt))
	if latest := now.Add(q.cfg.MaxDebt); free.After(latest) {
		free = latest
	}
	if free.After(q.free) {
		q.free = free
	}
}
