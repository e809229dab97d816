// Package jitter is an adaptive jitter buffer for one stream of Opus: it takes
// packets as the network brings them, and says at every moment what to play.
//
// Input is packets with their arrival times, in any order, with gaps, doubles
// and redundant copies (Push), and the moments at which the player has room
// (Pop). Output is one Frame at a time: a packet to decode, a gap to conceal, a
// gap to repair from the LBRR of the packet after it, or silence.
//
//	network -> red.Window -> Push -> [by timestamp] -> Pop -> decoder -> player
//	                          |                         ^
//	                          +-> delays -> target -----+
//
// How long packets wait is decided by what would have been in time: each
// packet's delay beyond the fastest of the last 10 to 20 s goes into a histogram
// that forgets, and the target is the delay that Quantile of them would have
// met. Copies recovered from RED count with their own, later arrival: so the
// buffer waits for redundancy where losses are frequent, and only there. The
// delay reaches its target in pauses of speech for nothing; in speech it asks
// the player to go a little faster or slower (Tempo).
//
// A gap in timestamps without one in sequence numbers is silence that the sender
// did not send (DTX), and no loss; so is one after a silent packet, and nothing after a packet at whose end
// nobody speaks (its voice activity bits) is silence until the next tells. Of a gap
// with lost packets as much is concealed as these packets lasted. The clocks of
// the sender and of the player need not agree: the fastest packet is sought anew
// all the time, and Stats tells the skew.
//
// The package is pure: times are told. It allocates only while its buffers grow
// to the size of the packets. Timestamps of the packets played never go back, and
// no packet is played twice, whatever is pushed.
package jitter

import (
	"errors"
	"time"

	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

// Config tunes a buffer. Delays are those that the buffer adds to the fastest
// packet's.
type Config struct {
	InitialDelay time.Duration // before anything is known
	MinDelay     time.Duration // at least 0
	MaxDelay     time.Duration // at most a second
	Quantile     float64       // of the packets shall be in time, 0.5 to 0.999
	Memory       time.Duration // after which a delay counts for 37 %, 1 s to 1 min
}

// DefaultConfig is for conversation: half a second of delay is worse than some
// concealment. One packet in a hundred may be late: with three, what copies and
// retransmissions repair on a lossy path came too late as often as it helped.
func DefaultConfig() Config {
	return Config{
		InitialDelay: 60 * time.Millisecond,
		MinDelay:     20 * time.Millisecond,
		MaxDelay:     500 * time.Millisecond,
		Quantile:     0.99,
		Memory:       5 * time.Second,
	}
}

// Validate says what is out of range.
func (c Config) Validate() error {
	switch {
	case c.MinDelay < 0 || c.MaxDelay < c.MinDelay || c.MaxDelay > time.Second:
		return errors.New("jitter: delays must be 0 <= MinDelay <= MaxDelay <= 1s")
	case c.InitialDelay < c.MinDelay || c.InitialDelay > c.MaxDelay:
		return errors.New("jitter: InitialDelay must be between MinDelay and MaxDelay")
	case !(c.Quantile >= 0.5 && c.Quantile <= 0.999):
		return errors.New("jitter: Quantile must be between 0.5 and 0.999")
	case c.Memory < time.Second || c.Memory > time.Minute:
		return errors.New("jitter: Memory must be between 1s and 1m")
	}
	return nil
}

// Packet is what arrived.
type Packet struct {
	Sequence  uint16
	Timestamp uint32 // 48 kHz
	Payload   []byte // copied; empty for padding
	// Redundant is a copy recovered from a later packet. Its sequence number is
	// not looked at. Push only those of which red.Window says that they are
	// new: others would count as late.
	Redundant bool
}

// Verdict is what Push did with a packet.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota
	Duplicate         // was there before
	Late              // its time has passed, or it overlaps what was played
	Padding           // empty; its sequence number is not lost
	Malformed         // no Opus, or longer than MaxPayload
	Unsettled         // its timestamp leaps by more than 10 s; a second such packet restarts the buffer
)

// MaxPayload is the longest payload kept, in bytes: more than any speech needs.
const MaxPayload = 4096

const (
	// capacity bounds the packets kept, 2.5 s of 20 ms: the oldest give way.
	capacity = 128
	// farthest is the largest leap of timestamps that is followed at once.
	farthest = 10 * 48000
	// grain is the shortest Opus frame, 2.5 ms: concealment comes in these.
	grain = 120
)

// slot holds a packet.
type slot struct {
	at        int64 // unwrapped timestamp
	length    int64 // samples
	fec       int64 // samples that LBRR repeats, 0 for none
	sequence  uint16
	redundant bool
	silent    bool
	quiet     bool // nobody speaks at its end
	payload   []byte
}

// Buffer is a jitter buffer. It is not safe for concurrent use: it has one owner.
type Buffer struct {
	config Config
	delays delays
	stats  Stats

	slots [capacity + 1]slot // one more than are kept: the one handed out
	order [capacity]uint8    // slots in use, by timestamp
	count int
	free  []uint8
	held  int // slot handed out by Pop, or -1

	started bool
	epoch   time.Time // arrival of the first packet
	newest  int64     // unwrapped timestamp of the newest packet
	heard   time.Time // arrival of the newest packet
	leap    uint32    // timestamp that leapt
	leapt   bool
	seen    [512]uint32 // sequence number + 1, by number modulo 512

	playback
}

