package downlink

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/rewrite"
)

// slot is one outgoing stream and what fills it now.
type slot struct {
	index int
	cfg   SlotConfig

	source       Source
	acknowledged uint32 // source id that the subscriber knows to be here
	view         View
	layers       []allocator.Layer // of the source, sorted
	rates        []LayerRate       // as measured
	infos        []LayerInfo       // the source's, copied

	codec       *Codec // of the packets that come now; nil = none yet
	unsupported bool   // packets come in a format that was not negotiated
	input       uint32 // SSRC that is passed on now (audio)

	sound *sound // of an audio slot, nil for others

	selector   layer.Selector
	active     uint32       // decode targets that the source's descriptors tell of
	believed   uint32       // those that the subscriber's descriptors told of
	current    layer.Target // as last told by an event
	stream     *rewrite.Stream
	history    history
	protection *protection // nil until it is needed
	within     *within     // the same for receivers of the older form
	reported   bool        // the receiver has told of the stream
	rtx        uint16      // next sequence number of the retransmission stream

	lost     *packet.Packet // the worst loss in the queue since settleDrops
	keyframe keyframe
	still    still
	bridged  bool  // only the base temporal layer, for a moment
	crowded  bool  // the same, for the pacer holds more than it should
	told     Event // of pause, return or layer: the last that was told
	hole     hole
	owed     []debt     // nil until something is
	expected []expected // by number on the path
	owedAt   time.Time  // when to look at it again; zero = nothing is owed
	// sourceRTT is the round trip to the source; 0 = not known.
	sourceRTT time.Duration
	// refreshed is where the newest key frame begins.
	refreshed uint16
	keyed     bool // refreshed has a value
	report    report
	grant     allocator.Grant
	rest      rest
	stats     SlotStats
}

func (s *slot) init(index int, cfg SlotConfig, random *seeded) {
	cfg.Codecs = slices.Clone(cfg.Codecs)
	clock, size := uint32(90000), videoHistory
	if cfg.Kind == Audio {
		clock, size = 48000, audioHistory
	}
	first, second := random.next(), random.next()
	*s = slot{
		index:    index,
		cfg:      cfg,
		view:     View{MaxSpatial: AnySpatial},
		selector: layer.New(codec.Unknown),
		current:  layer.Paused,
		stream: rewrite.New(rewrite.Config{
			ClockRate: clock,
			// The upper half of the number space is left free, because a wrap
			// within the first packets upsets SRTP receivers (RFC 3711 §3.3.1).
			Sequence:  uint16(first) & 0x7fff,
			Timestamp: uint32(first >> 16),
			PictureID: uint16(second) & 0x7fff,
			TL0PICIDX: uint8(second >> 16),
		}),
		history: history{size: size},
		rtx:     uint16(second>>32) & 0x7fff,
		layers:  make([]allocator.Layer, 0, maxLayers),
		rates:   make([]LayerRate, 0, maxLayers),
		infos:   make([]LayerInfo, 0, maxLayers),
		grant:   allocator.Grant{Slot: index, Spatial: allocator.Paused, Temporal: allocator.Paused, Reason: allocator.NoSource},
	}
	if cfg.Kind == Audio {
		s.sound = newSound(s)
	}
}

// Assign fills a slot with a source, or empties it. The same id again only
// updates what is known of the source.
func (d *Downlink) Assign(now time.Time, index int, source Source) {
	s := d.slot(index)
	if s == nil {
		return
	}
	if source.Kind == codec.RED { // it is taken apart
		source.Kind = codec.Opus
	}
	was, unmuted := s.source.Kind, s.source.Muted && !source.Muted
	changed := source.ID != s.source.ID || source.Kind != was && source.Kind != codec.Unknown && was != codec.Unknown
	s.infos = append(s.infos[:0], source.Layers[:min(len(source.Layers), maxLayers)]...)
	s.source = source
	s.source.Layers = s.infos
	if changed {
		s.change()
	} else if unmuted && s.cfg.Kind == Video {
		// What was sent meanwhile never came here: only a key frame continues.
		s.selector.SourceChanged()
		s.keyframe, s.input = keyframe{}, 0
	}
	if source.Kind != codec.Unknown && (s.codec == nil || s.codec.Kind != source.Kind) {
		s.adopt(source.Kind)
	}
	d.allocateSoon(now, 0)
	d.meterSoon(now)
}

