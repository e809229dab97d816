package downlink

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/svctest"
)

// browser is how Chromium receives a stream of dependency descriptors
// (NackRequester, FrameBuffer, VideoReceiveStream2). It asks for what is missing
// again in every round trip, ten times, but forgets all that is before the newest
// frame that is continuous: whole, with all that it refers to. It decodes
// pictures only whole, up to the frame with the marker, and asks for a key frame
// when nothing could be decoded for three seconds, or 0.2 before the first picture.
type browser struct {
	c        *scalableCall
	taken    int // of c.got
	reader   codec.Descriptors
	packets  map[uint16]bool
	newest   uint16
	any      bool
	missing  map[uint16]*missed
	frames   map[uint16]*shownFrame
	pictures []*shownPicture // in order, not decoded yet

	decoded int
	last    uint16 // the newest frame that was decoded
	shown   time.Time
	gap     time.Duration
	plis    int
	unheard func() bool // whether a request is lost; nil = none is
}

type missed struct {
	times int
	at    time.Time
}

type shownFrame struct {
	number         uint16
	references     []uint16
	picture        *shownPicture
	started, ended bool
	first, last    uint16 // packets
	count          int
	marked         bool // its last packet ends the picture
	whole          bool
	continuous     bool
	decoded        bool
}

type shownPicture struct {
	timestamp uint32
	frames    []*shownFrame
}

func newBrowser(c *scalableCall) *browser {
	return &browser{c: c, packets: map[uint16]bool{}, missing: map[uint16]*missed{}, frames: map[uint16]*shownFrame{}, shown: c.now}
}

// watch plays for a time, and receives.
func (b *browser) watch(d time.Duration) {
	for end := b.c.now.Add(d); b.c.now.Before(end); {
		b.c.play(time.Millisecond)
		for ; b.taken < len(b.c.got[1]); b.taken++ {
			b.take(&b.c.got[1][b.taken])
		}
		b.ask()
	}
}

func (b *browser) take(r *received) {
	s := &b.c.d.slots[1].cfg
	sequence := r.Sequence
	if r.SSRC == s.RTXSSRC {
		if len(r.payload) < 2 { // padding
			return
		}
		sequence = binary.BigEndian.Uint16(r.payload)
	}
	empty := len(r.Descriptor) == 0
	if b.packets[sequence] {
		return
	}
	b.packets[sequence] = true
	delete(b.packets, sequence-5000)
	delete(b.missing, sequence)
	if ahead := int16(sequence - b.newest); !b.any {
		b.any, b.newest = true, sequence
	} else if ahead > 0 {
		for n := b.newest + 1; n != sequence; n++ {
			b.missing[n] = &missed{}
		}
		b.newest = sequence
		b.ask() // before the frame is looked at
	}
	if empty {
		return
	}
	place, _, _, ok := b.reader.Read(r.Descriptor, sequence == b.newest)
	if !ok || !place.Known() {
		return
	}
	f := b.frames[place.Number]
	if f == nil {
		f = &shownFrame{number: place.Number, picture: b.picture(r.Timestamp)}
		for _, back := range place.References() {
			f.references = append(f.references, place.Number-back)
		}
		b.frames[place.Number] = f
		delete(b.frames, place.Number-5000)
		f.picture.frames = append(f.picture.frames, f)
	}
	f.count++
	if r.Descriptor[0]&0x80 != 0 {
		f.started, f.first = true, sequence
	}
	if r.Descriptor[0]&0x40 != 0 {
		f.ended, f.last = true, sequence
		f.marked = r.Marker
	}
	f.whole = f.started && f.ended && f.count == int(f.last-f.first)+1 && (b.decoded == 0 || int16(f.number-b.last) > 0)
	if f.whole {
		b.propagate()
	}
}

func (b *browser) picture(timestamp uint32) *shownPicture {
	for _, p := range b.pictures {
		if p.timestamp == timestamp {
			return p
		}
	}
	p := &shownPicture{timestamp: timestamp}
	at := len(b.pictures)
	for at > 0 && int32(b.pictures[at-1].timestamp-timestamp) > 0 {
		at--
	}
	b.pictures = slices.Insert(b.pictures, at, p)
	return p
}

// propagate finds what is continuous, forgets requests before it, and decodes.
func (b *browser) propagate() {
	for again := true; again; {
		again = false
		for _, p := range b.pictures {
			for _, f := range p.frames {
				if f.continuous || !f.whole || !b.all(f, func(o *shownFrame) bool { return o.continuous }) {
					continue
				}
				f.continuous, again = true, true
				for n := range b.missing {
					if int16(n-f.last) < 0 {
						delete(b.missing, n)
					}
				}
			}
		}
	}
	kept := b.pictures[:0]
	for _, p := range b.pictures {
		if !b.decodes(p) {
			kept = append(kept, p)
			continue
		}
		for _, f := range p.frames {
			f.decoded, b.last = true, f.number
		}
		b.decoded++
		b.gap = max(b.gap, b.c.now.Sub(b.shown))
		b.shown = b.c.now
		kept = kept[:0] // what is older is not shown any more
	}
	b.pictures = kept
	if len(b.pictures) > 300 {
		b.pictures = b.pictures[1:]
	}
}

