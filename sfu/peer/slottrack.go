package peer

import (
	"errors"
	"strconv"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// slotTrack is one outgoing RTP stream as pion sees it: a track that is bound
// once, for the whole call, whatever it carries.
type slotTrack struct {
	slot  int
	mid   string
	video bool
	// main marks the first slot of its kind.
	main  bool
	first uint32 // its SSRC; see profile.Stream

	// Set by Bind during negotiation, before the worker sees the slot.
	writer     webrtc.TrackLocalWriter
	ssrc, rtx  uint32
	codecs     []downlink.Codec
	nack       bool
	fec        uint32 // SSRC of repair packets
	fecType    uint8  // and their payload type; 0 = not negotiated
	red, ulp   uint8  // payload types of the older form of them; 0 = not negotiated
	extensions profile.IDs
}

// Bind notes what was negotiated. The list is copied because pion shrinks it
// afterwards.
func (s *slotTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	offered := ctx.CodecParameters()
	s.writer = ctx.WriteStream()
	s.ssrc = s.first
	s.codecs, s.nack = profile.Codecs(offered)
	if len(s.codecs) == 0 {
		return webrtc.RTPCodecParameters{}, errors.New("no codec of the offer is known")
	}
	for _, c := range s.codecs {
		if c.RTXPayloadType != 0 {
			s.rtx = s.first + profile.Retransmissions
		}
	}
	for _, c := range offered {
		if codec.KindOf(c.MimeType) == codec.FEC && ctx.SSRCForwardErrorCorrection() != 0 {
			s.fec, s.fecType = s.first+profile.Repairs, uint8(c.PayloadType)
		}
	}
	if s.video && s.fec == 0 {
		s.red, s.ulp = profile.OlderRepair(offered)
	}
	for _, x := range ctx.HeaderExtensions() {
		s.extensions.Set(x.URI, uint8(x.ID))
	}
	for _, c := range offered {
		if codec.KindOf(c.MimeType) == s.codecs[0].Kind {
			return c, nil
		}
	}
	return webrtc.RTPCodecParameters{}, errors.New("no codec of the offer is known")
}

// Unbind has nothing to give back: the worker has let go of the slot before.
func (s *slotTrack) Unbind(webrtc.TrackLocalContext) error { return nil }

// ID is the track's name in the SDP.
func (s *slotTrack) ID() string { return "slot-" + strconv.Itoa(s.slot) }

// RID is empty: a slot sends one encoding.
func (s *slotTrack) RID() string { return "" }

// StreamID is shared by the first audio and the first video slot, so that a
// browser keeps lips and voice together in a call of two.
func (s *slotTrack) StreamID() string {
	if s.main {
		return "main"
	}
	return s.ID()
}

// Kind is audio or video.
func (s *slotTrack) Kind() webrtc.RTPCodecType {
	if s.video {
		return webrtc.RTPCodecTypeVideo
	}
	return webrtc.RTPCodecTypeAudio
}

func (s *slotTrack) config() downlink.SlotConfig {
	kind := downlink.Audio
	if s.video {
		kind = downlink.Video
	}
	x := &s.extensions
	return downlink.SlotConfig{
		Kind: kind, SSRC: s.ssrc, RTXSSRC: s.rtx, Codecs: s.codecs, NACK: s.nack, FECSSRC: s.fec, FECPayloadType: s.fecType,
		REDPayloadType: s.red, ULPPayloadType: s.ulp,
		Extensions: downlink.Extensions{TransportWide: x.TransportWide, Orientation: x.Orientation, Descriptor: x.Descriptor},
	}
}