// change starts the slot over with packets of another source.
func (s *slot) change() {
	s.rates = s.rates[:0]
	s.codec, s.unsupported, s.input = nil, false, 0
	s.selector.SourceChanged()
	s.keyframe, s.still, s.told = keyframe{}, still{}, Event{}
	s.owed, s.owedAt = s.owed[:0], time.Time{}
	s.expected = s.expected[:0]
	s.report.prompt = true
	s.sourceRTT = 0
	if s.sound != nil {
		s.sound.change()
	}
	if s.source.ID == 0 {
		s.selector.SetTarget(layer.Paused)
	}
}

// adopt makes the slot ready for packets of a kind; false when the kind was
// not negotiated.
func (s *slot) adopt(kind codec.Kind) bool {
	s.codec = s.negotiated(kind)
	s.unsupported = s.codec == nil
	if s.unsupported {
		return false
	}
	target := s.selector.Target()
	s.selector.Reset(kind)
	s.selector.SetTarget(target)
	return true
}

// negotiated is the codec of a kind; nil when there is none.
func (s *slot) negotiated(kind codec.Kind) *Codec {
	if s.codec != nil && s.codec.Kind == kind {
		return s.codec
	}
	for i := range s.cfg.Codecs {
		if s.cfg.Codecs[i].Kind == kind {
			return &s.cfg.Codecs[i]
		}
	}
	return nil
}

// Acknowledge says that the subscriber knows source id to be in the slot: its
// packets need not name it any more. An id that is no longer there is ignored.
func (d *Downlink) Acknowledge(index int, id uint32) {
	if s := d.slot(index); s != nil && s.source.ID == id {
		s.acknowledged = id
	}
}

// SetView says how a slot is looked at.
func (d *Downlink) SetView(now time.Time, index int, v View) {
	if s := d.slot(index); s != nil && s.view != v {
		s.view = v
		d.allocateSoon(now, 0)
	}
}

// SetDataMode says how much the subscriber is willing to spend.
func (d *Downlink) SetDataMode(now time.Time, mode DataMode) {
	if d.mode != mode && mode <= VoiceOnly {
		d.mode = mode
		d.allocateSoon(now, 0)
	}
}

// SetLayers tells the sizes of a video slot's layers as the source's stream
// itself tells them; they stand in place of what was announced.
func (d *Downlink) SetLayers(now time.Time, index int, layers []LayerInfo) {
	s := d.slot(index)
	if s == nil || s.cfg.Kind == Audio || s.source.ID == 0 {
		return
	}
	for _, told := range layers[:min(len(layers), maxLayers)] {
		i := slices.IndexFunc(s.infos, func(known LayerInfo) bool { return known.Spatial == told.Spatial })
		switch {
		case i >= 0:
			s.infos[i] = told
		case len(s.infos) < maxLayers:
			s.infos = append(s.infos, told)
		}
	}
	s.source.Layers = s.infos
}

// SetRates tells the measured rates of a video slot's source, all of them.
// What is not mentioned is assumed by the size of its layer. Audio is measured
// here, so rates of an audio slot are ignored.
func (d *Downlink) SetRates(now time.Time, index int, rates []LayerRate) {
	s := d.slot(index)
	if s == nil || s.cfg.Kind == Audio || s.source.ID == 0 {
		return
	}
	s.rates = append(s.rates[:0], rates[:min(len(rates), maxLayers)]...)
	d.allocateSoon(now, ratesDelay)
}

// slot is the slot at index, nil when there is none.
func (d *Downlink) slot(index int) *slot {
	if index < 0 || index >= len(d.slots) {
		return nil
	}
	return &d.slots[index]
}
