package emulate

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// beatEvery is how often the emulator wakes up whatever happens, to measure
	// how late it does, and to look after clients and changes of address.
	beatEvery = 10 * time.Millisecond

	// batch is how many packets are read from one descriptor before those that
	// are due are written again.
	batch = 32
)

// source is where packets come from.
type source interface {
	// read offers at most batch packets that are there to the carrier.
	read(c *carrier)
}

// house is what looks after a carrier's ends on each beat.
type house interface {
	// keep may add and remove sources and ways. change: the client's address
	// has to change now.
	keep(c *carrier, now time.Time, change bool)
	// clients is how many there are now.
	clients() int
	// queues is how long a packet offered now would wait at most, each way.
	queues(now time.Time) (up, down time.Duration)
}

// carrier moves packets through links in real time. Everything belongs to the
// goroutine of run, but stopping, rebind and the poller's interrupt.
type carrier struct {
	poller  *poller
	house   house
	sources map[int32]source
	ways    []*way
	pool    pool
	meters  [directions]*meter

	lateness, wake spread
	fifo           bool

	start   time.Time
	beat    time.Time // when the next is due
	second  time.Time // when the next report of progress is due
	moves   []time.Duration
	rebinds int
	report  chan Progress // nil: nobody asks

	stopping, rebind atomic.Bool
}

func newCarrier(links Links) (*carrier, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &carrier{
		poller: p, sources: map[int32]source{}, moves: links.moves(),
		meters:   [directions]*meter{newMeter(), newMeter()},
		lateness: newSpread(), wake: newSpread(),
	}, nil
}

// listen adds a descriptor.
func (c *carrier) listen(fd int, s source) error {
	if err := c.poller.add(fd); err != nil {
		return err
	}
	c.sources[int32(fd)] = s
	return nil
}

// forget removes a descriptor; the caller closes it.
func (c *carrier) forget(fd int) {
	c.poller.remove(fd)
	delete(c.sources, int32(fd))
}

// offer sends a packet into a way. size is its IP bytes.
func (c *carrier) offer(at time.Time, w *way, d Direction, packet []byte, size units.Size, ect bool, to sink) {
	m := c.meters[d]
	p := c.pool.get(len(packet))
	if p == nil {
		m.refused++
		return
	}
	fate := w.pipe.Push(at, link.Packet{Size: size, ECT: ect}, p)
	size += w.overhead
	m.offer(size, fate)
	if fate.Drop != link.None {
		c.pool.put(p)
		return
	}
	copy(p.data, packet)
	p.to, p.direction, p.ect, p.size, p.refs = to, d, ect, size, 1
	if !fate.Copy.IsZero() {
		p.refs = 2
	}
}

// deliver writes the packets of a way that have arrived, but not many more than
// a batch: others wait too.
func (c *carrier) deliver(w *way) {
	now := time.Now()
	for range 4 * batch {
		due := w.pipe.Next()
		d, ok := w.pipe.Pop(now)
		if !ok {
			return
		}
		p := d.Value
		m := c.meters[p.direction]
		if d.Marked {
			markCE(p.data)
		}
		if p.to.write(p.data) {
			m.deliver(due.Sub(c.start), p.size)
		} else {
			m.unsent++
		}
		now = time.Now()
		c.lateness.add(now.Sub(due))
		if p.refs--; p.refs == 0 {
			c.pool.put(p)
		}
	}
}

// discard gives the packets of a way that nobody wants any more back.
func (c *carrier) discard(w *way) {
	for {
		d, ok := w.pipe.Pop(w.pipe.Next())
		if !ok {
			return
		}
		if d.Value.refs--; d.Value.refs == 0 {
			c.pool.put(d.Value)
		}
	}
}

