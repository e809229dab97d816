package downlink

import (
	"cmp"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	audioSSRC    = 1000
	videoSSRC    = 2000 // + slot
	videoRTXSSRC = 3000 // + slot

	opusType, redType, vp8Type, vp8RTXType = 111, 63, 96, 97

	overhead units.Size = 20 + 8 + 16
)

// config is one audio slot, 0, and video slots after it.
func config(video int) Config {
	cfg := Config{
		Slots: []SlotConfig{{
			Kind: Audio, SSRC: audioSSRC, Codecs: []Codec{{Kind: codec.Opus, PayloadType: opusType}},
		}},
		Overhead: overhead, TransportWide: true, Stills: true, BWE: bwe.DefaultConfig(), Seed: 42,
	}
	cfg.BWE.Known = 300 * units.Kbps // begin with video
	for i := 1; i <= video; i++ {
		cfg.Slots = append(cfg.Slots, SlotConfig{
			Kind: Video, SSRC: videoSSRC + uint32(i), RTXSSRC: videoRTXSSRC + uint32(i), NACK: true,
			Codecs: []Codec{{Kind: codec.VP8, PayloadType: vp8Type, RTXPayloadType: vp8RTXType}},
		})
	}
	return cfg
}

// epoch is when every test begins; the monotonic clock is absent on purpose.
var epoch = time.Date(2026, 11, 1, 12, 0, 0, 7, time.UTC)

// received is one packet as the subscriber sees it.
type received struct {
	Outgoing
	payload []byte
	at      time.Time
}

// wire is a path with a rate, a delay, and a queue.
type wire struct {
	queue   time.Duration // 0 = half a second
	rate    units.Rate
	delay   time.Duration
	free    time.Time
	flight  []received
	keeps   bool
	sent    []received // all that was given to it, if it keeps that
	lost    int
	maxWait time.Duration
	loses   func() bool          // beyond the queue; nil = nothing
	drops   func(*Outgoing) bool // these; nil = none
}

func (w *wire) send(now time.Time, out *Outgoing) {
	if w.free.Before(now) {
		w.free = now
	}
	wait := w.free.Sub(now)
	if w.keeps {
		w.sent = append(w.sent, received{Outgoing: *out, payload: append([]byte(nil), out.Payload...), at: now})
		w.sent[len(w.sent)-1].Descriptor = append([]byte(nil), out.Descriptor...)
	}
	if most := cmp.Or(w.queue, 500*time.Millisecond); wait > most {
		w.lost++
		return
	}
	w.maxWait = max(w.maxWait, wait)
	w.free = w.free.Add(out.Size.At(w.rate))
	if w.loses != nil && w.loses() || w.drops != nil && w.drops(out) {
		return
	}
	r := received{Outgoing: *out, payload: append([]byte(nil), out.Payload...), at: w.free.Add(w.delay)}
	r.Descriptor = append([]byte(nil), out.Descriptor...)
	w.flight = append(w.flight, r)
}

// call is one subscriber in virtual time, a millisecond a step.
type call struct {
	t         *testing.T
	now       time.Time
	pool      *packet.Pool
	d         *Downlink
	wire      wire
	recorder  *feedback.Recorder
	back      []byte
	backAt    time.Time
	speakers  map[int]*talker    // by slot
	cameras   map[int][]*camera  // by slot
	sources   map[int]uint32     // by slot
	got       map[int][]received // by slot
	events    []Event
	frameAt   time.Time
	voiceSize int // of 20 ms of sound, in bytes
	voiceAt   time.Time
	rates     bool // measured rates are told
	onEvent   func(Event)
	deaf      bool // nothing is reported
	reports   []rtcp.SenderReport
	// unreported says whether a report is lost; nil = none is.
	unreported func() bool
}

func newCall(t *testing.T, cfg Config, rate units.Rate) *call {
	t.Helper()
	d, err := New(epoch, cfg)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
	if err != nil {
		t.Fatal(err)
	}
	c := &call{
		t: t, now: epoch, pool: packet.NewPool(), d: d, recorder: rec,
		wire:     wire{rate: rate, delay: 20 * time.Millisecond},
		speakers: map[int]*talker{}, cameras: map[int][]*camera{}, sources: map[int]uint32{},
		got: map[int][]received{}, frameAt: epoch, voiceAt: epoch, rates: true, voiceSize: 60,
	}
	t.Cleanup(func() {
		d.Close()
		if n := c.pool.InUse(); n != 0 {
			t.Errorf("%d packets outlive the downlink", n)
		}
	})
	return c
}

