package voice

import (
	"cmp"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Conditions are what the ladder of a source for a subscriber depends on.
type Conditions struct {
	Shape
	// Loss is the share of packets that the path loses, 0 to 1; see Loss.
	Loss float64
	// Again is the chance that a packet is lost after one that was, 0 to 1; 0 =
	// not known.
	Again float64
	// Repair says that lost packets are asked for and come back in time.
	Repair bool
	// Redundant says that the subscriber understands RED.
	Redundant bool
	// Opaque says that payloads are encrypted end to end: they pass as they are.
	Opaque bool
}

// Step is one operating point: a mode, its wire rate, and how it sounds.
type Step struct {
	Mode Mode
	Rate units.Rate
	// Impairment is what the mode takes away, in points of the E-model: less
	// is better. Only differences between modes of one ladder mean anything.
	Impairment float64
}

const (
	// robustness is the loss, in percent, that costs half of what is left
	// (Bpl, ITU-T G.107 §7.3; Opus at 12 kbit/s: 22).
	robustness = 20.0
	// everything is what the impairment rises to as everything is lost.
	everything = 95.0
	// delayCost is what a millisecond of delay costs where there is little of
	// it yet (ITU-T G.107, Idd below 177 ms).
	delayCost = 0.024
	// From manyDelay on a millisecond costs longDelayCost more: people begin to
	// talk at the same time.
	manyDelay     = 150 * time.Millisecond
	longDelayCost = 0.11
	// gapCost is how much worse a loss of a long packet is than as much sound
	// lost in pieces: packets of this length count half as much again.
	gapCost = 240 * time.Millisecond
	// together is the share by which a packet is likelier lost when the one
	// before it was: losses come in bursts.
	together = 0.08
	// leastGain is the smallest gain for which more is spent.
	leastGain = 0.4
	// dearest bounds modes with redundancy: beyond it the sender's rate is
	// better lowered than every packet sent twice.
	dearest = 42 * units.Kbps
)

// packetTimes are those that merging can make, shortest first; 0 is the
// publisher's own.
var packetTimes = [...]time.Duration{0, 40 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond}

// MaxSteps bounds a ladder.
const MaxSteps = len(packetTimes) * (MaxRedundancy + 1)

// AppendLadder appends the modes worth having to dst[:0], each dearer than the
// one before and better. There is always one.
func AppendLadder(dst []Step, c Conditions) []Step {
	dst = dst[:0]
	for _, packet := range packetTimes {
		if packet > 0 && (c.Opaque || packet <= c.published() || packet%c.published() != 0) {
			continue
		}
		for redundancy := range MaxRedundancy + 1 {
			if redundancy > 0 && (!c.Redundant || c.Opaque || c.Loss <= 0) {
				break
			}
			m := Mode{packet, redundancy}
			rate := m.Rate(c.Shape)
			if redundancy > 0 && rate > dearest {
				break
			}
			dst = append(dst, Step{m, rate, c.impairment(m)})
		}
	}
	slices.SortFunc(dst, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Rate, b.Rate), cmp.Compare(a.Impairment, b.Impairment))
	})
	kept := dst[:1]
	for _, s := range dst[1:] {
		if last := kept[len(kept)-1]; s.Impairment > last.Impairment-leastGain {
			continue
		}
		if s.Rate == kept[len(kept)-1].Rate { // better for nothing
			kept[len(kept)-1] = s
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

// impairment is what a mode takes away under the conditions.
func (c *Conditions) impairment(m Mode) float64 {
	packet := c.packet(m)
	wait := packet - c.published()
	lost := c.residual(m)
	if m.Redundancy > 0 {
		// What is repaired comes so much later, and is waited for.
		wait += time.Duration(m.Redundancy) * packet
	}
	delay := delayCost * float64(wait) / float64(time.Millisecond)
	if wait > manyDelay {
		delay += longDelayCost * float64(wait-manyDelay) / float64(time.Millisecond)
	}
	lost = 100 * lost * (1 + float64(packet)/float64(gapCost))
	return everything*lost/(lost+robustness) + delay
}

// Heard answers what a mode makes of the conditions: the share of sound that is
// lost after every repair, how bursty that is (the mean length of a run against
// that of random loss, from 1), and how much later than as published what is
// repaired comes.
func (c Conditions) Heard(m Mode) (lost, burst float64, wait time.Duration) {
	packet := c.packet(m)
	lost, burst = c.residual(m), 1
	// What is sent again comes or not each for itself; what copies cannot repair
	// is runs longer than they reach, and these go on as any run does.
	if lost > 0 && (m.Redundancy > 0 || !c.Repair) {
		burst = max(1, (1-lost)/max(1-c.again(), 0.01))
	}
	return lost, burst, packet - c.published() + time.Duration(m.Redundancy)*packet
}

// again is the chance that a packet is lost after one that was.
func (c *Conditions) again() float64 {
	if c.Again > 0 {
		return min(c.Again, 1)
	}
	return min(1, min(max(c.Loss, 0), 1)+together)
}

// residual is the share of sound that is lost after every repair.
func (c *Conditions) residual(m Mode) float64 {
	lost, again := min(max(c.Loss, 0), 1), c.again()
	if c.Repair { // asked for once in time; the asking can be lost as well
		lost *= 1 - (1-lost)*(1-lost)
	}
	for range m.Redundancy {
		lost *= again
	}
	return lost
}

// richest is the payload rate beyond which nobody hears a difference.
const richest = 32 * units.Kbps

// roomPacket is the packet time that a room is reckoned with: the longest that
// costs nothing worth speaking of.
const roomPacket = 60 * time.Millisecond

// heavy is the loss from which on two copies are worth a lower rate.
const heavy = 0.12

// Room is the payload rate at which a source would fit well into a share of the
// path, copies included where there is loss; 0 = any. It does not depend on
// what the source sends now, so a source that follows it comes to rest.
func (c Conditions) Room(share units.Rate) units.Rate {
	lossy := c.Loss > 0 && c.Redundant && !c.Opaque
	shape := Shape{Payload: richest, Overhead: c.Overhead}
	if !lossy && (Mode{}).Rate(shape).Scale(1.25) <= share {
		return 0
	}
	m, packet := Mode{Packet: roomPacket}, max(roomPacket, c.published())
	if c.Opaque {
		m.Packet, packet = 0, c.published()
	}
	if lossy {
		m.Redundancy = 1
		if c.Loss >= heavy {
			m.Redundancy = 2
		}
		share = min(share, dearest)
	}
	shape = Shape{Published: packet, Overhead: c.Overhead}
	room := (share.Scale(0.9) - m.Rate(shape)) / units.Rate(1+m.Redundancy)
	return max(room, 1)
}
