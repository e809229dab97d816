package link

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// CoDelTarget and CoDelInterval are RFC 8289 §4.2 and §4.3.
	CoDelTarget   = 5 * time.Millisecond
	CoDelInterval = 100 * time.Millisecond

	maxQueue  = units.Size(1 << 30)
	maxSpells = 10_000
)

// Discipline is how a queue is kept short.
type Discipline uint8

// Disciplines.
const (
	// TailDrop takes a packet while there is room.
	TailDrop Discipline = iota
	// CoDel drops from the head what has waited too long for too long
	// (RFC 8289), and what finds no room.
	CoDel
)

// Queue is the room before the bottleneck. One of Delay and Size must be set
// where the capacity is limited; with both, the smaller counts.
type Queue struct {
	// Delay is the room as time at the rate in force; in an outage at the one
	// before, at the mean where the trace has opportunities.
	Delay time.Duration
	// Size is the room in bytes.
	Size       units.Size
	Discipline Discipline
	// Target and Interval are CoDel's; 0 = the RFC's.
	Target, Interval time.Duration
	// ECN lets CoDel mark packets that are ECN-capable instead of dropping
	// them (RFC 8289 §5.5, RFC 3168).
	ECN bool
	// Mark marks ECN-capable packets that wait longer, in any discipline; 0 = none.
	Mark time.Duration
}

// Jitter is delay that varies and keeps the order: normal with a deviation,
// cut off at three (RFC 8868 §4.5 truncates alike), never less than nothing in
// sum with the delay.
type Jitter struct {
	Deviation time.Duration
}

// Reordering holds a share of packets back, so that others overtake them.
type Reordering struct {
	Share float64 // 0 to 1
	By    time.Duration
}

// Loss is what the link loses by itself, behind the bottleneck.
type Loss struct {
	// Random is the share lost independently, 0 to 1.
	Random float64
	// Bursts adds losses of a two-state model.
	Bursts GilbertElliott
	// Packets lists packets lost by their number, from 0, rising; every packet
	// that is offered counts.
	Packets []uint64
}

// GilbertElliott is a link with a good and a bad state. It may change state
// with each packet.
type GilbertElliott struct {
	Enter float64 // p: from good to bad
	Leave float64 // r: from bad to good
	Bad   float64 // loss in the bad state
	Good  float64 // loss in the good state
}

// Outage is a time in which nothing leaves the bottleneck. What waits there
// goes on waiting as far as the queue has room, unless Drop says that the link
// loses it.
type Outage struct {
	At, For time.Duration
	Drop    bool
}

// Policer is a token bucket before the queue: what finds no tokens is dropped.
type Policer struct {
	Rate units.Rate // 0 = no policer
	// Burst is the depth of the bucket. It begins full.
	Burst units.Size
}

// DelayStep changes the propagation delay. Packets do not overtake one another.
type DelayStep struct {
	At    time.Duration
	Delay time.Duration
}

// Config is one direction of a link. The zero value carries everything at
// once. Times of plans (steps, outages) count from when the link began.
type Config struct {
	Capacity Capacity
	// Slot is the grid on which packets leave a slotted radio; 0 = none. What
	// was served within a slot leaves together at its end.
	Slot       time.Duration
	Queue      Queue
	Policer    Policer
	Delay      time.Duration // propagation
	Delays     []DelayStep   // later propagation, rising in time
	Jitter     Jitter
	Reordering Reordering
	Loss       Loss
	Duplicate  float64 // share that arrives twice, 0 to 1
	Outages    []Outage
	// Moves are times at which the path is replaced, as in a change of address:
	// whatever has not arrived is lost and the queue begins empty.
	Moves []time.Duration
	// Overhead is added to each packet; see the Overhead constants.
	Overhead units.Size
	// Seed makes chance repeat.
	Seed uint64
}

