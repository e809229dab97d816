package downlink

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// MaxSlots bounds the slots of one downlink.
const MaxSlots = 64

// maxCodecs bounds the codecs of one slot, maxLayers the operating points of
// one source (3 simulcast layers x 4 temporal ones).
const (
	maxCodecs = 16
	maxLayers = 16
)

// SlotKind is what a slot may carry.
type SlotKind uint8

// Kinds of slots.
const (
	Audio SlotKind = iota
	Video
)

// Codec is one negotiated payload format of a slot.
type Codec struct {
	Kind        codec.Kind
	PayloadType uint8
	// RTXPayloadType is the payload type of its retransmissions (RFC 4588);
	// 0 = none negotiated.
	RTXPayloadType uint8
}

// SlotConfig is one outgoing RTP stream.
type SlotConfig struct {
	Kind SlotKind
	SSRC uint32
	// RTXSSRC is the stream of its retransmissions; 0 = none, then lost
	// packets are sent again as they were.
	RTXSSRC uint32
	// Codecs are what was negotiated. A packet of another kind is dropped.
	Codecs []Codec
	// NACK says that the receiver may ask for retransmission.
	NACK bool
	// FECSSRC is the stream of repair packets, of FECPayloadType
	// (draft-ietf-payload-flexible-fec-scheme-03); 0 = not negotiated.
	FECSSRC        uint32
	FECPayloadType uint8
	// REDPayloadType and ULPPayloadType are those of repair packets within the
	// stream (RFC 5109 in RFC 2198), for a receiver that has no other form; 0 =
	// not negotiated.
	REDPayloadType, ULPPayloadType uint8
	// Named says that packets carry the names of their section and layer until the
	// receiver has reported the stream (RFC 8843 §9.2): nothing is protected before.
	Named bool
	// Extensions are the ids of the header extensions as they will be written,
	// which repair packets protect; 0 = not negotiated.
	Extensions Extensions
}

// Extensions are ids of header extensions.
type Extensions struct{ TransportWide, Orientation, Descriptor uint8 }

// Config is one subscriber. It is read by New only.
type Config struct {
	// Slots are numbered by their place here, from 0.
	Slots []SlotConfig
	// Overhead is what the wire adds to each RTP packet: IP, UDP, SRTP tag,
	// and TURN where it is used. See SetOverhead.
	Overhead units.Size
	// TransportWide says that transport-wide sequence numbers were negotiated.
	TransportWide bool
	// StreamFeedback says that the receiver reports by stream (RFC 8888), which
	// needs no numbers on the packets.
	StreamFeedback bool
	// AudioLevel says that each packet of sound carries its level (RFC 6464).
	AudioLevel bool
	// PlainVoice passes sound on as it was published, to compare with.
	PlainVoice bool
	// Repair says how loss of pictures is made up for.
	Repair RepairMode
	// BWE sets the congestion controller up; bwe.DefaultConfig is a good one.
	BWE bwe.Config
	// Stills says that a picture that the path is too thin for may stand still,
	// refreshed by a key frame now and then.
	Stills bool
	// Seed is what initial sequence numbers and timestamps are drawn from
	// (RFC 3550 §5.1 wants them unpredictable): the caller's randomness.
	Seed uint64
	// Recorder is told of decisions; may be nil.
	Recorder Recorder
}

// RepairMode says how loss of pictures is made up for. All of it is the default;
// less is to compare with.
type RepairMode uint8

// Modes of repair.
const (
	RepairAhead RepairMode = iota // repair packets where they pay, retransmission everywhere
	RepairAsked                   // retransmission alone
	RepairNone                    // neither: only key frames
)

var repairNames = [...]string{"fec", "retransmission", "none"}

// String is the name that ParseRepair reads.
func (r RepairMode) String() string {
	if int(r) < len(repairNames) {
		return repairNames[r]
	}
	return "unknown"
}

// ParseRepair reads the name of a mode: fec, retransmission or none.
func ParseRepair(name string) (RepairMode, error) {
	for i, n := range repairNames {
		if n == name {
			return RepairMode(i), nil
		}
	}
	return 0, fmt.Errorf("downlink: repair %q is unknown; there are fec, retransmission and none", name)
}

// Recorder is told what a downlink decides, for traces. It must not call back.
type Recorder interface {
	// Decided is told of every change of the controller's decision.
	Decided(now time.Time, d bwe.Decision)
	// Granted is told of every allocation; grants is valid during the call.
	Granted(now time.Time, budget units.Rate, grants []allocator.Grant)
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if len(c.Slots) > MaxSlots {
		return fmt.Errorf("downlink: %d slots are more than %d", len(c.Slots), MaxSlots)
	}
	if c.Overhead < 0 || c.Overhead > 1000 {
		return fmt.Errorf("downlink: overhead %v is outside 0 to 1000 bytes", c.Overhead)
	}
	if c.Repair > RepairNone {
		return fmt.Errorf("downlink: repair mode %d is unknown", c.Repair)
	}
	for i, s := range c.Slots {
		if err := s.validate(); err != nil {
			return fmt.Errorf("downlink: slot %d: %w", i, err)
		}
		for j, other := range c.Slots[:i] {
			if s.shares(other) {
				return fmt.Errorf("downlink: slots %d and %d share an ssrc", j, i)
			}
		}
	}
	if err := c.BWE.Validate(); err != nil {
		return fmt.Errorf("downlink: %w", err)
	}
	return nil
}

func (s SlotConfig) validate() error {
	switch {
	case s.Kind > Video:
		return fmt.Errorf("kind %d is unknown", s.Kind)
	case s.SSRC == 0:
		return errors.New("ssrc must not be 0")
	case s.RTXSSRC == s.SSRC:
		return errors.New("rtx must have an ssrc of its own")
	case len(s.Codecs) > maxCodecs:
		return fmt.Errorf("%d codecs are more than %d", len(s.Codecs), maxCodecs)
	}
	if max(s.FECPayloadType, s.REDPayloadType, s.ULPPayloadType) > 127 {
		return errors.New("a payload type of repair is above 127")
	}
	for _, c := range s.Codecs {
		if c.PayloadType > 127 || c.RTXPayloadType > 127 {
			return fmt.Errorf("payload type of %v is above 127", c.Kind)
		}
	}
	return nil
}

func (s SlotConfig) shares(o SlotConfig) bool {
	if s.SSRC == o.SSRC || s.SSRC == o.RTXSSRC {
		return true
	}
	return s.RTXSSRC != 0 && (s.RTXSSRC == o.SSRC || s.RTXSSRC == o.RTXSSRC)
}
