package peer

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// Header extensions, by URI.
const (
	uriMID            = "urn:ietf:params:rtp-hdrext:sdes:mid"                    // RFC 8843 §15
	uriRID            = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"          // RFC 8852
	uriRepairedRID    = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" // RFC 8852
	uriAudioLevel     = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"            // RFC 6464
	uriTransportWide  = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	uriOrientation    = "urn:3gpp:video-orientation" // TS 26.114
	uriDescriptor     = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	h264PacketizeMode = "packetization-mode=1"
)

// extensionIDs are negotiated ids of header extensions; 0 = not negotiated.
type extensionIDs struct {
	mid, rid, repairedRID, audioLevel, transport, orientation, descriptor uint8
}

func (x *extensionIDs) set(uri string, id uint8) {
	switch uri {
	case uriMID:
		x.mid = id
	case uriRID:
		x.rid = id
	case uriRepairedRID:
		x.repairedRID = id
	case uriAudioLevel:
		x.audioLevel = id
	case uriTransportWide:
		x.transport = id
	case uriOrientation:
		x.orientation = id
	case uriDescriptor:
		x.descriptor = id
	}
}

// slotTrack is one outgoing RTP stream as pion sees it: a track that is bound
// once, for the whole call, whatever it carries.
type slotTrack struct {
	slot  int
	mid   string
	video bool
	// main marks the first slot of its kind.
	main bool

	// Set by Bind during negotiation, before the worker sees the slot.
	writer     webrtc.TrackLocalWriter
	ssrc, rtx  uint32
	codecs     []downlink.Codec
	nack       bool
	extensions extensionIDs
}

// Bind notes what was negotiated. The list is copied because pion shrinks it
// afterwards.
func (s *slotTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	offered := ctx.CodecParameters()
	s.writer = ctx.WriteStream()
	s.ssrc = uint32(ctx.SSRC())
	s.codecs, s.nack = slotCodecs(offered)
	if len(s.codecs) == 0 {
		return webrtc.RTPCodecParameters{}, errors.New("no codec of the offer is known")
	}
	for _, c := range s.codecs {
		if c.RTXPayloadType != 0 {
			s.rtx = uint32(ctx.SSRCRetransmission())
		}
	}
	for _, x := range ctx.HeaderExtensions() {
		s.extensions.set(x.URI, uint8(x.ID))
	}
	for _, c := range offered {
		if codec.KindOf(c.MimeType) == s.codecs[0].Kind {
			return c, nil
		}
	}
	return webrtc.RTPCodecParameters{}, errors.New("no codec of the offer is known")
}

// slotCodecs turns pion's list into ours: one entry for each kind, the first
// offered wins; H.264 only with packetization-mode 1 (RFC 6184 §8.1), because
// that is what publishers send.
func slotCodecs(offered []webrtc.RTPCodecParameters) (codecs []downlink.Codec, nack bool) {
	for _, c := range offered {
		kind := codec.KindOf(c.MimeType)
		if kind == codec.Unknown || kind == codec.RTX || kind == codec.RED {
			continue
		}
		if kind == codec.H264 && !strings.Contains(c.SDPFmtpLine, h264PacketizeMode) {
			continue
		}
		if hasKind(codecs, kind) {
			continue
		}
		for _, fb := range c.RTCPFeedback {
			nack = nack || (fb.Type == webrtc.TypeRTCPFBNACK && fb.Parameter == "")
		}
		codecs = append(codecs, downlink.Codec{
			Kind:           kind,
			PayloadType:    uint8(c.PayloadType),
			RTXPayloadType: rtxFor(offered, c.PayloadType),
		})
	}
	return codecs, nack
}

func hasKind(codecs []downlink.Codec, kind codec.Kind) bool {
	for _, c := range codecs {
		if c.Kind == kind {
			return true
		}
	}
	return false
}

// rtxFor answers the payload type of retransmissions of pt (RFC 4588 §8.1), 0 if none.
func rtxFor(offered []webrtc.RTPCodecParameters, pt webrtc.PayloadType) uint8 {
	for _, c := range offered {
		if codec.KindOf(c.MimeType) == codec.RTX && c.SDPFmtpLine == "apt="+strconv.Itoa(int(pt)) {
			return uint8(c.PayloadType)
		}
	}
	return 0
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
	return downlink.SlotConfig{Kind: kind, SSRC: s.ssrc, RTXSSRC: s.rtx, Codecs: s.codecs, NACK: s.nack}
}
