package jitter

import (
	"math"
	"time"
)

// Kind is what to do with a frame.
type Kind uint8

// The kinds of frames.
const (
	Silence Kind = iota // play nothing (or comfort noise): no sound is due
	Play                // decode the payload
	Conceal             // let the decoder make up the duration (packet loss concealment)
	Repair              // decode the duration before the payload from its LBRR, not the payload
)

// Tempo asks the player to play a frame in less or more time than it lasts, by a
// tenth or so. A player that cannot does no harm: the delay is then right after
// the next pause.
type Tempo int8

// The tempi.
const (
	Slower Tempo = iota - 1
	AsItIs
	Faster
)

// Frame is what to play next. The payload is valid until the next call of the
// buffer.
type Frame struct {
	Kind      Kind
	Tempo     Tempo
	Timestamp uint32 // of the payload; 0 without one
	Payload   []byte // for Play and Repair
	Duration  time.Duration
	// Starved says of silence that sound was due, and nothing had come for long.
	Starved bool
}

const (
	// later is how far the delay may be above its target before the tempo
	// changes. Below it may not be at all: what the target was chosen for, such
	// as packets that were sent again, come all equally late, and would all miss
	// their time by a little for ever.
	later = 40 * time.Millisecond
	// tooLate is how far it may be above before speech is left out: what
	// piled up during an outage is not listened to.
	tooLate = 200 * time.Millisecond
	// fading is how much is concealed at a stretch while nothing comes: by
	// then a decoder has faded its guess out.
	fading = 120 * 48
	// pause is the silence answered at once: the player asks again soon.
	pause = 20 * time.Millisecond
)

// playback is where the player is.
type playback struct {
	origin uint32 // timestamp of unwrapped 0
	// play is the unwrapped timestamp after what was played or given up.
	play int64
	// idle: nothing is being said, or nothing came for long. The next packet
	// begins when the delay is right.
	idle    bool
	starved bool // idle because nothing came
	// last is what was played last.
	last struct {
		length   int64
		sequence uint16
		numbered bool // the sequence number is known
		silent   bool
		quiet    bool
	}
	// ahead is what was concealed while nothing was there, and given of the
	// next gap: it was for the lost packet, unless that still comes.
	ahead int64
	// covered is what was concealed of the gap since the last packet.
	covered int64
	missing time.Duration // concealed and starved without a break
}

func newPlayback() playback { return playback{play: math.MinInt64, idle: true} }

// wire is the RTP timestamp of an unwrapped one.
func (p *playback) wire(at int64) uint32 { return p.origin + uint32(at) }

// Pop answers what to play at now, for the duration that the frame tells. Then
// it is called again.
func (b *Buffer) Pop(now time.Time) Frame {
	if b.held >= 0 {
		b.free = append(b.free, uint8(b.held))
		b.held = -1
	}
	f := b.pop(now.Sub(b.epoch))
	f.Starved = f.Kind == Silence && b.starved
	b.account(f)
	return f
}

func (b *Buffer) pop(now time.Duration) Frame {
	for b.count > 0 && b.first().at < b.play { // overlaps what was played
		b.drop()
		b.stats.Late++
	}
	switch {
	case b.count == 0:
		return b.starve()
	case b.idle:
		return b.wait(now)
	case b.first().at > b.play:
		return b.gap(now)
	}
	return b.playFirst(now)
}

func (b *Buffer) first() *slot { return &b.slots[b.order[0]] }

// starve is for when no packet is there.
func (b *Buffer) starve() Frame {
	if !b.idle && !b.last.quiet {
		if left := fading - b.ahead - b.covered; left >= grain {
			d := min(b.last.length, left) / grain * grain
			b.ahead += d
			return Frame{Kind: Conceal, Duration: moment(d)}
		}
		b.starved = true
	}
	b.idle = true
	return Frame{Duration: pause}
}

// wait begins with the first packet when the delay is right, and says how long
// until then.
func (b *Buffer) wait(now time.Duration) Frame {
	early := b.delays.target() - b.delays.since(now, moment(b.first().at))
	if early > 0 {
		return Frame{Duration: moment(samples(min(early, pause-1)))}
	}
	return b.playFirst(now)
}

// gap is for when the packet that is due is not there, but a later one is: it is
// lost, or was never sent.
func (b *Buffer) gap(now time.Duration) Frame {
	next := b.first()
	paid := min(b.ahead, next.at-b.play)
	b.ahead -= paid
	b.covered += paid
	b.play += paid
	gap := next.at - b.play
	lost := min(gap, b.lost(next)-b.covered)
	if lost < grain {
		if gap >= grain {
			b.idle = true
			return b.wait(now)
		}
		return b.playFirst(now)
	}
	if lost == gap && next.fec > 0 && gap >= next.fec {
		if gap == next.fec {
			b.play, b.covered = next.at, b.covered+gap
			return Frame{Kind: Repair, Timestamp: b.wire(next.at), Payload: next.payload, Duration: moment(gap)}
		}
		lost -= next.fec // conceal up to what LBRR repeats
	}
	d := max(min(lost, b.last.length)/grain*grain, grain)
	b.play += d
	b.covered += d
	return Frame{Kind: Conceal, Duration: moment(d)}
}

// lost is how much sound, in samples, was in the packets between the last one
// played and the next.
func (b *Buffer) lost(next *slot) int64 {
	const most = 2 * 48000 // that much is concealed by nobody
	if b.last.silent || next.at-b.play > most {
		return 0
	}
	if !b.last.numbered || next.redundant {
		return most
	}
	between := int(next.sequence-b.last.sequence) - 1
	if between < 0 || between >= len(b.seen) {
		return most
	}
	packets := int64(0)
	for i := range between {
		number := b.last.sequence + 1 + uint16(i)
		if b.seen[int(number)%len(b.seen)] != uint32(number)+1 {
			packets++
		}
	}
	return packets * b.last.length
}

// playFirst answers the first packet, after leaving out what is far too late or
// silent and late.
func (b *Buffer) playFirst(now time.Duration) Frame {
	target := b.delays.target()
	over := func(s *slot) time.Duration { return b.delays.since(now, moment(s.at)) - target }
	if excess := over(b.first()); excess > tooLate || (excess > later && b.first().silent) {
		for b.count > 1 && over(b.first()) > 0 && (excess > tooLate || b.first().silent) {
			b.stats.Skipped += moment(b.first().length)
			b.drop()
		}
	}
	index := b.take()
	b.held = int(index)
	s := &b.slots[index]
	b.idle, b.starved, b.ahead, b.covered = false, false, 0, 0
	b.play = s.at + s.length
	b.last.length, b.last.sequence, b.last.numbered = s.length, s.sequence, !s.redundant
	b.last.silent, b.last.quiet = s.silent, s.quiet
	f := Frame{Kind: Play, Timestamp: b.wire(s.at), Payload: s.payload, Duration: moment(s.length)}
	switch excess := over(s); {
	case excess > later:
		f.Tempo = Faster
	case excess < 0:
		f.Tempo = Slower
	}
	b.stats.Delay = b.delays.since(now, moment(s.at))
	return f
}