// next is when there is something to do.
func (c *carrier) next() time.Time {
	at := c.beat
	for _, w := range c.ways {
		if t := w.pipe.Next(); !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}

// run carries packets until ctx ends or for a duration (0: until ctx ends). The
// start of the plan is c.start. progress, which may be nil, is called each
// second on another goroutine.
func (c *carrier) run(ctx context.Context, duration time.Duration, progress func(Progress)) error {
	var others sync.WaitGroup
	defer others.Wait()
	if progress != nil {
		// One report may wait for a slow terminal; others are left out.
		c.report = make(chan Progress, 1)
		defer close(c.report)
		others.Go(func() {
			for p := range c.report {
				progress(p)
			}
		})
	}
	defer context.AfterFunc(ctx, func() {
		c.stopping.Store(true)
		c.poller.interrupt()
	})()
	// The thread is this goroutine's for good: it ends with it, priority and all.
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		c.fifo = goFirst()
		ended <- c.loop(duration)
	}()
	return <-ended
}

func (c *carrier) loop(duration time.Duration) error {
	now := time.Now()
	c.beat, c.second = now.Add(beatEvery), now.Add(time.Second)
	for !c.stopping.Load() {
		ready, err := c.poller.wait(c.next())
		if err != nil {
			return err
		}
		if now = time.Now(); !now.Before(c.beat) {
			c.onBeat(now)
			if duration > 0 && now.Sub(c.start) >= duration {
				return nil
			}
		}
		for _, w := range c.ways {
			c.deliver(w)
		}
		for _, e := range ready {
			// It may have been removed on the beat.
			if s := c.sources[e.Fd]; s != nil {
				s.read(c)
				for _, w := range c.ways {
					c.deliver(w)
				}
			}
		}
	}
	return nil
}

// onBeat does what is done each 10 ms. Beats that were missed altogether count
// once: they were late for one reason.
func (c *carrier) onBeat(now time.Time) {
	c.wake.add(now.Sub(c.beat))
	c.beat = c.beat.Add(max(1, now.Sub(c.beat)/beatEvery+1) * beatEvery)
	change := c.rebind.Swap(false)
	for len(c.moves) > 0 && now.Sub(c.start) >= c.moves[0] {
		c.moves, change = c.moves[1:], true
	}
	if change {
		c.rebinds++
	}
	c.house.keep(c, now, change)
	if !now.Before(c.second) {
		c.onSecond(now)
	}
}

func (c *carrier) onSecond(now time.Time) {
	over := now.Sub(c.second) + time.Second
	c.second = now.Add(time.Second)
	p := Progress{
		At: now.Sub(c.start), Late: max(c.lateness.at(99), c.wake.at(99)), Clients: c.house.clients(),
	}
	for d, recent := range [directions]*Recent{&p.Up, &p.Down} {
		m := c.meters[d]
		*recent = Recent{Rate: m.second.Over(over), Dropped: m.drops(), Kinds: m.kinds.report()}
		m.second = 0
	}
	if c.report == nil {
		return
	}
	p.Up.Queue, p.Down.Queue = c.house.queues(now)
	select {
	case c.report <- p:
	default:
	}
}

// summary answers the report of a run that has ended.
func (c *carrier) summary(mode string) Report {
	over := time.Since(c.start)
	up, down := c.meters[Up], c.meters[Down]
	r := Report{
		Mode: mode, Seconds: over.Seconds(), Up: up.report(over), Down: down.report(over),
		Lateness: c.lateness.report(), Wake: c.wake.report(), Scheduling: "normal", Rebinds: c.rebinds,
	}
	if c.fifo {
		r.Scheduling = "fifo"
	}
	r.judge(up, down)
	return r
}

// changeAddress asks, from any goroutine, for a change of address on the next beat.
func (c *carrier) changeAddress() { c.rebind.Store(true) }

// goFirst lets the calling thread go before ordinary programs, where the system
// allows that: an emulator does little, but that in time. Threads that it starts
// go back to ordinary.
func goFirst() bool {
	attr := unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO,
		Flags: unix.SCHED_FLAG_RESET_ON_FORK, Priority: 1,
	}
	return unix.SchedSetAttr(0, &attr, 0) == nil
}

// closeAll closes descriptors that are open.
func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