// New answers an empty buffer. The configuration must be valid.
func New(c Config) (*Buffer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := &Buffer{config: c, free: make([]uint8, 0, capacity+1)}
	b.reset()
	return b, nil
}

// Empty says whether nothing waits to be played.
func (b *Buffer) Empty() bool { return b.count == 0 }

// Reset empties the buffer for another stream. Stats go on.
func (b *Buffer) Reset() { b.reset() }

func (b *Buffer) reset() {
	b.free = b.free[:0]
	for i := range b.slots {
		b.free = append(b.free, uint8(i))
	}
	b.count, b.held, b.started, b.leapt = 0, -1, false, false
	b.seen = [len(b.seen)]uint32{}
	b.delays = newDelays(b.config)
	b.playback = newPlayback()
}

// Push takes a packet that arrived at now. The payload is copied.
func (b *Buffer) Push(now time.Time, p Packet) Verdict {
	v := b.push(now, p)
	b.stats.count(v, p.Redundant)
	return v
}

func (b *Buffer) push(now time.Time, p Packet) Verdict {
	if len(p.Payload) == 0 {
		if !p.Redundant {
			b.mark(p.Sequence)
		}
		return Padding
	}
	parsed, err := opuspkt.Parse(p.Payload)
	if err != nil || len(p.Payload) > MaxPayload {
		return Malformed
	}
	if b.started && b.leaps(now, p) {
		if p.Redundant || !b.settled(p) {
			return Unsettled
		}
		b.reset()
		b.stats.Restarts++
	}
	if !b.started {
		// A second at the start is left for packets older than the first.
		b.started, b.epoch, b.heard, b.newest, b.origin = true, now, now, 48000, p.Timestamp-48000
	}
	b.leapt = false
	at := b.newest + int64(int32(p.Timestamp-b.wire(b.newest)))
	if !p.Redundant && b.mark(p.Sequence) {
		return Duplicate
	}
	place, exact := b.find(at)
	if exact {
		kept := &b.slots[b.order[place]]
		if !p.Redundant && kept.redundant {
			kept.redundant, kept.sequence = false, p.Sequence
		}
		return Duplicate
	}
	length := int64(opuspkt.Samples(parsed.Duration()))
	if at > b.newest {
		b.newest, b.heard = at, now
	}
	b.delays.observe(now.Sub(b.epoch), moment(at), moment(length))
	if at < b.play {
		return Late
	}
	s := b.insert(place)
	*s = slot{at: at, length: length, sequence: p.Sequence, redundant: p.Redundant, silent: parsed.Silent(), quiet: parsed.EndsQuiet(),
		payload: append(s.payload[:0], p.Payload...)}
	if parsed.LBRR() {
		s.fec = int64(opuspkt.Samples(parsed.TOC.FrameDuration()))
	}
	return Accepted
}

// leaps says whether a timestamp is out of all proportion: neither near the
// newest one nor, after a long silence, near where that would be by now.
func (b *Buffer) leaps(now time.Time, p Packet) bool {
	d := int64(int32(p.Timestamp - b.wire(b.newest)))
	pause := max(0, samples(min(now.Sub(b.heard), 6*time.Hour))) // before half of the timestamps pass
	return d > farthest+pause || d < -farthest
}

// settled says whether the packet before leapt to the same place: then the
// sender has begun anew, and it was no stray packet.
func (b *Buffer) settled(p Packet) bool {
	d := int64(int32(p.Timestamp - b.leap))
	again := b.leapt && d <= farthest && d >= -farthest
	b.leap, b.leapt = p.Timestamp, true
	return again
}

// mark notes that a sequence number has arrived, and says whether it had before.
func (b *Buffer) mark(sequence uint16) (before bool) {
	kept := &b.seen[int(sequence)%len(b.seen)]
	before = *kept == uint32(sequence)+1
	*kept = uint32(sequence) + 1
	return before
}

// find answers the place in the order for a timestamp, and whether a packet of
// exactly that one is there. Packets mostly come in order: it looks from the end.
func (b *Buffer) find(at int64) (place int, exact bool) {
	place = b.count
	for place > 0 && b.slots[b.order[place-1]].at >= at {
		place--
	}
	return place, place < b.count && b.slots[b.order[place]].at == at
}

// insert answers a free slot that stands at the given place of the order.
func (b *Buffer) insert(place int) *slot {
	if b.count == capacity {
		b.drop()
		b.stats.Overflows++
		place = max(0, place-1)
	}
	index := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	copy(b.order[place+1:b.count+1], b.order[place:b.count])
	b.order[place] = index
	b.count++
	return &b.slots[index]
}

// take removes the first packet from the order and answers its slot, which is
// not free yet.
func (b *Buffer) take() uint8 {
	index := b.order[0]
	copy(b.order[:], b.order[1:b.count])
	b.count--
	return index
}

// drop removes the first packet.
func (b *Buffer) drop() { b.free = append(b.free, b.take()) }

// moment is a number of samples as a duration.
func moment(samples int64) time.Duration {
	return time.Duration(samples) * (time.Second / 1000) / 48
}

// samples is a duration as a number of samples, rounded up to the grain.
func samples(d time.Duration) int64 {
	return (int64(d)*48/int64(time.Millisecond) + grain) / grain * grain
}
