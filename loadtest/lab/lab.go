// Package lab runs calls over emulated links in virtual time and judges them.
//
// It decides what happened when, measures it, and says which targets were met.
// In: a [Scenario], which is a plan (links, media, other traffic, checks), and
// a seed. Out: a [Result] and a [Series] to draw. This is the exact back end:
// an event queue that drives the pure cores (congestion control, pacing,
// feedback in its wire format) without a socket, a goroutine or a clock. The
// same scenario and seed give the same result bit for bit.
//
//	source ─> pacing ─> OnSent ─> link ─ link ─> recorder
//	   ^         ^                                   │ TWCC packets
//	   └ target ─┴─ bwe <──── decoder <─── link <────┘
//
// Every size is that of a whole IP packet. Several flows, TCP and other UDP
// may share the links, in both directions.
//
// Specifications: RFC 8867 (cases), RFC 8868 (metrics), RFC 5681, 6298, 6675,
// 8985, 9406, 9438 and 9937 (TCP), draft-cardwell-iccrg-bbr-congestion-control-00.
package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// epoch is when every run begins, an arbitrary instant.
var epoch = time.Unix(1_700_000_000, 0)

// never is later than the end of every run.
const never = time.Duration(1<<63 - 1)

// Class is what a packet is for.
type class uint8

const (
	voice class = iota
	video
	padding
	again // a retransmission
	feedbackReport
	request // for retransmissions
	tcpData
	tcpAck
	udpData
)

// packet is one packet under way.
type packet struct {
	class    class
	size     units.Size
	number   int64 // transport-wide sequence, or TCP segment
	sent     time.Duration
	made     time.Duration // media: when its frame was
	waited   time.Duration // in all queues so far
	data     []byte        // of a report
	rtp      uint16        // media: sequence number in its stream
	of       class         // retransmission: the original's,
	osn      uint16        // its number in its stream
	original int64         // and its transport-wide one
	ect      bool          // media: ECN-capable
	marked   bool          // and marked
	record   int           // its number in its route's log
	ack      int64         // TCP: next segment wanted
	blocks   []block       // TCP: what arrived beyond it
}

// actor is told of its events.
type actor interface {
	act(now time.Duration, e *event)
}

// kinds of events; what each means is the actor's.
type kind uint8

const (
	wake    kind = iota // of a sender
	arrival             // a packet at its end
	report              // a receiver's next report
	hop                 // a packet between two links
	ask                 // a receiver's next request for retransmissions
)

// event is one thing that happens.
type event struct {
	at    time.Duration
	n     uint64 // order of those at one instant
	to    actor
	kind  kind
	p     packet
	route *route
	leg   int
}

// world is the event queue.
type world struct {
	now    time.Duration
	n      uint64
	events []event
}

func (w *world) clock() time.Time { return epoch.Add(w.now) }

// at plans an event.
func (w *world) at(t time.Duration, to actor, k kind) {
	w.push(event{at: t, to: to, kind: k})
}

func (w *world) push(e event) {
	e.at = max(e.at, w.now)
	e.n = w.n
	w.n++
	w.events = append(w.events, e)
	for i := len(w.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !w.before(i, up) {
			return
		}
		w.events[i], w.events[up] = w.events[up], w.events[i]
		i = up
	}
}

func (w *world) before(i, j int) bool {
	a, b := &w.events[i], &w.events[j]
	if a.at != b.at {
		return a.at < b.at
	}
	return a.n < b.n
}

func (w *world) pop() event {
	e := w.events[0]
	last := len(w.events) - 1
	w.events[0] = w.events[last]
	w.events[last] = event{}
	w.events = w.events[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && w.before(down, least) {
				least = down
			}
		}
		if least == i {
			return e
		}
		w.events[i], w.events[least] = w.events[least], w.events[i]
		i = least
	}
}

// run lets things happen until a time.
func (w *world) run(until time.Duration) {
	for len(w.events) > 0 && w.events[0].at < until {
		e := w.pop()
		w.now = e.at
		e.to.act(w.now, &e)
	}
	w.now = until
}

// route is the way of packets from one end to another: links, then a delay of
// its own.
type route struct {
	world *world
	links []Carrier
	extra time.Duration
	to    actor
	// dropped is told of packets that do not arrive; may be nil.
	dropped func(p *packet, why link.Reason)
	// log, if not nil, is where packets are written down.
	log *[]PacketRecord
}

// Carrier is a link as its packets see it.
type Carrier interface {
	// Offer sends one packet and answers its fate; now does not go back.
	Offer(now time.Time, p link.Packet) link.Fate
}

// carriers are links as packets see them.
func carriers(links []*link.Link) []Carrier {
	all := make([]Carrier, len(links))
	for i, l := range links {
		all[i] = l
	}
	return all
}

// send puts a packet on its way.
func (r *route) send(p packet) { r.leg(0, p) }

// leg offers a packet to one link of the route.
func (r *route) leg(i int, p packet) {
	w := r.world
	at := w.now
	if i == 0 && r.log != nil {
		p.record = len(*r.log)
		*r.log = append(*r.log, PacketRecord{Sent: at, Size: p.size})
	}
	if i < len(r.links) {
		f := r.links[i].Offer(w.clock(), link.Packet{Size: p.size, ECT: p.ect})
		p.waited += f.Waited
		p.marked = p.marked || f.Marked
		if r.log != nil {
			own := &(*r.log)[p.record]
			own.Waited, own.Drop = p.waited, f.Drop
		}
		if f.Drop != link.None {
			if r.dropped != nil {
				r.dropped(&p, f.Drop)
			}
			return
		}
		at = f.Arrive.Sub(epoch)
		i++
	}
	if i < len(r.links) {
		w.push(event{at: at, to: r, kind: hop, p: p, leg: i})
		return
	}
	if r.log != nil {
		(*r.log)[p.record].Arrived = at + r.extra
	}
	w.push(event{at: at + r.extra, to: r.to, kind: arrival, p: p, route: r})
}

func (r *route) act(_ time.Duration, e *event) { r.leg(e.leg, e.p) }