func (b *browser) all(f *shownFrame, is func(*shownFrame) bool) bool {
	for _, n := range f.references {
		if o := b.frames[n]; o == nil || !is(o) {
			return false
		}
	}
	return true
}

func (b *browser) decodes(p *shownPicture) bool {
	ends := false
	for _, f := range p.frames {
		ends = ends || f.marked
		if !f.continuous || !b.all(f, func(o *shownFrame) bool { return o.decoded || o.picture == p }) {
			return false
		}
	}
	return ends
}

func (b *browser) ask() {
	roundTrip := max(2*b.c.wire.delay, 100*time.Millisecond)
	var lacking []uint16
	for n, m := range b.missing {
		if m.times > 0 && b.c.now.Sub(m.at) < roundTrip {
			continue
		}
		if m.times++; m.times > 10 {
			delete(b.missing, n)
			continue
		}
		m.at = b.c.now
		lacking = append(lacking, n)
	}
	slices.Sort(lacking)
	if len(lacking) > 0 && (b.unheard == nil || !b.unheard()) {
		// The way back is as long as the way here, which the round trip above allows for.
		b.c.d.HandleNACK(b.c.now, videoSSRC+1, nack(lacking...))
	}
	if waited := b.c.now.Sub(b.shown); b.decoded == 0 && waited > 0 && waited%(200*time.Millisecond) < time.Millisecond {
		b.c.d.HandlePLI(b.c.now, videoSSRC+1) // it waits for its first key frame
		return
	}
	if b.c.now.Sub(b.shown) > 3*time.Second && b.c.now.Sub(b.shown)%(time.Second) < time.Millisecond {
		b.plis++
		b.c.d.HandlePLI(b.c.now, videoSSRC+1)
	}
}

// A browser behind a link that falls from 1 Mbit/s to a few hundred kbit/s, at any
// moment of the pattern of layers, never stands still until it asks for a key
// frame: what it asked for once is sent, or a key frame in its place.
func TestBrowserOnALinkThatNarrows(t *testing.T) {
	const most = 2 * time.Second
	rates := []units.Rate{150 * units.Kbps, 175 * units.Kbps, 200 * units.Kbps, 250 * units.Kbps}
	queues := []time.Duration{300 * time.Millisecond, 150 * time.Millisecond, 450 * time.Millisecond}
	for _, mode := range []svctest.Mode{{Spatials: 3, Temporals: 3}, {Spatials: 3, Temporals: 3, Key: true}, {Spatials: 2, Temporals: 2}} {
		t.Run(mode.String(), func(t *testing.T) {
			worst, broken := time.Duration(0), uint64(0)
			for i := range 32 {
				c := newScalableCall(t, mode, units.Mbps)
				c.wire.queue = queues[i%len(queues)]
				b := newBrowser(c)
				b.watch(5*time.Second + time.Duration(i)*13*time.Millisecond)
				b.gap = 0
				c.wire.rate = rates[i%len(rates)]
				b.watch(5 * time.Second)
				gap := max(b.gap, c.now.Sub(b.shown))
				if gap > most || b.plis > 0 {
					t.Errorf("step %d to %v with %v of queue: no picture for %v, and the browser asked for %d key frames", i, c.wire.rate, c.wire.queue, gap, b.plis)
				}
				worst, broken = max(worst, gap), broken+c.d.Stats().Slots[1].GivenUp
			}
			t.Logf("longest time without a picture %v; %d packets given up", worst, broken)
		})
	}
}

// A packet of the larger layer of a base picture that is lost, and whose
// repetitions are lost, though the browser asks for it once: it goes again as soon
// as a report tells, and where it cannot, there is a key frame.
func TestRepetitionOfWhatIsAskedForOnceIsLost(t *testing.T) {
	for _, c := range []struct {
		losses, keys int
		within       time.Duration
	}{{1, 0, 200 * time.Millisecond}, {2, 0, 350 * time.Millisecond}, {100, 1, time.Second}} {
		call := newScalableCall(t, svctest.Mode{Spatials: 2, Temporals: 3}, 5*units.Mbps)
		b := newBrowser(call)
		b.watch(5 * time.Second)
		b.gap, call.keys = 0, 0
		lost, which := 0, uint16(0)
		call.wire.drops = func(out *Outgoing) bool {
			sequence := out.Sequence
			if out.repeated {
				sequence = out.original
			}
			e := call.d.slots[1].history.find(sequence)
			if e == nil || e.state != held || lost > 0 && sequence != which || e.packet.Info.Spatial == 0 || e.packet.Info.Temporal > 0 {
				return false
			}
			lost, which = lost+1, sequence
			return lost <= c.losses
		}
		b.watch(3 * time.Second)
		if b.plis > 0 || call.keys != c.keys || b.gap > c.within {
			t.Errorf("lost %d times: no picture for %v, want %v; %d key frames asked of the publisher, want %d; %d by the browser",
				c.losses, b.gap, c.within, call.keys, c.keys, b.plis)
		}
	}
}

