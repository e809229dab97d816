package client

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	voiceRate = 64 * units.Kbps
	videoRate = 2500 * units.Kbps
)

// Errors of Sender.Write.
var (
	ErrNotPublished = errors.New("client: the source is not published")
	ErrTooLarge     = errors.New("client: the payload does not fit a packet")
	ErrMalformed    = errors.New("client: the payload is not of its codec")
	ErrOverload     = errors.New("client: too many packets wait to be sent")
)

func (p Publication) withDefaults() Publication {
	if p.Kind == codec.Unknown {
		p.Kind = codec.Opus
		if p.Source.Video() {
			p.Kind = codec.VP8
		}
	}
	if p.MaxRate <= 0 {
		p.MaxRate = voiceRate
		if p.Source.Video() {
			p.MaxRate = videoRate
		}
	}
	return p
}

func (p Publication) command() signal.Publish {
	return signal.Publish{Source: p.Source, Encrypted: p.Encrypted, Muted: p.Muted, Width: p.Width, Height: p.Height, Layers: p.Layers}
}

// Frame is one RTP packet's worth of media.
type Frame struct {
	Layer     int    // simulcast layer, 0 is the smallest
	Timestamp uint32 // on the codec's clock; any origin
	Marker    bool
	Payload   []byte // copied
	// Level and Voice are those of RFC 6464: -dBov, and whether it is speech.
	// Only sound has them.
	Level uint8
	Voice bool
	// Descriptor is the AV1 dependency descriptor, if any.
	Descriptor []byte
}

// stream is one RTP stream of a sender: a layer.
type stream struct {
	sender *Sender
	layer  int
	slot   int // in the downlink
	track  *sendTrack
	ssrc   uint32 // of what is written, before it is numbered anew

	// Owned by the run loop.
	most   units.Rate // on the wire, as published
	inside int8       // the spatial layers inside it, up to this one

	// Owned by who writes.
	sequence    int64
	descriptors codec.Descriptors
}

// Sender sends one source. Write is for one goroutine at a time.
type Sender struct {
	call    *Call
	source  signal.Source
	reserve Publication
	streams []*stream
	wanted  atomic.Uint32 // one bit for each layer of which a key frame is wanted
	target  atomic.Int64  // bits per second
	room    atomic.Int64  // payload of sound that our path has room for; 0 = any
	asked   atomic.Pointer[signal.EncodeAudio]
	orders  atomic.Pointer[[]signal.EncodeLayer]

	// twin sends the same directly; nil where there is no direct path.
	twin atomic.Pointer[Sender]

	mu        sync.Mutex
	published bool
	kind      codec.Kind
	current   Publication
}

// Source is what is sent.
func (s *Sender) Source() signal.Source { return s.source }

// mid is the media section's, known once an offer was made.
func (s *Sender) mid() string { return s.streams[0].track.transceiver.Mid() }

// Target is the wire rate that the path has for this source now: what an
// encoder should follow, after taking off about 60 bytes a packet.
func (s *Sender) Target() units.Rate {
	target := units.Rate(s.target.Load())
	if twin := s.twin.Load(); twin != nil {
		if direct := twin.Target(); s.call.paused() || direct > 0 {
			return direct
		}
	}
	return target
}

// Encodings are how the server wants the layers of a picture sent, from small to
// large; nil while it has not said. They must not be written to. What is written
// of a layer that is not active is not sent.
func (s *Sender) Encodings() []signal.EncodeLayer {
	ordered := s.ordered()
	if ordered == nil || s.twin.Load() == nil {
		return ordered
	}
	return directEncodings(ordered, s.call.paused())
}

// ordered is what the server has said.
func (s *Sender) ordered() []signal.EncodeLayer {
	if p := s.orders.Load(); p != nil {
		return *p
	}
	return nil
}

