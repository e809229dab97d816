package peer

import (
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// maxLayers is how many simulcast layers a track may have.
const maxLayers = 4

// TrackConfig describes a track when it is published.
type TrackConfig struct {
	// ID is the room-wide short id, 1 to 65535.
	ID    uint32
	Video bool
	// Screen marks shared screens, where sharpness goes before motion.
	Screen bool
	// RIDs name the simulcast layers from small to large; empty for one layer.
	RIDs []string
	// Layers are their sizes, in the same order; may be empty.
	Layers []downlink.LayerInfo
	// MaxRates are the most that each uses, of payload; 0 or missing = unknown.
	MaxRates []units.Rate
	// Obeys says that the client sends what Handler.EncodingChanged says.
	Obeys bool
}

// Track is one published track: where its packets come in and who gets them.
type Track struct {
	TrackConfig

	publisher *Peer
	workers   []*worker
	muted     atomic.Bool
	kind      atomic.Uint32 // codec.Kind of the newest packet
	rates     atomic.Pointer[[]downlink.LayerRate]
	mix       atomic.Pointer[Mix] // the mixer that wants the packets; nil for none
	sizes     atomic.Pointer[[]downlink.LayerInfo]

	// active has a bit for each worker that has subscribers.
	active atomic.Uint64
	// subscribers[i] belongs to worker i.
	subscribers [maxWorkers][]subscription

	// Guarded by the publisher's ingress lock.
	layers [maxLayers]*uplink.Stream
	level  levelSum
	orders orders
}

// Kind is the codec of the newest packet, codec.Unknown before the first.
func (t *Track) Kind() codec.Kind { return codec.Kind(t.kind.Load()) }

// SetMuted stops or resumes forwarding.
func (t *Track) SetMuted(muted bool) {
	t.muted.Store(muted)
	if t.publisher == nil || !t.Video {
		return
	}
	t.publisher.ingress.mu.Lock()
	defer t.publisher.ingress.mu.Unlock()
	if t.orders.track != nil {
		t.orders.track.SetMuted(time.Now(), muted)
	}
}

// Muted says whether the track is muted.
func (t *Track) Muted() bool { return t.muted.Load() }

// Rates are the measured wire rates of the layers; nil before the first
// measurement. The slice must not be written to.
func (t *Track) Rates() []downlink.LayerRate {
	if p := t.rates.Load(); p != nil {
		return *p
	}
	return nil
}

// Sizes are the sizes of the layers as the stream itself tells them; nil while
// it has told none. The slice must not be written to.
func (t *Track) Sizes() []downlink.LayerInfo {
	if p := t.sizes.Load(); p != nil {
		return *p
	}
	return nil
}

// fanOut hands a packet once to each worker that has a subscriber, and to the
// room's mixer if that wants it.
func (t *Track) fanOut(p *packet.Packet) {
	if t.muted.Load() {
		return
	}
	for mask := t.active.Load(); mask != 0; mask &= mask - 1 {
		t.workers[bits.TrailingZeros64(mask)].forward(t, p)
	}
	if x := t.mix.Load(); x != nil {
		x.put(t, p)
	}
}

// subscribe and unsubscribe run on worker i.
func (t *Track) subscribe(i int, s subscription) {
	t.subscribers[i] = append(t.subscribers[i], s)
	t.active.Or(1 << i)
}

func (t *Track) unsubscribe(i int, e *egress, slot int) {
	t.subscribers[i] = slices.DeleteFunc(t.subscribers[i], func(s subscription) bool {
		return s.egress == e && s.slot == slot
	})
	if len(t.subscribers[i]) == 0 {
		t.active.And(^uint64(1 << i))
	}
}

// requestKeyframe asks the publisher for a key frame of a layer; requests are
// merged and throttled by the uplink.
func (t *Track) requestKeyframe(now time.Time, layer int) {
	t.publisher.ingress.requestKeyframe(now, t, layer)
}

// measure leaves the rates and sizes of what arrives for the downlinks,
// whatever was announced, and decides what shall arrive. The ingress lock is
// held.
//
// Simulcast layers are streams of their own, each whole; the layers of a track
// of one stream are those inside it.
func (t *Track) measure(now time.Time, alive bool) {
	var rates []downlink.LayerRate
	var sizes []downlink.LayerInfo
	simulcast := slices.ContainsFunc(t.layers[1:], func(s *uplink.Stream) bool { return s != nil })
	for i, s := range t.layers {
		if s == nil {
			continue
		}
		points := s.Rates(now)
		known, count := s.Sizes()
		for spatial := range count {
			layer := int8(spatial)
			if simulcast {
				if spatial < count-1 {
					continue
				}
				layer = int8(i)
			}
			if size := known[spatial]; size.Width > 0 && size.Height > 0 {
				sizes = append(sizes, downlink.LayerInfo{Spatial: layer, Width: size.Width, Height: size.Height})
			}
			rates = appendRates(rates, layer, points[spatial], s.Active(now), s.Interval())
		}
	}
	if t.orders.track != nil {
		var inside []downlink.LayerInfo
		if rates, inside = t.order(now, alive); len(inside) > 0 {
			sizes = inside
		}
	}
	if len(rates) > 0 {
		t.rates.Store(&rates)
	}
	if len(sizes) > 0 {
		t.sizes.Store(&sizes)
	}
}

// appendRates adds the operating points of one spatial layer, whose frames come with
// an interval, 0 if that is not known. A layer that is known and not sent now has a
// rate of 0.
func appendRates(rates []downlink.LayerRate, spatial int8, points [uplink.Temporals]units.Rate, active bool, interval time.Duration) []downlink.LayerRate {
	sent, first := false, len(rates)
	for temporal, r := range points {
		if r > 0 && active {
			sent = true
			rates = append(rates, downlink.LayerRate{Spatial: spatial, Temporal: int8(temporal), Rate: r})
		}
	}
	if !sent {
		return append(rates, downlink.LayerRate{Spatial: spatial})
	}
	if interval > 0 {
		perSecond := float64(time.Second) / float64(interval)
		for i := len(rates) - 1; i >= first; i-- { // each temporal layer below has half as many
			rates[i].FrameRate = perSecond
			perSecond /= 2
		}
	}
	return rates
}

// Level is what was heard of an audio track since the last look.
type Level struct {
	// Packets is how many packets came; 0 means silence or loss.
	Packets int
	// Level is the loudest in -dBov, 0 (loudest) to 127; valid if HasLevel.
	Level    uint8
	HasLevel bool
	// Active says that the sender itself heard a voice (RFC 6464 §3).
	Active bool
	// PayloadSize is the mean size of 20 ms of sound in bytes, however many of
	// them a packet holds or repeats.
	PayloadSize int
}

// levelSum gathers a Level.
type levelSum struct {
	packets, bytes int
	loudest        uint8
	hasLevel       bool
	active         bool
}

func (l *levelSum) add(p *packet.Packet) {
	if l.packets == 0 {
		l.loudest = math.MaxInt8
	}
	l.packets++
	l.bytes += weight(p)
	if p.HasAudioLevel {
		l.hasLevel = true
		l.loudest = min(l.loudest, p.AudioLevel)
		l.active = l.active || p.VoiceActive
	}
}

// weight is the size of 20 ms of the newest sound in a packet, in bytes.
func weight(p *packet.Packet) int {
	sound := soundOf(p)
	length := opuspkt.Duration(sound)
	if length == 0 {
		return len(sound)
	}
	return int(time.Duration(len(sound)) * 20 * time.Millisecond / length)
}

// TakeLevel answers what was heard since the last call.
func (t *Track) TakeLevel() Level {
	t.publisher.ingress.mu.Lock()
	l := t.level
	t.level = levelSum{}
	t.publisher.ingress.mu.Unlock()
	if l.packets == 0 {
		return Level{}
	}
	return Level{
		Packets: l.packets, Level: l.loudest, HasLevel: l.hasLevel,
		Active: l.active, PayloadSize: l.bytes / l.packets,
	}
}
