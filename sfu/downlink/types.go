package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// LayerInfo is one spatial layer of a source, a simulcast stream or a layer
// inside its one stream, as announced or as it arrives; 0 is the smallest. Width and Height are 0 when unknown.
type LayerInfo struct {
	Spatial       int8
	Width, Height uint16
}

// Source is what a slot carries. The zero Source is an empty slot.
type Source struct {
	// ID is the room-wide short id, 1 to 65535. It is put on packets as
	// contributing source (RFC 3550 §5.1) until Acknowledge.
	ID uint32
	// Kind is the codec; codec.Unknown when it is not known yet.
	Kind   codec.Kind
	Screen bool
	Muted  bool
	// Opaque says that payloads are encrypted end to end: sound is passed on
	// as it is.
	Opaque bool
	// Layers is copied; an empty list of a video source means one layer of
	// unknown size.
	Layers []LayerInfo
}

// AnySpatial is a View without a limit.
const AnySpatial int8 = -1

// View is how a slot is looked at. A slot that was never told is seen at an
// unknown size with priority 0 and AnySpatial.
type View struct {
	Width, Height uint16 // in pixels of the screen; 0 = unknown
	Priority      uint8  // larger is more important
	Hidden        bool   // not looked at: nothing is sent
	// MaxSpatial is the highest spatial layer wanted, 0 the smallest;
	// AnySpatial (any negative number) = no limit.
	MaxSpatial int8
}

// DataMode is how much the subscriber is willing to spend.
type DataMode uint8

// Data modes.
const (
	Auto      DataMode = iota // what the path carries
	Low                       // lowest layers only, at most lowDataRate
	VoiceOnly                 // no video
)

var dataModeNames = [...]string{"auto", "low", "voice_only"}

// String answers the mode's name.
func (m DataMode) String() string {
	if int(m) < len(dataModeNames) {
		return dataModeNames[m]
	}
	return "unknown"
}

// LayerRate is the measured wire rate of one operating point, including the
// layers it depends on. Rate 0 says that it cannot be had now. Of a layer that
// is off but would be sent if it were granted, Rate is its price.
type LayerRate struct {
	Spatial, Temporal int8
	Rate              units.Rate
	// Most is the most that is sent of it, 0 = unknown; Held says that it is
	// less only because the publisher was asked to.
	Most units.Rate
	Held bool
	// FrameRate is how many frames a second it has, MostFrameRate how many at
	// Most; 0 = unknown.
	FrameRate, MostFrameRate float64
}

// DataBudget bounds what is sent to the subscriber, in bytes on the wire; 0 = no
// bound. Voice is not silenced for it.
type DataBudget struct {
	Call units.Size // since New
	Hour units.Size // in any hour
}

// Verdict is what became of one packet that was offered.
type Verdict uint8

// Verdicts.
const (
	Forwarded    Verdict = iota // queued; it leaves by Poll
	DroppedLayer                // of a layer that this subscriber does not get now
	DroppedEmpty                // the slot is empty, or the packet carries nothing
	DroppedLate                 // older than what was sent already
	DroppedCodec                // of a payload format that was not negotiated
	DroppedQueue                // the pacer's queue is full
	verdicts
)

var verdictNames = [verdicts]string{
	"forwarded", "dropped_layer", "dropped_empty", "dropped_late", "dropped_codec", "dropped_queue",
}

// String answers the verdict's name.
func (v Verdict) String() string {
	if v < verdicts {
		return verdictNames[v]
	}
	return "unknown"
}

// EventKind tells events apart.
type EventKind uint8

// Kinds of events.
const (
	// KeyframeWanted asks the publisher of Source for a key frame of the
	// simulcast layer Spatial.
	KeyframeWanted EventKind = iota
	// Paused says that the slot gets no video any more, for Reason.
	Paused
	// Resumed says that the slot is granted video again.
	Resumed
	// LayerChanged says that the slot carries Spatial, Temporal from now on.
	LayerChanged
)

var eventNames = [...]string{"keyframe_wanted", "paused", "resumed", "layer_changed"}

// String answers the kind's name.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is something that the rest of the room should hear of.
type Event struct {
	Kind              EventKind
	Slot              int
	Source            uint32
	Spatial, Temporal int8
	Reason            allocator.Reason
}

