package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/svctest"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

const av1Type, av1RTXType = 45, 46

// scalableCall is a subscriber of one scalable camera, whose packets pass its
// uplink as they do in a server.
type scalableCall struct {
	*call
	encoder *svctest.Encoder
	stream  *uplink.Stream
	next    uint16
	time    uint32
	due     time.Time
	told    time.Time
	key     bool
	keys    int
	absent  *absentees // nil = every packet arrives at the server
	// mangle, if not nil, may change a packet before it is received.
	mangle func(p *packet.Packet)
}

func newScalableCall(t *testing.T, mode svctest.Mode, rate units.Rate) *scalableCall {
	cfg := config(1)
	cfg.Slots[1].Codecs = []Codec{{Kind: codec.AV1, PayloadType: av1Type, RTXPayloadType: av1RTXType}}
	c := &scalableCall{call: newCall(t, cfg, rate), encoder: svctest.New(mode, 65000), due: epoch, told: epoch, next: 65000}
	c.stream = uplink.New(uplink.Config{SSRC: 77, Kind: codec.AV1, NACK: true})
	t.Cleanup(c.stream.Close)
	c.sources[1] = 7
	c.d.Assign(c.now, 1, Source{ID: 7, Kind: codec.AV1})
	c.onEvent = func(ev Event) {
		if ev.Kind == KeyframeWanted {
			c.keys++
			c.key = true
		}
	}
	return c
}

// sizes are the bytes of a frame by spatial layer: 150, 400 and 750 kbit/s.
var sizes = []int{620, 1650, 3100}

func (c *scalableCall) play(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); {
		if !c.now.Before(c.due) {
			c.due = c.due.Add(time.Second / 30)
			c.picture()
		}
		if !c.now.Before(c.told) {
			c.told = c.told.Add(500 * time.Millisecond)
			var rates []LayerRate
			for s, points := range c.stream.Rates(c.now) {
				for tl, r := range points {
					if r > 0 {
						rates = append(rates, LayerRate{Spatial: int8(s), Temporal: int8(tl), Rate: r})
					}
				}
			}
			c.d.SetRates(c.now, 1, rates)
		}
		c.absent.send(c)
		c.run(time.Millisecond)
	}
}

func (c *scalableCall) picture() {
	c.time += 3000
	frames := c.encoder.Next(c.key)
	c.key = false
	for _, f := range frames {
		left := sizes[f.Spatial]
		if f.Key {
			left *= 3
		}
		for start := true; left > 0; start = false {
			n := min(left, 1100)
			left -= n
			p := c.pool.Get()
			p.SSRC, p.Sequence, p.Timestamp, p.Kind = 77, c.next, c.time, codec.AV1
			p.Marker = left == 0 && f.Last()
			b := p.Buffer()
			b[0], b[1] = 0x10, 0x30
			if !start {
				b[0] = 0x90
			}
			p.Payload = b[:n:n]
			p.Descriptor = b[n : n+copy(b[n:], f.Descriptor(start, left == 0))]
			c.next++
			if c.mangle != nil {
				c.mangle(p)
			}
			if !c.absent.keeps(p) {
				c.arrive(p)
			}
		}
	}
}

// arrive is a packet's way through the server.
func (c *scalableCall) arrive(p *packet.Packet) {
	switch v := c.stream.Receive(c.now, p); v {
	case uplink.Accepted:
		c.d.Forward(c.now, 1, p)
	case uplink.Padding, uplink.Malformed:
		if p.Extended != 0 {
			p.Payload = nil
			c.d.Forward(c.now, 1, p)
		}
	}
	p.Release()
}

// decoded is what a decoder makes of what came.
type decoded struct {
	pictures  int
	gap       time.Duration // longest time without a picture
	spatial   map[int]uint8 // the largest layer shown in each second
	undecoded int           // whole frames of which something was missing
}