// speak puts a voice into a slot.
func (c *call) speak(slot int, id uint32) {
	c.speakers[slot] = &talker{pool: c.pool, ssrc: id, next: int64(id) * 1000}
	c.sources[slot] = id
	c.d.Assign(c.now, slot, Source{ID: id, Kind: codec.Opus})
}

// show puts a camera with three layers into a slot.
func (c *call) show(slot int, id uint32) {
	var cams []*camera
	src := Source{ID: id, Kind: codec.VP8}
	for i, r := range []units.Rate{120 * units.Kbps, 400 * units.Kbps, 1200 * units.Kbps} {
		cams = append(cams, &camera{
			pool: c.pool, ssrc: id*10 + uint32(i), layer: uint8(i), rate: r,
			next: int64(id)*7000 + int64(i)*500, time: id * 1e6, picture: uint16(id * 100), tl0: uint8(id * 10),
		})
		src.Layers = append(src.Layers, LayerInfo{int8(i), 320 << i, 180 << i})
	}
	c.cameras[slot] = cams
	c.sources[slot] = id
	c.d.Assign(c.now, slot, src)
	c.tellRates()
}

func (c *call) tellRates() {
	for i := range c.d.slots {
		cams := c.cameras[i]
		if !c.rates || cams == nil {
			continue
		}
		var rates []LayerRate
		for s, cam := range cams {
			for t, share := range []float64{0.25, 0.5, 1} {
				rates = append(rates, LayerRate{Spatial: int8(s), Temporal: int8(t), Rate: cam.rate.Scale(share * 1.05)})
			}
		}
		c.d.SetRates(c.now, i, rates)
	}
}

// run lets time pass.
func (c *call) run(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(time.Millisecond) {
		c.publish()
		c.work()
		c.receive()
		c.work()
		c.events = c.d.Events(c.events)
		for _, ev := range c.events {
			if c.onEvent != nil {
				c.onEvent(ev)
			}
			if ev.Kind == KeyframeWanted && ev.Source == c.sources[ev.Slot] && int(ev.Spatial) < len(c.cameras[ev.Slot]) {
				c.cameras[ev.Slot][ev.Spatial].wantKey = true
			}
		}
		c.events = c.events[:0]
	}
}

// work is what the worker does when Next has come. It must not be asked for
// the same instant for ever.
func (c *call) work() {
	for range 8 {
		if !due(c.now, c.d.Next()) {
			return
		}
		c.d.Tick(c.now)
		if c.d.ReportDue(c.now) {
			c.reports = c.d.AppendSenderReports(c.now, c.reports)
		}
		c.poll()
	}
	c.t.Fatalf("at %v the downlink still wants %v: queue %v, controller %v, allocation %v, keyframe %v", c.now,
		c.d.Next(), c.d.queue.Next(), c.d.bwe.Next(), c.d.allocateAt, c.d.slots[1].keyframe.retryAt)
}

func (c *call) publish() {
	for ; !c.voiceAt.After(c.now); c.voiceAt = c.voiceAt.Add(20 * time.Millisecond) {
		for i := range c.d.slots {
			if v := c.speakers[i]; v != nil {
				p := v.packet(c.now, c.voiceSize)
				c.d.Forward(c.now, i, p)
				p.Release()
			}
		}
	}
	for ; !c.frameAt.After(c.now); c.frameAt = c.frameAt.Add(frameTime) {
		for i := range c.d.slots {
			for _, cam := range c.cameras[i] {
				for _, p := range cam.frame(c.now) {
					c.d.Forward(c.now, i, p)
					p.Release()
				}
			}
		}
	}
}

func (c *call) poll() {
	var out Outgoing
	for c.d.Poll(c.now, &out) {
		c.wire.send(c.now, &out)
		c.d.Sent(c.now, &out, true)
	}
}