// Outgoing is one packet that leaves now. Its slices are valid until the next
// Poll or Close and must not be written to.
type Outgoing struct {
	Slot        int
	SSRC        uint32
	PayloadType uint8
	Marker      bool
	Sequence    uint16
	Timestamp   uint32
	Source      uint32 // contributing source to put on the packet, 0 = none

	TransportSequence    uint16
	HasTransportSequence bool
	Orientation          uint8
	HasOrientation       bool
	Descriptor           []byte // AV1 dependency descriptor, nil = none

	// Payload is the RTP payload, ready to be sent: picture ids rewritten,
	// original sequence number in front of a retransmission (RFC 4588 §4).
	Payload []byte
	// Padding is how many bytes of RTP padding to add (the last one counts
	// them, RFC 3550 §5.1); 0 = none.
	Padding uint8

	// Size is what the packet weighs on the wire.
	Size units.Size
	Kind bwe.Kind

	transport  int64 // unwrapped transport-wide sequence number
	probe      uint16
	appLimited bool
	protects   bool // a repair packet
	repeated   bool // a retransmission, of original
	original   uint16
	vital      bool // see vital
}

// SlotStats is one slot for operators. Counters are totals since New.
type SlotStats struct {
	Kind   SlotKind
	Source uint32
	Codec  codec.Kind
	// Spatial and Temporal are the layer that is being sent; -1 = none.
	Spatial, Temporal int8
	// Grant is what the allocator decided, and why.
	Grant allocator.Grant

	Packets, Bytes                             uint64 // first transmissions; wire bytes
	Retransmissions, RetransmissionBytes       uint64
	NACKStale                                  uint64 // asked for too late to be shown
	Repairs, RepairBytes                       uint64 // packets that repair loss before it is noticed
	Verdicts                                   [verdicts]uint64
	NACKs, NACKUnknown, NACKRefused, Keyframes uint64 // sequence numbers asked for; not known; refused; key frames asked of the publisher
	QueueDrops                                 uint64 // packets that the pacer gave up
	GivenUp                                    uint64 // packets lacked by the subscriber for which a key frame was asked

	// Voice is how sound is sent in an audio slot.
	Voice VoiceStats
}

// VoiceStats is the sound of one slot for operators.
type VoiceStats struct {
	Mode voice.Mode
	// Rate is what it costs on the wire now, silence included, slowly
	// forgotten; Payload is the rate of Opus while the source speaks, Duty the
	// share of time, 0 to 1, in which it does.
	Rate, Payload units.Rate
	Duty          float64
	// Room is the payload rate that would fit the path well; 0 = any.
	Room units.Rate
	// Published is the packet time of the source, Bandwidth that of its sound, as
	// of the last packet.
	Published time.Duration
	Bandwidth opuspkt.Bandwidth
	// Lost is the share of sound, 0 to 1, that the path takes away after every repair,
	// Burst how bursty that is (from 1), and Wait how much later it comes than as
	// published.
	Lost  float64
	Burst float64
	Wait  time.Duration
	voice.Stats
}

// Stats is one downlink for operators.
type Stats struct {
	Slots []SlotStats
	Path  bwe.Stats
	// Decision is the controller's last.
	Decision bwe.Decision
	// RTT is the round-trip time that retransmission reckons with.
	RTT time.Duration
	// Queued is what waits in the pacer.
	Queued      units.Size
	QueuedDelay time.Duration
	Voice       units.Rate // measured wire rate of voice
	VoiceLoss   float64    // loss that redundancy is decided by, 0 to 1
	Budget      units.Rate // what the last allocation had to spend
	// Heard says whether the subscriber has reported anything yet.
	Heard bool
	// VoiceOverhead is what a packet of voice weighs beside its payload.
	VoiceOverhead units.Size
	Packets       uint64 // everything that left
	Bytes         uint64 // on the wire
	PaddingBytes  uint64
	Failed        uint64 // writes that sent nothing
	History       int    // packets held for retransmission
	// Demands are what the last allocation had to choose from: with another
	// budget one can tell what would have been granted.
	Demands  []allocator.Demand `json:"-"`
	DataMode DataMode
}
