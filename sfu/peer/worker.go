package peer

import (
	"container/heap"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/mailbox"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

const (
	// inboxSize bounds what waits for a worker: at 1 Mbit/s a track has about
	// 120 packets a second, so this is a third of a second of 200 tracks.
	inboxSize = 8192
	// batchSize is how many datagrams go out in one system call at the most.
	batchSize = 256
)

// item is one thing for a worker to do: forward a packet of a track, or do.
type item struct {
	track  *Track
	packet *packet.Packet
	do     func(now time.Time)
}

// worker is one egress worker: it owns the downlinks of its peers and is the
// only goroutine that writes their RTP and RTCP. One timer, set to the earliest
// thing that any of its downlinks waits for.
type worker struct {
	index  int
	inbox  *mailbox.Box[item]
	quit   chan struct{}
	batch  *icemux.Batch
	counts *counters

	// Owned by the worker's goroutine.
	due    dueHeap
	dirty  []*egress // those that may have something to send now
	wakeAt time.Time
}

func newWorker(index int, counts *counters) *worker {
	return &worker{
		index:  index,
		inbox:  mailbox.New[item](inboxSize),
		quit:   make(chan struct{}),
		batch:  icemux.NewBatch(batchSize),
		counts: counts,
	}
}

// post hands do to the worker's goroutine. False when the worker is gone.
func (w *worker) post(do func(now time.Time)) bool {
	return w.inbox.PutUrgent(item{do: do})
}

// tryPost is post for what may be lost when the worker is overloaded, such as
// a client's feedback.
func (w *worker) tryPost(do func(now time.Time)) bool {
	return w.inbox.Put(item{do: do})
}

// call runs do on the worker's goroutine and waits for its end.
func (w *worker) call(do func(now time.Time)) {
	done := make(chan struct{})
	if w.post(func(now time.Time) { defer close(done); do(now) }) {
		<-done
	}
}

// forward hands one packet of a track over. It takes a reference of its own.
func (w *worker) forward(t *Track, p *packet.Packet) {
	p.Retain()
	if !w.inbox.Put(item{track: t, packet: p}) {
		p.Release()
		w.counts.overload.Add(1)
	}
}

func (w *worker) stop() { close(w.quit) }

func (w *worker) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer w.drain()
	for {
		select {
		case <-w.inbox.Wake:
		case <-timer.C:
			w.wakeAt = time.Time{}
		case <-w.quit:
			return
		}
		now := time.Now()
		for _, it := range w.inbox.Take() {
			w.handle(now, it)
		}
		w.tickDue(now)
		w.flush(now)
		w.setTimer(now, timer)
	}
}

func (w *worker) handle(now time.Time, it item) {
	if it.do != nil {
		it.do(now)
		return
	}
	for _, s := range it.track.subscribers[w.index] {
		if !it.track.Video && !s.egress.peer.open() {
			s.egress.down.Hold(s.slot, it.packet)
			continue
		}
		if !it.track.Video {
			s.egress.begin(now)
		}
		s.egress.down.Forward(now, s.slot, it.packet)
		w.mark(s.egress)
	}
	it.packet.Release()
}

// mark notes that e may have something to send or a new due time.
func (w *worker) mark(e *egress) {
	if !e.dirty {
		e.dirty = true
		w.dirty = append(w.dirty, e)
	}
}

// tickDue lets everything act whose time has come, once; flush finds out when
// it wants to act again, after it has sent.
func (w *worker) tickDue(now time.Time) {
	for len(w.due) > 0 && !w.due[0].next.After(now) {
		e := w.due[0]
		e.tick(now)
		w.mark(e)
		e.next = now.Add(idleTick)
		heap.Fix(&w.due, 0)
	}
}

// flush sends what may leave now, in one batch.
func (w *worker) flush(now time.Time) {
	for _, e := range w.dirty {
		e.dirty = false
		if e.closed {
			continue
		}
		e.send(now)
		if e.index >= 0 {
			e.next = e.nextDue(now)
			heap.Fix(&w.due, e.index)
		}
	}
	clear(w.dirty)
	w.dirty = w.dirty[:0]
	w.batch.Flush()
}

// setTimer sets the one timer to the earliest due time.
func (w *worker) setTimer(now time.Time, timer *time.Timer) {
	if len(w.due) == 0 {
		return
	}
	next := w.due[0].next
	if !w.wakeAt.IsZero() && !next.Before(w.wakeAt) {
		return // it will ring in time
	}
	w.wakeAt = next
	timer.Reset(max(next.Sub(now), 0))
}

// attach makes e the worker's own.
func (w *worker) attach(now time.Time, e *egress) {
	e.next = e.nextDue(now)
	heap.Push(&w.due, e)
	w.mark(e)
}

// detach forgets e.
func (w *worker) detach(e *egress) {
	if e.index >= 0 {
		heap.Remove(&w.due, e.index)
	}
}

// drain gives back what nobody will handle any more, and runs what somebody
// waits for.
func (w *worker) drain() {
	w.inbox.Close()
	now := time.Now()
	for _, it := range w.inbox.Take() {
		if it.do != nil {
			it.do(now)
		} else {
			it.packet.Release()
		}
	}
	w.batch.Flush()
}

// dueHeap orders the egresses of a worker by the time they wait for.
type dueHeap []*egress

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].next.Before(h[j].next) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	e := x.(*egress)
	e.index = len(*h)
	*h = append(*h, e)
}
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