// obey takes in new encodings.
func (s *Sender) obey(layers []signal.EncodeLayer) {
	if !s.source.Video() || len(layers) == 0 {
		return
	}
	s.orders.Store(&layers)
	s.call.media.post(func(now time.Time) { s.call.media.egress.limit(now, s, layers) })
}

// off says whether the server wants nothing of a layer.
func (s *Sender) off(layer int) bool {
	orders := s.ordered()
	return layer < len(orders) && !orders[layer].Active
}

// KeyframeRequested says whether somebody waits for a key frame of a layer. It
// is told once of each request.
func (s *Sender) KeyframeRequested(layer int) bool {
	if layer < 0 || layer >= len(s.streams) {
		return false
	}
	if twin := s.twin.Load(); twin != nil && layer == len(s.streams)-1 && twin.KeyframeRequested(0) {
		return true
	}
	bit := uint32(1) << layer
	return s.wanted.Load()&bit != 0 && s.wanted.And(^bit)&bit != 0
}

// Write sends one packet. What the pacer cannot carry it drops, and counts. Until there
// is a path only the newest sound is kept, to be sent with its first packet: begin to
// speak when the call is joined, not when it is connected.
func (s *Sender) Write(now time.Time, f Frame) error {
	s.mu.Lock()
	kind, on := s.kind, s.published
	s.mu.Unlock()
	if !on || f.Layer < 0 || f.Layer >= len(s.streams) {
		return ErrNotPublished
	}
	if twin := s.twin.Load(); twin != nil && f.Layer == len(s.streams)-1 {
		single := f
		single.Layer = 0
		if err := twin.Write(now, single); s.call.paused() {
			return err
		}
	}
	if s.off(f.Layer) || s.call.paused() {
		return nil
	}
	m := s.call.media
	p := m.pool.Get()
	buffer := p.Buffer()
	if len(f.Payload)+len(f.Descriptor) > len(buffer) {
		p.Release()
		return ErrTooLarge
	}
	n := copy(buffer, f.Payload)
	p.Payload = buffer[:n:n]
	if len(f.Descriptor) > 0 {
		p.Descriptor = buffer[n : n+copy(buffer[n:], f.Descriptor)]
	}
	info, ok := codec.Inspect(kind, p.Payload, p.Descriptor, f.Marker)
	if !ok {
		p.Release()
		return ErrMalformed
	}
	st := s.streams[f.Layer]
	if len(p.Descriptor) > 0 {
		place, spatial, temporal, ok := st.descriptors.Read(p.Descriptor, true)
		if !ok {
			p.Release()
			return ErrMalformed
		}
		if p.Placement = place; place.Known() {
			info.Spatial, info.Temporal = spatial, temporal
		}
	}
	p.Arrival, p.Kind, p.Info, p.Marker = now, kind, info, f.Marker
	p.SSRC, p.Timestamp = st.ssrc, f.Timestamp
	p.Extended, p.Sequence = st.sequence, uint16(st.sequence)
	if !s.source.Video() {
		p.HasAudioLevel, p.AudioLevel, p.VoiceActive = true, f.Level, f.Voice
	}
	if !m.inbox.Put(item{stream: st, packet: p}) {
		p.Release()
		m.overload.Add(1)
		return ErrOverload
	}
	st.sequence++
	return nil
}

// start lets packets through.
func (s *Sender) start(p Publication) {
	p = p.withDefaults()
	s.orders.Store(nil)
	s.mu.Lock()
	s.published, s.kind, s.current = true, p.Kind, p
	s.mu.Unlock()
	if twin := s.twin.Load(); twin != nil {
		twin.start(p.alone())
	}
	s.call.media.post(func(now time.Time) { s.call.media.egress.begin(now, s, p) })
}

// stop lets no more packets through.
func (s *Sender) stop() {
	s.mu.Lock()
	s.published = false
	s.mu.Unlock()
	if twin := s.twin.Load(); twin != nil {
		twin.stop()
	}
	s.call.media.post(func(now time.Time) { s.call.media.egress.finish(now, s) })
}