// decode plays a subscriber: frames by their descriptors, pictures at markers.
func (c *scalableCall) decode(packets []received, from time.Duration) (d decoded) {
	type frame struct {
		number         uint16
		count          int
		started, ended bool
		first, last    uint16
		ok, broken     bool
		references     []uint16
		spatial        uint8
	}
	d.spatial = map[int]uint8{}
	frames := map[uint16]*frame{}
	var reader codec.Descriptors
	shown := epoch.Add(from)
	for _, r := range packets {
		if len(r.Descriptor) == 0 || r.SSRC != c.d.slots[1].cfg.SSRC {
			continue
		}
		place, spatial, _, ok := reader.Read(r.Descriptor, true)
		if !ok || !place.Known() {
			c.t.Fatalf("descriptor %x cannot be read", r.Descriptor)
		}
		f := frames[place.Number]
		if f == nil {
			f = &frame{number: place.Number, spatial: spatial}
			for _, back := range place.References() {
				f.references = append(f.references, place.Number-back)
			}
			frames[place.Number] = f
			delete(frames, place.Number-5000)
		}
		f.count++
		if r.Descriptor[0]&0x80 != 0 {
			f.started, f.first = true, r.Sequence
		}
		if r.Descriptor[0]&0x40 != 0 {
			f.ended, f.last = true, r.Sequence
		}
		if !f.started || !f.ended || f.count != int(f.last-f.first)+1 {
			continue
		}
		f.ok = true
		for _, n := range f.references {
			if other := frames[n]; other == nil || !other.ok {
				f.ok, f.broken = false, true
			}
		}
		if f.broken {
			d.undecoded++
			continue
		}
		if at := r.at.Sub(epoch); r.Marker && at >= from {
			d.pictures++
			d.gap = max(d.gap, r.at.Sub(shown))
			shown = r.at
			second := int(at / time.Second)
			d.spatial[second] = max(d.spatial[second], f.spatial)
		}
	}
	return d
}

// A link of 1 Mbit/s falls to 150 kbit/s and comes back: layers are left out and
// come again, and every frame that comes can be decoded.
func TestScalableOnThinLink(t *testing.T) {
	for _, mode := range []svctest.Mode{{Spatials: 3, Temporals: 3}, {Spatials: 3, Temporals: 3, Key: true}, {Spatials: 2, Temporals: 2}} {
		t.Run(mode.String(), func(t *testing.T) {
			c := newScalableCall(t, mode, units.Mbps)
			c.wire.keeps = true
			c.play(10 * time.Second)
			c.wire.rate = 150 * units.Kbps
			c.play(10 * time.Second)
			c.wire.rate = units.Mbps
			c.play(12 * time.Second)
			d := c.decode(c.got[1], time.Second)
			t.Logf("%d pictures, longest gap %v, spatial layers by second %v, %d key frames asked for, %d packets lost in the link",
				d.pictures, d.gap, d.spatial, c.keys, c.wire.lost)
			if d.gap > time.Second {
				t.Errorf("no picture for %v", d.gap)
			}
			if n := c.decode(c.wire.sent, time.Second).undecoded; n > 0 {
				t.Errorf("%d frames were sent that nobody could decode", n)
			}
			if d.spatial[9] < 1 || d.spatial[18] != 0 || d.spatial[31] < 1 {
				t.Errorf("spatial layers %d at 1 Mbit/s, %d at 150 kbit/s, %d afterwards; want 1 or more, 0, 1 or more", d.spatial[9], d.spatial[18], d.spatial[31])
			}
		})
	}
}

// Descriptors that lie cost their publisher's subscribers a picture at most:
// nothing panics, nothing goes on in spite of them for ever, numbers stay whole.
func TestLyingDescriptors(t *testing.T) {
	lies := map[string]func(p *packet.Packet){
		"every frame begins anew":        func(p *packet.Packet) { p.Descriptor[0] |= 0xc0 },
		"templates that do not exist":    func(p *packet.Packet) { p.Descriptor[0] |= 0x3f },
		"frame numbers that leap":        func(p *packet.Packet) { p.Descriptor[1] ^= byte(p.Sequence) },
		"frame numbers that stand still": func(p *packet.Packet) { p.Descriptor[1], p.Descriptor[2] = 0, 1 },
		"cut off":                        func(p *packet.Packet) { p.Descriptor = p.Descriptor[:min(len(p.Descriptor), int(p.Sequence%9))] },
		"noise": func(p *packet.Packet) {
			for i := range p.Descriptor {
				p.Descriptor[i] ^= byte(int(p.Sequence)*31 + i*7)
			}
		},
		"no targets are sent": func(p *packet.Packet) {
			if len(p.Descriptor) > 3 {
				p.Descriptor[3] |= 0x40
			}
		},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			c := newScalableCall(t, svctest.Mode{Spatials: 3, Temporals: 3}, units.Mbps)
			c.play(2 * time.Second)
			c.mangle = lie
			c.play(5 * time.Second)
			asked := c.keys
			c.mangle = nil
			c.key = true
			c.play(6 * time.Second)
			if asked > 40 {
				t.Errorf("%d key frames were asked for in 7 s", asked)
			}
			seen := map[uint16]bool{}
			for _, r := range c.got[1] {
				if r.SSRC == c.d.slots[1].cfg.SSRC {
					if seen[r.Sequence] {
						t.Fatalf("sequence number %d came twice", r.Sequence)
					}
					seen[r.Sequence] = true
				}
			}
			after := 0
			for _, r := range c.got[1] {
				if r.Marker && r.at.After(c.now.Add(-2*time.Second)) {
					after++
				}
			}
			if after < 10 {
				t.Errorf("%d pictures in the 2 s after the lies ended", after)
			}
		})
	}
}

