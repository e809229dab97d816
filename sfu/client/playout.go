package client

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// Playout is what somebody who listens would have heard of all audio slots: the
// sums of an adaptive jitter buffer (codec/jitter) for each, without a decoder.
// Times are of sound.
type Playout struct {
	Played    time.Duration // as it was sent
	Repaired  time.Duration // out of in-band redundancy (LBRR)
	Concealed time.Duration // made up by a decoder, because nothing was there
	Starved   time.Duration // nothing, because nothing had come for long
	Silent    time.Duration // nothing, because nothing was said
	Skipped   time.Duration // left out to catch up

	LongestGap time.Duration // concealed and starved without a break
	Late       uint64        // packets that came after their time
	Recovered  uint64        // packets that came as redundancy (RED)
	Delay      time.Duration // that the buffers add now; the longest
}

// Hole is the share of the sound, 0 to 1, of which a listener heard a guess or
// nothing. Silence counts on neither side.
func (p Playout) Hole() float64 {
	missing := p.Concealed + p.Starved
	if all := missing + p.Played + p.Repaired; all > 0 {
		return float64(missing) / float64(all)
	}
	return 0
}

func (p *Playout) add(s jitter.Stats) {
	p.Played += s.Played
	p.Repaired += s.Repaired
	p.Concealed += s.Concealed
	p.Starved += s.Starved
	p.Silent += s.Silent
	p.Skipped += s.Skipped
	p.LongestGap = max(p.LongestGap, s.LongestGap)
	p.Late += s.Late
	p.Recovered += s.Recovered
	p.Delay = max(p.Delay, s.Delay)
}

// player plays one audio slot. It has no timer: whenever it is looked at, it
// does what a sound card would have asked of it since the last time. What comes
// is pushed at its own time, so that makes no difference.
type player struct {
	slot   int
	buffer *jitter.Buffer
	window red.Window
	frames []red.Frame // scratch
	on     func(slot int, at time.Time, f jitter.Frame)

	playing bool
	next    time.Time // when the sound card asks again
	// hushed: the sender stopped on purpose. When the buffer is empty nothing
	// is missed any more.
	hushed bool
}

func newPlayer(slot int, on func(int, time.Time, jitter.Frame)) (*player, error) {
	b, err := jitter.New(jitter.DefaultConfig())
	if err != nil {
		return nil, err
	}
	return &player{slot: slot, buffer: b, on: on}, nil
}

// push takes a packet of Opus, alone or in RED (RFC 2198), that came now.
func (p *player) push(now time.Time, pkt *packet.Packet) {
	p.advance(now)
	if !p.playing {
		p.playing, p.next = true, now
	}
	p.hushed = false
	if pkt.Kind != codec.RED {
		// Noted, so that a copy of it that comes later is none to recover.
		p.window.Fresh(pkt.Timestamp, pkt.Payload)
		p.buffer.Push(now, jitter.Packet{Sequence: pkt.Sequence, Timestamp: pkt.Timestamp, Payload: pkt.Payload})
		return
	}
	var err error
	if p.frames, err = p.window.Recover(p.frames[:0], pkt.Timestamp, pkt.Payload); err != nil {
		p.skip(now, pkt.Sequence)
		return
	}
	primary := false
	for _, f := range p.frames {
		primary = primary || !f.Redundant
		p.buffer.Push(now, jitter.Packet{Sequence: pkt.Sequence, Timestamp: f.Timestamp, Payload: f.Data, Redundant: f.Redundant})
	}
	if !primary {
		p.skip(now, pkt.Sequence)
	}
}

// skip notes a number whose packet held no sound: nothing is lost with it.
func (p *player) skip(now time.Time, sequence uint16) {
	if p.playing {
		p.advance(now)
		p.buffer.Push(now, jitter.Packet{Sequence: sequence})
	}
}

// hush says that the sender stopped on purpose.
func (p *player) hush(now time.Time) {
	p.advance(now)
	p.hushed = true
}

// advance plays up to now.
func (p *player) advance(now time.Time) {
	for p.playing && !p.next.After(now) {
		if p.hushed && p.buffer.Empty() {
			p.playing = false
			p.buffer.Reset()
			return
		}
		f := p.buffer.Pop(p.next)
		if p.on != nil {
			p.on(p.slot, p.next, f)
		}
		p.next = p.next.Add(stretched(f))
	}
}

// stretched is how long a frame sounds: a tenth less or more where the buffer
// asks for it, as players do without changing the pitch.
func stretched(f jitter.Frame) time.Duration {
	if f.Kind == jitter.Silence {
		return f.Duration
	}
	return f.Duration - time.Duration(f.Tempo)*f.Duration/10
}

// playout adds up all slots, up to now or to the end of the call.
func (g *ingress) playout(now time.Time) (sum Playout) {
	for _, p := range g.players {
		if p != nil {
			if !g.closed {
				p.advance(now)
			}
			sum.add(p.buffer.Stats())
		}
	}
	return sum
}

// play hands a packet of sound to its slot's player; with the lock held.
func (g *ingress) play(now time.Time, slot int, p *packet.Packet) {
	if slot < 0 || slot >= len(g.players) {
		return
	}
	if g.players[slot] == nil {
		player, err := newPlayer(slot, g.media.call.direct.unhidden(g.media.call.opts.OnPlay))
		if err != nil {
			return // the default configuration is right
		}
		g.players[slot] = player
	}
	g.players[slot].push(now, p)
}

// skip notes a packet of sound that held none; with the lock held.
func (g *ingress) skip(now time.Time, in *inbound, sequence uint16) {
	if in.kind.Audio() && in.slot >= 0 && in.slot < len(g.players) && g.players[in.slot] != nil {
		g.players[in.slot].skip(now, sequence)
	}
}

// hush says that nothing more is to be expected in a slot for now.
func (g *ingress) hush(now time.Time, slot int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slot >= 0 && slot < len(g.players) && g.players[slot] != nil {
		g.players[slot].hush(now)
	}
}