// receive takes what has arrived and reports it.
func (c *call) receive() {
	n := 0
	for _, r := range c.wire.flight {
		if r.at.After(c.now) {
			break
		}
		n++
		c.recorder.OnArrival(r.at, r.TransportSequence, r.Size)
		if slot := c.d.slots[r.Slot]; r.SSRC != slot.cfg.RTXSSRC {
			clock := uint32(90000)
			if slot.cfg.Kind == Audio {
				clock = 48000
			}
			c.recorder.OnMedia(r.at, r.SSRC, r.Timestamp, clock)
		}
		c.got[r.Slot] = append(c.got[r.Slot], r)
	}
	c.wire.flight = c.wire.flight[n:]
	if c.back != nil && !c.backAt.After(c.now) {
		c.d.HandleTransportFeedback(c.now, c.back)
		c.back = nil
	}
	if !c.deaf && c.back == nil && c.recorder.Due(c.now) {
		c.back, _ = c.recorder.Build(c.now, nil)
		if c.unreported != nil && c.unreported() {
			c.back = nil
		}
		c.backAt = c.now.Add(c.wire.delay)
	}
}

// media are the packets of a slot's media stream, with retransmissions put in
// their places.
func (c *call) media(slot int) []received {
	var all []received
	for _, r := range c.got[slot] {
		if r.SSRC == c.d.slots[slot].cfg.RTXSSRC {
			continue
		}
		all = append(all, r)
	}
	return all
}

// bitrate is what a slot received since a time.
func (c *call) bitrate(slot int, since time.Time) units.Rate {
	var size units.Size
	for _, r := range c.got[slot] {
		if !r.at.Before(since) {
			size += r.Size
		}
	}
	return size.Over(c.now.Sub(since))
}

// sound is how much sound a slot received since a time, without copies.
func (c *call) sound(slot int, since time.Time) (total time.Duration) {
	for _, r := range c.got[slot] {
		if r.at.Before(since) {
			continue
		}
		payload := r.payload
		if r.PayloadType == redType {
			p, err := red.Parse(payload)
			if err != nil {
				c.t.Fatalf("RED that cannot be read: %v", err)
			}
			payload = p.Primary
		}
		total += opuspkt.Duration(payload)
	}
	return total
}

// checkContinuous fails when sequence numbers repeat or skip, timestamps go
// back, or picture ids do not follow each other.
func checkContinuous(t *testing.T, all []received) {
	t.Helper()
	for i := 1; i < len(all); i++ {
		a, b := &all[i-1], &all[i]
		if b.Sequence != a.Sequence+1 {
			t.Fatalf("packet %d: sequence %d follows %d", i, b.Sequence, a.Sequence)
		}
		if int32(b.Timestamp-a.Timestamp) < 0 {
			t.Fatalf("packet %d: timestamp %d follows %d", i, b.Timestamp, a.Timestamp)
		}
		if b.PayloadType != vp8Type {
			continue
		}
		x, y := pictureOf(a.payload), pictureOf(b.payload)
		want := x
		if b.Timestamp != a.Timestamp {
			want = (x + 1) & 0x7fff
		}
		if y != want {
			t.Fatalf("packet %d: picture %d follows %d, timestamps %d and %d", i, y, x, a.Timestamp, b.Timestamp)
		}
	}
}

func pictureOf(payload []byte) uint16 { return binary.BigEndian.Uint16(payload[2:]) & 0x7fff }

// checkDecodable fails when a frame goes out whose references did not: all of
// VP8's temporal layer 0 since the key frame.
func checkDecodable(t *testing.T, all []received) {
	t.Helper()
	tl0, begun := math.MaxInt, false
	for i := range all {
		p := all[i].payload
		tid, start, key := p[5]>>6, p[0]&0x10 != 0, p[6]&1 == 0
		switch {
		case start && key:
			begun = true
		case !begun:
			t.Fatalf("packet %d is sent before any key frame", i)
		case tid == 0 && start && int(p[4]) != (tl0+1)&0xff:
			t.Fatalf("packet %d: base frame %d follows %d", i, p[4], tl0)
		}
		if tid == 0 {
			tl0 = int(p[4])
		}
	}
}
