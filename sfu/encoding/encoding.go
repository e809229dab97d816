// Package encoding decides which encodings of a picture its publisher shall
// send: the way back from what subscribers are granted to the source.
//
//	Want (what each subscriber is granted, and has room for) --+
//	Measure (what comes, layer by layer) ----------------------+--> Decide --> Encodings, Cap
//	                                                           +--> Rates (what subscribers may have)
//
// The rules:
//
//   - A layer that nobody is granted is switched off, after a while in which it
//     is not wanted; one that is wanted is switched on at once.
//   - A layer is sent at no more than its best receiver has room for, and at a
//     frame rate that such a rate can fill. So the last subscriber on a thin
//     link gets a picture made for it, and a thin subscriber beside a better one
//     takes nothing from that: it gets fewer temporal layers instead.
//   - The smallest layer goes down to a thin picture of 30 kbit/s and 5 frames a
//     second for those who could not be shown it otherwise.
//   - Of a scalable stream all layers up to the largest that is wanted are sent.
//   - A layer that was asked for and does not come, while smaller ones do, or
//     comes thin and in fits and starts, is
//     more than the publisher's uplink (or machine) can do: it is not asked for
//     again for a while, longer each time, and nobody is promised it.
//
// What is switched off stays on offer: Rates names its price, so that
// subscribers can be granted it and thereby switch it on.
//
// Rates told to a publisher are of payload (RFC 3890), all others are wire
// rates. The package is pure: it is told the time.
package encoding

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// MaxLayers bounds the simulcast layers of a track.
	MaxLayers = 4
	// Temporals is how many temporal layers are told apart.
	Temporals = 4
	// Whole is the temporal layer of an operating point that stands for all
	// of a layer, because what there is of it is not known yet.
	Whole int8 = 7
	// None is the layer of a subscriber that gets nothing.
	None int8 = -1
)

const (
	// linger is how long a layer is sent that is not wanted any more: whoever
	// goes down for a moment comes back without a key frame.
	linger = 2 * time.Second
	// turning is how long what is measured of a stream tells little after it was
	// switched on or off: it counts half of it, or what fades, and who believes that
	// is granted a layer that does not fit, again and again.
	turning = 2 * time.Second
	// raiseAfter is how long there must be room for more before more is asked
	// for, lowerAfter the same for less: a path that is being measured dips, and
	// subscribers bridge that by temporal layers.
	raiseAfter = time.Second
	lowerAfter = 400 * time.Millisecond
	// lowerFrom and raiseFrom are the changes of a rate that are worth telling:
	// their ratio exceeds 1.1/0.9, so that an estimate that wanders by a tenth
	// either way tells nothing for ever.
	lowerFrom, raiseFrom = 0.9, 1.2
	// fill is how much of a room a publisher is asked to fill: encoders exceed
	// what they are told for a second or two.
	fill = 0.95
	// partFill is the same for one who gets only some of its frames: what it would
	// take is not quite what is sent, and less of each of all frames looks better.
	partFill = 0.8
	// granted is the share of what is left that is granted to who has nothing yet
	// (allocator.WithHeadroom).
	granted = 0.8
	// freed is the share of a layer's own rate for which there must be room
	// until it is not held down any more.
	freed = 1.1
	// trust is how long a publisher's obedience is taken for granted: rates are
	// measured over two seconds.
	trust = 2500 * time.Millisecond
	// peak is the least share of what comes of a layer that is taken for what its
	// publisher was told, once what was told lately is measured: a key frame or a
	// scene that moves makes a second of more than the mean.
	peak = 0.7
	// settle is how long a layer may take to come that was asked for: a round
	// trip, an encoder's start, and a bandwidth estimate that has to rise.
	settle = 4 * time.Second
	// starving is from which time between frames on a layer starves that was not
	// asked to send so few, and starves how long it may.
	starving = 180 * time.Millisecond
	starves  = 2 * time.Second
	// filledFrom and hungryFrom are the shares of its rate from which on a layer
	// is filled, and up to which it is so no more.
	filledFrom, hungryFrom = 0.9, 0.7
	// stopped is how long a layer may stop that came; its silence counts only
	// after a second or so, see uplink.Stream.Active.
	stopped = time.Second
	// firstBlock and lastBlock bound how long a layer is not asked for again
	// that did not come; it doubles.
	firstBlock, lastBlock = 8 * time.Second, 2 * time.Minute
	// forgive is how long a layer must come before its failures are forgotten.
	forgive = 20 * time.Second
)

// Layer is one simulcast layer as published.
type Layer struct {
	Width, Height uint16 // 0 = unknown
	// Most is the most that it uses, of payload; 0 = as its size suggests.
	Most units.Rate
}

// Config is one track.
type Config struct {
	// Layers from small to large, 1 to MaxLayers.
	Layers []Layer
	// Screen says that it is read rather than watched: fewer frames, never
	// coarser ones.
	Screen bool
	// Obeys says that the publisher is told Encodings and does as they say. One
	// that is not can only be held to Cap.
	Obeys bool
}