// Overheads of one packet beyond a UDP payload.
const (
	OverheadIPv4 units.Size = 20 + 8
	OverheadIPv6 units.Size = 40 + 8
	// OverheadTURN is a ChannelData header (RFC 8656 §12.4), over UDP.
	OverheadTURN units.Size = 4
)

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if err := c.Queue.validate(c.Capacity.Limited()); err != nil {
		return fmt.Errorf("link: queue: %w", err)
	}
	if err := c.Loss.validate(); err != nil {
		return fmt.Errorf("link: loss: %w", err)
	}
	if err := c.plans(); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	switch {
	case c.Slot < 0 || c.Slot > 10*time.Second:
		return fmt.Errorf("link: slot %v is outside 0 to 10s", c.Slot)
	case c.Policer.Rate < 0 || c.Policer.Rate > maxRate:
		return fmt.Errorf("link: policer rate %v is outside 0 to %v", c.Policer.Rate, maxRate)
	case c.Policer.Rate > 0 && (c.Policer.Burst < 1500 || c.Policer.Burst > maxQueue):
		return fmt.Errorf("link: policer burst %v is outside one packet of 1500 bytes to %v", c.Policer.Burst, maxQueue)
	case c.Delay < 0 || c.Delay > time.Minute:
		return fmt.Errorf("link: delay %v is outside 0 to 1m", c.Delay)
	case c.Jitter.Deviation < 0 || c.Jitter.Deviation > 10*time.Second:
		return fmt.Errorf("link: jitter %v is outside 0 to 10s", c.Jitter.Deviation)
	case !share(c.Reordering.Share) || c.Reordering.By < 0 || c.Reordering.By > time.Minute:
		return fmt.Errorf("link: reordering of %v by %v is outside a share of 0 to 1 by 0 to 1m", c.Reordering.Share, c.Reordering.By)
	case !share(c.Duplicate):
		return fmt.Errorf("link: duplication %v is outside 0 to 1", c.Duplicate)
	case c.Overhead < 0 || c.Overhead > 1000:
		return fmt.Errorf("link: overhead %v is outside 0 to 1000 bytes", c.Overhead)
	}
	return nil
}

// plans validates what happens at set times.
func (c Config) plans() error {
	if len(c.Delays) > maxSpells || len(c.Outages) > maxSpells || len(c.Moves) > maxSpells {
		return fmt.Errorf("more than %d delays, outages or moves", maxSpells)
	}
	for i, d := range c.Delays {
		if d.At < 0 || d.At > maxTime || d.Delay < 0 || d.Delay > time.Minute || i > 0 && d.At <= c.Delays[i-1].At {
			return fmt.Errorf("delay %v at %v: times must rise, delays lie within 0 to 1m", d.Delay, d.At)
		}
	}
	for i, o := range c.Outages {
		if o.At < 0 || o.At > maxTime || o.For <= 0 || o.For > maxTime || i > 0 && o.At <= c.Outages[i-1].At+c.Outages[i-1].For {
			return fmt.Errorf("outage of %v at %v: outages must be apart and last", o.For, o.At)
		}
	}
	for i, m := range c.Moves {
		if m < 0 || m > maxTime || i > 0 && m <= c.Moves[i-1] {
			return fmt.Errorf("move at %v: times must rise", m)
		}
	}
	return nil
}

func (q Queue) validate(limited bool) error {
	switch {
	case q.Delay < 0 || q.Delay > 5*time.Minute:
		return fmt.Errorf("delay %v is outside 0 to 5m", q.Delay)
	case q.Size < 0 || q.Size > maxQueue:
		return fmt.Errorf("size %v is outside 0 to %v", q.Size, maxQueue)
	case limited && q.Delay == 0 && q.Size == 0:
		return errors.New("a limited link needs a queue, in milliseconds or bytes")
	case q.Discipline > CoDel:
		return fmt.Errorf("discipline %d is unknown", q.Discipline)
	case q.Target < 0 || q.Interval < 0 || q.Target > time.Minute || q.Interval > time.Minute:
		return fmt.Errorf("codel's %v and %v are outside 0 to 1m", q.Target, q.Interval)
	case q.Mark < 0 || q.Mark > time.Minute:
		return fmt.Errorf("marking from %v is outside 0 to 1m", q.Mark)
	}
	return nil
}

func (l Loss) validate() error {
	b := l.Bursts
	if !share(l.Random) || !share(b.Enter) || !share(b.Leave) || !share(b.Bad) || !share(b.Good) {
		return errors.New("chances must be within 0 to 1")
	}
	if b.Enter > 0 && b.Leave == 0 {
		return errors.New("a bad state that is never left")
	}
	for i, n := range l.Packets {
		if i > 0 && n <= l.Packets[i-1] {
			return fmt.Errorf("packet %d: numbers must rise", n)
		}
	}
	return nil
}

// share says whether f is a chance; NaN is none.
func share(f float64) bool { return f >= 0 && f <= 1 }
