// Package link is one direction of an emulated network link.
//
// It decides what becomes of each packet: how long it waits, whether and why it
// is dropped, whether it is marked, and when it arrives. In: packets with their
// sizes, in order of time, and a plan made in advance. Out: a [Fate] for each.
// The fate of a packet depends on those before it and the seed only, so it is
// known at once, and the same plan, seed and packets give the same fates to the
// nanosecond, on any back end.
//
//	            policer        queue          capacity     slot   loss    propagation
//	packet -> [ tokens? ] -> [ room? ] -> [ one by one ] -> | -> [ luck ] -> delay, jitter -> arrives
//	              |             |  CoDel         |                  |        (in order, but for
//	           Policed     Overflowed  Early   Cut (outage)        Lost       those held back)
//
// A packet that is lost by the link has used its capacity; one that is dropped
// before it has not. Sizes are bytes of whole IP packets.
//
// The capacity is a rate in steps, a trace, or single opportunities
// ([ReadTrace]). Specifications: RFC 8289 (CoDel), RFC 3168 (marks), RFC 8867
// and 8868 (what links congestion control is to be tried on).
//
// [Link] answers fates; [Pipe] also holds the packets until they arrive. Both
// are pure: no clock, no timer, no chance but the seed's.
package link

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Reason says why a packet did not arrive.
type Reason uint8

// Reasons.
const (
	None       Reason = iota
	Policed           // no tokens
	Overflowed        // no room in the queue
	Early             // CoDel
	Cut               // an outage that loses, or one without an end
	Lost              // the link's own loss
	Moved             // the path was replaced before it arrived
	Reasons           // how many there are
)

// String answers the reason in a word.
func (r Reason) String() string {
	switch r {
	case None:
		return "none"
	case Policed:
		return "policed"
	case Overflowed:
		return "overflowed"
	case Early:
		return "early"
	case Cut:
		return "cut"
	case Lost:
		return "lost"
	case Moved:
		return "moved"
	}
	return "unknown"
}

// Packet is what a link must know of a packet.
type Packet struct {
	Size units.Size // IP bytes, 1 to 65575; Config.Overhead comes on top
	ECT  bool       // ECN-capable (RFC 3168 §5)
}

// Fate is what becomes of a packet.
type Fate struct {
	Drop Reason // None: it arrives
	// Arrive is when; zero if it does not.
	Arrive time.Time
	// Copy is when its duplicate arrives; zero if there is none.
	Copy time.Time
	// Waited is the time in the queue, the packet's own serialisation and slot
	// excluded; 0 where it never came to wait.
	Waited time.Duration
	Marked bool // congestion experienced
}

// Count is a number of packets and their bytes, overhead included.
type Count struct {
	Packets uint64
	Bytes   units.Size
}

func (c *Count) add(size units.Size) {
	c.Packets++
	c.Bytes += size
}

// Stats accounts for every packet: Offered is Arriving plus all of Dropped.
type Stats struct {
	Offered  Count
	Arriving Count          // fate known, first copies only
	Copied   Count          // duplicates, on top
	Marked   Count          // of Arriving
	Dropped  [Reasons]Count // by Reason; None stays 0
}

// maxPacket is the largest IP packet, and bounds sizes from outside.
const maxPacket = 40 + 65535

// Link decides fates. It belongs to one goroutine.
type Link struct {
	config Config
	start  time.Time
	now    time.Duration // since start; does not go back
	server server
	queue  queue
	codel  codel
	tokens tokens
	luck   luck
	last   time.Duration // latest arrival that keeps the order
	moves  int           // how many are past
	offers uint64
	stats  Stats
}

// New answers an empty link that begins at start.
func New(start time.Time, config Config) (*Link, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config.Delays = slices.Clone(config.Delays)
	config.Outages = slices.Clone(config.Outages)
	config.Moves = slices.Clone(config.Moves)
	config.Loss.Packets = slices.Clone(config.Loss.Packets)
	l := &Link{config: config, start: start}
	l.server = server{capacity: config.Capacity, outages: config.Outages}
	l.tokens = tokens{policer: config.Policer, left: float64(config.Policer.Burst)}
	l.codel = codel{target: config.Queue.Target, interval: config.Queue.Interval}
	if l.codel.target == 0 {
		l.codel.target = CoDelTarget
	}
	if l.codel.interval == 0 {
		l.codel.interval = CoDelInterval
	}
	l.luck = newLuck(config)
	return l, nil
}

// Offer sends one packet and answers its fate. now must not go back; if it
// does, the latest time counts.
func (l *Link) Offer(now time.Time, p Packet) Fate {
	l.now = max(l.now, now.Sub(l.start), 0)
	l.move()
	size := max(1, min(p.Size, maxPacket)) + l.config.Overhead
	number := l.offers
	l.offers++
	l.stats.Offered.add(size)
	f, arrive := l.decide(size, p.ECT, number)
	if f.Drop == None && l.moves < len(l.config.Moves) && arrive >= l.config.Moves[l.moves] {
		f.Drop = Moved
	}
	if f.Drop != None {
		f.Marked = false
		l.stats.Dropped[f.Drop].add(size)
		return f
	}
	l.stats.Arriving.add(size)
	f.Arrive = l.start.Add(arrive)
	if l.luck.copies() {
		f.Copy = f.Arrive
		l.stats.Copied.add(size)
	}
	if f.Marked {
		l.stats.Marked.add(size)
	}
	return f
}