// Wish is what one subscriber is granted of the track.
type Wish struct {
	// Spatial is the layer granted, None for nothing; Current the one that is
	// passed on now, until the other begins.
	Spatial, Current int8
	// Room is the wire rate at which the subscriber could take the layer
	// granted; if none is, the lowest layer.
	Room units.Rate
	// Part says that not all temporal layers of the layer are granted.
	Part bool
	// Still says that only key frames of the layer are passed on.
	Still bool
}

// Measured is what comes of one layer.
type Measured struct {
	// Active says that it is being sent.
	Active bool
	// Rates are wire rates up to and including each temporal layer, Count of them.
	Rates [Temporals]units.Rate
	Count int
	// Width and Height are those of the picture, 0 = unknown.
	Width, Height uint16
	// Interval is the time from frame to frame, 0 = unknown.
	Interval time.Duration
	// Stream is the wire rate of the stream that the layer is inside of; of a
	// scalable track only, the same for each layer.
	Stream units.Rate
}

// Encoding is how one layer is to be sent. Zero values mean no limit.
type Encoding struct {
	Active    bool
	Rate      units.Rate // of payload
	FrameRate int        // per second
	Scale     float64    // by which width and height of the source are divided
	// Spatials is how many layers inside a scalable stream are sent, from the
	// smallest up.
	Spatials int
}

// Rate is one operating point that subscribers may be granted. Rate 0 says that
// it cannot be had.
type Rate struct {
	Spatial, Temporal int8
	Rate              units.Rate
	// Most is the most that is sent of it; Held says that it is less now only
	// because the publisher was asked to.
	Most units.Rate
	Held bool
	// FrameRate is how many frames a second it has, MostFrameRate how many at
	// Most; 0 = unknown.
	FrameRate, MostFrameRate float64
}

// moving is in which direction the rate of a layer is about to change.
type moving uint8

const (
	steady moving = iota
	raising
	lowering
)

// layer is one layer and what is known of it.
type layer struct {
	Layer
	most  units.Rate // of payload; 0 = unknown: never held down
	least units.Rate // of payload
	frame frames

	told     Encoding
	wantedAt time.Time
	since    time.Time // told Active or not since then
	turned   time.Time // when a stream of its own was switched on or off last; zero: never
	lowered  time.Time // when less was asked for last
	measured Measured
	seenAt   time.Time // when it came last

	moving    moving
	moveSince time.Time
	moveTo    units.Rate // the least change that has held since then

	blockedUntil time.Time
	block        time.Duration
	comesSince   time.Time // zero: does not come
	starvesSince time.Time // zero: its uplink carries it
	filled       bool      // it came with all that it may use

	share float64 // of a scalable track, see Track.share; 0 = not measured
}

// Track is the encodings of one track. It belongs to one goroutine, or to a lock.
type Track struct {
	cfg      Config
	layers   []layer
	wishes   map[uint64]Wish
	muted    bool
	begun    bool // something was measured
	scalable bool // the layers are inside one stream, see SetScalable
	// Of a scalable track: how the stream is to be sent, and since when with
	// these layers.
	told   Encoding
	toldAt time.Time
}

// New answers a track whose publisher sends everything it announced.
func New(now time.Time, cfg Config) *Track {
	t := &Track{cfg: cfg, wishes: make(map[uint64]Wish)}
	if len(cfg.Layers) == 0 {
		cfg.Layers = []Layer{{}}
	}
	source := cfg.Layers[min(len(cfg.Layers), MaxLayers)-1]
	for i, c := range cfg.Layers[:min(len(cfg.Layers), MaxLayers)] {
		l := layer{Layer: c, wantedAt: now, since: now, told: Encoding{Active: true}}
		if l.most = min(c.Most, mostRate); l.most <= 0 {
			l.most = usualRate(c.Width, c.Height)
		}
		l.settle(i == 0, cfg.Screen)
		if c.Width > 0 && source.Width > c.Width {
			l.told.Scale = float64(source.Width) / float64(c.Width)
		}
		t.layers = append(t.layers, l)
	}
	return t
}

// settle reckons what follows from the layer's rate.
func (l *layer) settle(lowest, screen bool) {
	l.least = l.most.Scale(leastShare)
	if lowest {
		l.least = min(l.most, thinRate)
	}
	l.frame = frames{most: l.most, usual: l.most, screen: screen}
	if usual := usualRate(l.Width, l.Height); usual > 0 {
		l.frame.usual = min(l.most, usual)
	}
}

// Want notes what a subscriber is granted; who is any number of its own.
func (t *Track) Want(who uint64, w Wish) { t.wishes[who] = w }

// Leave forgets a subscriber.
func (t *Track) Leave(who uint64) { delete(t.wishes, who) }

// SetMuted stops and resumes deciding: while the publisher is silent by itself,
// nobody is granted anything, and what was asked for should hold when it is
// back.
func (t *Track) SetMuted(now time.Time, muted bool) {
	t.muted = muted
	for i := range t.layers {
		l := &t.layers[i]
		l.wantedAt, l.since, l.comesSince, l.moving = now, now, time.Time{}, steady
	}
}

// Encodings appends how each layer is to be sent to dst, as decided last; of a
// scalable track how its one stream is.
func (t *Track) Encodings(dst []Encoding) []Encoding {
	if t.scalable {
		return append(dst, t.told)
	}
	for i := range t.layers {
		dst = append(dst, t.layers[i].told)
	}
	return dst
}
