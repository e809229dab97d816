package client

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// What of both paths is handed on: of the other user what comes by the one that
// plays, of everybody else all.

// expectsSound says whether the other one publishes sound that is not muted.
func (d *directPath) expectsSound() bool {
	d.call.mu.Lock()
	defer d.call.mu.Unlock()
	for _, p := range d.call.participants {
		for _, t := range p.Tracks {
			if d.is(p) && !t.Source.Video() && !t.Muted {
				return true
			}
		}
	}
	return false
}

// is says whether a participant is the other user of the path.
func (d *directPath) is(p signal.Participant) bool {
	peer := d.peer.Load()
	return peer != nil && p.Identity == *peer
}

// hides says of a packet that the server has sent in a slot whether the direct path
// plays it instead. It is for any goroutine; nil hides nothing.
func (d *directPath) hides(slot int, kind codec.Kind) bool {
	if d == nil || !d.ofPeer(slot) {
		return false
	}
	if kind.Audio() {
		d.server.Add(1)
	}
	return d.playing.Load()
}

// ofPeer says whether a slot of the server's carries the other user.
func (d *directPath) ofPeer(slot int) bool {
	d.call.mu.Lock()
	defer d.call.mu.Unlock()
	a, known := d.call.assigned[slot]
	return known && !a.Mixed && d.is(d.call.participants[a.Participant])
}

// unhidden is on without what the direct path plays instead.
func (d *directPath) unhidden(on func(int, time.Time, jitter.Frame)) func(int, time.Time, jitter.Frame) {
	if d == nil || on == nil {
		return on
	}
	return func(slot int, at time.Time, f jitter.Frame) {
		if !d.playing.Load() || !d.ofPeer(slot) {
			on(slot, at, f)
		}
	}
}

// paused says whether nothing is to be sent by the server.
func (c *Call) paused() bool { return c.direct != nil && c.direct.paused.Load() }

// place answers the slot and the short id under which the other user's source is
// known by the server; false while it is in none.
func (d *directPath) place(source signal.Source) (slot int, id uint32, ok bool) {
	d.call.mu.Lock()
	defer d.call.mu.Unlock()
	for slot, a := range d.call.assigned {
		p := d.call.participants[a.Participant]
		for _, t := range p.Tracks {
			if t.ID == a.Track && t.Source == source && d.is(p) {
				return slot, a.Source, true
			}
		}
	}
	return 0, 0, false
}

// received takes a packet that came directly, of a source.
func (d *directPath) received(source signal.Source, p *packet.Packet) {
	if !source.Video() {
		d.direct.Add(1)
		d.last.Store(p.Arrival.UnixNano())
	}
	on := d.call.opts.OnPacket
	if on == nil || !d.playing.Load() {
		return
	}
	if slot, id, ok := d.place(source); ok {
		on(slot, id, p)
	}
}

// wantKeyframes asks for a key frame of every picture that comes.
func (g *ingress) wantKeyframes(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	for _, in := range g.list {
		if in.stream != nil && in.kind.Video() {
			in.stream.WantKeyframe(now)
		}
	}
	g.schedule(now)
}