// A path loses 5 % in both directions, requests and reports too: the picture does not wait for
// what the browser has forgotten that it lacks.
func TestBrowserOnAPathThatLoses(t *testing.T) {
	for _, mode := range []svctest.Mode{{Spatials: 3, Temporals: 3}, {Spatials: 3, Temporals: 3, Key: true}} {
		for seed := range uint64(2) {
			random := rand.New(rand.NewPCG(seed, 7))
			c := newScalableCall(t, mode, 3*units.Mbps)
			c.wire.loses = func() bool { return random.Float64() < 0.05 }
			b := newBrowser(c)
			b.unheard, c.unreported = c.wire.loses, c.wire.loses
			b.watch(time.Second)
			c.keys = 0
			b.watch(30 * time.Second)
			stats := c.d.Stats().Slots[1]
			t.Logf("%v: longest time without a picture %v, %d pictures, %d key frames asked of the publisher, %d retransmissions",
				mode, b.gap, b.decoded, c.keys, stats.Retransmissions)
			if b.gap > 500*time.Millisecond || b.plis > 0 || c.keys > 3 {
				t.Errorf("%v: no picture for %v, the browser asked for %d key frames and we for %d", mode, b.gap, b.plis, c.keys)
			}
		}
	}
}

// The publisher's way to the server loses 5 %, some of it for good: the subscriber's
// browser waits for no packet that will not come.
func TestBrowserBehindAPublisherWhoLoses(t *testing.T) {
	for _, mode := range []svctest.Mode{{Spatials: 3, Temporals: 3}, {Spatials: 3, Temporals: 3, Key: true}} {
		for seed := range uint64(2) {
			random := rand.New(rand.NewPCG(seed, 9))
			c := newScalableCall(t, mode, 3*units.Mbps)
			c.stream.SetRTT(upRoundTrip)
			c.d.SetSourceRTT(1, upRoundTrip)
			b := newBrowser(c)
			b.watch(time.Second)
			c.absent = newAbsentees(t, func() bool { return random.Float64() < 0.05 })
			b.watch(30 * time.Second)
			stats := c.d.Stats().Slots[1]
			t.Logf("%v: longest time without a picture %v, %d pictures, %d key frames asked of the publisher, %d packets given up",
				mode, b.gap, b.decoded, c.keys, stats.GivenUp)
			if b.gap > time.Second || b.plis > 0 || c.keys > 5 {
				t.Errorf("%v: no picture for %v, the browser asked for %d key frames and we for %d", mode, b.gap, b.plis, c.keys)
			}
		}
	}
}

// Links that change at random, lose in both directions, behind publishers who
// lose: no browser has to ask for a key frame.
func TestBrowserOnAnyPath(t *testing.T) {
	worst := time.Duration(0)
	for _, mode := range []svctest.Mode{{Spatials: 3, Temporals: 3}, {Spatials: 3, Temporals: 3, Key: true}, {Spatials: 2, Temporals: 3}} {
		for seed := range uint64(4) {
			random := rand.New(rand.NewPCG(seed, 11))
			below := func(n int) time.Duration { return time.Duration(random.IntN(n)) * time.Millisecond }
			down, up := random.Float64()*0.08, random.Float64()*0.04
			c := newScalableCall(t, mode, units.Mbps)
			c.wire.queue, c.wire.delay = 100*time.Millisecond+below(400), 5*time.Millisecond+below(80)
			c.wire.loses = func() bool { return random.Float64() < down }
			b := newBrowser(c)
			b.unheard, c.unreported = c.wire.loses, c.wire.loses
			b.watch(2 * time.Second)
			c.absent = newAbsentees(t, func() bool { return random.Float64() < up })
			for range 10 {
				c.wire.rate = units.Rate(200+random.IntN(2500)) * units.Kbps
				b.watch(time.Second + below(3000))
			}
			if b.plis > 0 {
				t.Errorf("%v, seed %d: the browser asked for %d key frames, without a picture for %v", mode, seed, b.plis, b.gap)
			}
			worst = max(worst, b.gap)
		}
	}
	t.Logf("longest time without a picture %v", worst)
}