// decide takes a packet through the stages of the package comment.
func (l *Link) decide(size units.Size, ect bool, number uint64) (f Fate, arrive time.Duration) {
	lost := l.luck.loses(number)
	if !l.tokens.take(l.now, size) {
		return Fate{Drop: Policed}, 0
	}
	ahead := l.queue.backlog(l.now)
	if l.config.Capacity.Limited() && ahead > l.room() {
		return Fate{Drop: Overflowed}, 0
	}
	begin := max(l.now, l.queue.free)
	f.Waited = begin - l.now
	if q := &l.config.Queue; q.Mark > 0 && f.Waited > q.Mark {
		f.Marked = ect
	}
	if l.config.Queue.Discipline == CoDel && l.codel.drops(begin, f.Waited, ahead) {
		if !ect || !l.config.Queue.ECN {
			f.Drop = Early
			return f, 0
		}
		f.Marked = true
	}
	if l.cut(begin) {
		f.Drop = Cut
		return f, 0
	}
	done, ok := l.server.serve(begin, size)
	if !ok {
		f.Drop = Cut
		return f, 0
	}
	l.queue.add(begin, done, size)
	if lost {
		f.Drop = Lost
		return f, 0
	}
	return f, l.propagate(done)
}

// room is how many bytes may be waiting for another packet to be taken.
func (l *Link) room() units.Size {
	q := &l.config.Queue
	room := units.Size(1<<63 - 1)
	if q.Delay > 0 {
		room = l.config.Capacity.nominal(l.now).In(q.Delay)
	}
	if q.Size > 0 {
		room = min(room, q.Size)
	}
	return room
}

// cut says whether service would begin in an outage that loses packets.
func (l *Link) cut(begin time.Duration) bool {
	for _, o := range l.config.Outages {
		if o.Drop && begin >= o.At && begin < o.At+o.For {
			return true
		}
	}
	return false
}

// propagate answers when a packet that left at done arrives.
func (l *Link) propagate(done time.Duration) time.Duration {
	c := &l.config
	if c.Slot > 0 {
		done = (done + c.Slot - 1) / c.Slot * c.Slot
	}
	delay := c.Delay
	for _, d := range c.Delays {
		if d.At > done {
			break
		}
		delay = d.Delay
	}
	delay = max(0, delay+l.luck.jitter())
	if l.luck.holdsBack() {
		return done + delay + c.Reordering.By
	}
	l.last = max(l.last, done+delay)
	return l.last
}

// move begins a new path where the plan says so.
func (l *Link) move() {
	for l.moves < len(l.config.Moves) && l.now >= l.config.Moves[l.moves] {
		l.moves++
		l.queue = queue{spans: l.queue.spans[:0]}
		l.codel = codel{target: l.codel.target, interval: l.codel.interval}
		l.last = 0
	}
}

// Moves answers how often the path was replaced until now: a shell gives the
// far end a new address each time.
func (l *Link) Moves(now time.Time) int {
	n := 0
	for _, m := range l.config.Moves {
		if now.Sub(l.start) >= m {
			n++
		}
	}
	return n
}

// Send offers a packet of so many IP bytes that is not ECN-capable; a Link is
// a link of the memnet package by it. Duplicates are left out.
func (l *Link) Send(now time.Time, size int) (arrive time.Time, ok bool) {
	f := l.Offer(now, Packet{Size: units.Size(size)})
	return f.Arrive, f.Drop == None
}

// Carries is how much the link lets through between two times, outages taken
// out; 0 when it is not limited. A policer is a limit.
func (l *Link) Carries(from, to time.Time) units.Size {
	a, b := from.Sub(l.start), to.Sub(l.start)
	c := l.config.Capacity
	sum := func(a, b time.Duration) units.Size {
		s := c.Carries(a, b)
		if p := l.config.Policer.Rate; p > 0 && (!c.Limited() || p.In(b-a) < s) {
			s = p.In(b - a)
		}
		return s
	}
	total := sum(a, b)
	for _, o := range l.config.Outages {
		if at, end := max(a, o.At), min(b, o.At+o.For); at < end {
			total -= sum(at, end)
		}
	}
	return max(0, total)
}

// Backlog is how many bytes wait or are being served.
func (l *Link) Backlog(now time.Time) units.Size {
	return l.queue.backlog(max(l.now, now.Sub(l.start)))
}

// Wait is how long a packet offered now would wait.
func (l *Link) Wait(now time.Time) time.Duration {
	return max(0, l.queue.free-max(0, now.Sub(l.start)))
}

// Stats accounts for what was offered so far.
func (l *Link) Stats() Stats { return l.stats }

// generator answers a source of chance of its own for each purpose, so that
// one does not shift the others.
func generator(seed, purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, purpose)) }