// A publisher that sends no key frame for a minute is asked again and again,
// but not more than twice a second, and nothing of it goes on.
func TestNoKeyframeForAMinute(t *testing.T) {
	c := newScalableCall(t, svctest.Mode{Spatials: 3, Temporals: 3}, 5*units.Mbps)
	c.mangle = func(p *packet.Packet) {
		if p.Timestamp == 3000 { // the one key frame
			p.Descriptor = []byte{0x3f, 0, 0}
		}
	}
	c.speak(0, 9)
	var last time.Time
	c.onEvent = func(ev Event) {
		if ev.Kind != KeyframeWanted {
			return
		}
		c.keys++
		last = c.now
	}
	c.play(time.Minute)
	if c.keys < 30 || c.keys > 125 {
		t.Errorf("%d key frames were asked for in a minute", c.keys)
	}
	if c.now.Sub(last) > 2*time.Second {
		t.Errorf("the last one was asked for %v ago", c.now.Sub(last))
	}
	for _, r := range c.got[1] {
		if len(r.payload) > 100 && r.SSRC == c.d.slots[1].cfg.SSRC {
			t.Fatal("something went on that cannot be decoded")
		}
	}
	c.key = true
	c.play(2 * time.Second)
	if d := c.decode(c.got[1], time.Minute); d.pictures < 20 {
		t.Errorf("%d pictures after the key frame came at last", d.pictures)
	}
}

// A hundred layers, and rates that cannot be: what is granted stays within what
// there is, and what is sent within the path.
func TestAbsurdLayers(t *testing.T) {
	c := newScalableCall(t, svctest.Mode{Spatials: 3, Temporals: 3}, 500*units.Kbps)
	var rates []LayerRate
	var infos []LayerInfo
	for i := range 100 {
		infos = append(infos, LayerInfo{Spatial: int8(i), Width: 65535, Height: 65535})
		for tl := range 10 {
			rate := []units.Rate{0, 10_000 * units.Mbps, -5, units.MaxRate, 1}[(i+tl)%5]
			rates = append(rates, LayerRate{Spatial: int8(i), Temporal: int8(tl), Rate: rate})
		}
	}
	for range 20 {
		c.d.SetLayers(c.now, 1, infos)
		c.d.SetRates(c.now, 1, rates)
		c.told = c.now.Add(time.Hour)
		c.play(200 * time.Millisecond)
		for _, layer := range []uint8{4, 100, 255} {
			p := c.pool.Get()
			p.Layer, p.Kind, p.SSRC, p.Extended = layer, codec.AV1, uint32(layer), int64(layer)
			p.Payload = p.Buffer()[:100]
			p.Info = codec.Info{Keyframe: true, FrameStart: true, FrameEnd: true, Spatial: layer, Temporal: layer}
			c.d.Forward(c.now, 1, p)
			p.Release()
		}
		s := c.d.Stats()
		if g := s.Slots[1].Grant; g.Rate > s.Budget || g.Rate < 0 {
			t.Fatalf("granted %+v of %v", g, s.Budget)
		}
	}
	if c.wire.maxWait > 600*time.Millisecond {
		t.Errorf("packets waited for %v", c.wire.maxWait)
	}
}
