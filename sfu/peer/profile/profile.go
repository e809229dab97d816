// Package profile is what both ends of our media sessions have in common: the
// codecs, header extensions and RTCP feedback that they register with pion, and
// what they read back out of a session description.
//
// Input: pion's MediaEngine, SDP text. Output: registrations; payload types,
// extension ids and streams by section. It decides the order of preference of
// codecs and nothing else.
//
// Specifications: RFC 8866 (SDP), RFC 8285 (header extensions), RFC 4585 and
// 5104 (feedback), RFC 4588 (retransmission), RFC 5576 (ssrc attributes).
package profile

import (
	"io"
	"strconv"
	"strings"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// h264Packets is what publishers send and so the only form that is forwarded
// (RFC 6184 §8.1).
const h264Packets = "packetization-mode=1"

// mimeTypeRED is redundancy around Opus, for which pion has no name.
const mimeTypeRED = "audio/red"

// feedback lists what we understand of RTCP feedback (RFC 4585 §4.2).
func feedback(video bool) []webrtc.RTCPFeedback {
	fb := []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBTransportCC}, {Type: webrtc.TypeRTCPFBNACK}}
	if video {
		fb = append(fb,
			webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
			webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
			webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBGoogREMB},
		)
	}
	return fb
}

// videoCodecs are what we forward, in our order of preference.
var videoCodecs = []struct {
	mime, fmtp  string
	payloadType webrtc.PayloadType
}{
	{webrtc.MimeTypeVP8, "", 96},
	{webrtc.MimeTypeVP9, "profile-id=0", 98},
	{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 102},
	{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", 104},
	{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f", 106},
	{webrtc.MimeTypeAV1, "", 45},
}

// Register tells pion of our codecs, each video codec with its retransmission
// format, and of our header extensions.
func Register(m *webrtc.MediaEngine) error {
	opus := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
			SDPFmtpLine: "minptime=10;useinbandfec=1", RTCPFeedback: feedback(false),
		},
		PayloadType: 111,
	}
	redundant := webrtc.RTPCodecParameters{ // RFC 2198
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: mimeTypeRED, ClockRate: 48000, Channels: 2, SDPFmtpLine: "111/111", RTCPFeedback: feedback(false),
		},
		PayloadType: 63,
	}
	for _, c := range []webrtc.RTPCodecParameters{opus, redundant} {
		if err := m.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
	}
	for _, v := range videoCodecs {
		media := webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: v.mime, ClockRate: 90000, SDPFmtpLine: v.fmtp, RTCPFeedback: feedback(true),
			},
			PayloadType: v.payloadType,
		}
		repair := webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=" + strconv.Itoa(int(v.payloadType)),
			},
			PayloadType: v.payloadType + 1,
		}
		for _, c := range []webrtc.RTPCodecParameters{media, repair} {
			if err := m.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
				return err
			}
		}
	}
	repair := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			// How long a receiver has to keep packets, in microseconds (§5.1.1 of the
			// draft): what Chromium offers, for pion matches it to the letter.
			MimeType: webrtc.MimeTypeFlexFEC03, ClockRate: 90000, SDPFmtpLine: "repair-window=10000000",
		},
		PayloadType: 49,
	}
	if err := m.RegisterCodec(repair, webrtc.RTPCodecTypeVideo); err != nil {
		return err
	}
	return registerExtensions(m)
}

func registerExtensions(m *webrtc.MediaEngine) error {
	both := []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo}
	for _, x := range []struct {
		uri   string
		kinds []webrtc.RTPCodecType
	}{
		{URIMID, both},
		{URITransportWide, both},
		{URIRID, both[1:]},
		{URIRepairedRID, both[1:]},
		{URIOrientation, both[1:]},
		{URIDescriptor, both[1:]},
		{URIAudioLevel, both[:1]},
	} {
		for _, kind := range x.kinds {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: x.uri}, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// Codecs turns a negotiated list of pion's into ours: one entry for each kind,
// the first wins, and RED comes last, if it is around our Opus. nack says
// whether lost packets may be asked for.
func Codecs(offered []webrtc.RTPCodecParameters) (codecs []downlink.Codec, nack bool) {
	seen := make(map[codec.Kind]bool)
	opus := ""
	for _, c := range offered {
		kind := codec.KindOf(c.MimeType)
		switch {
		case kind == codec.Unknown || kind.Repairs() || kind == codec.RED || seen[kind]:
			continue
		case kind == codec.H264 && !strings.Contains(c.SDPFmtpLine, h264Packets):
			continue
		}
		for _, fb := range c.RTCPFeedback {
			nack = nack || (fb.Type == webrtc.TypeRTCPFBNACK && fb.Parameter == "")
		}
		seen[kind] = true
		if kind == codec.Opus {
			opus = strconv.Itoa(int(c.PayloadType))
		}
		codecs = append(codecs, downlink.Codec{
			Kind: kind, PayloadType: uint8(c.PayloadType), RTXPayloadType: repairOf(offered, c.PayloadType),
		})
	}
	for _, c := range offered { // "111/111": the types of the blocks, RFC 2198 §5
		first, _, _ := strings.Cut(c.SDPFmtpLine, "/")
		if codec.KindOf(c.MimeType) == codec.RED && opus != "" && first == opus {
			return append(codecs, downlink.Codec{Kind: codec.RED, PayloadType: uint8(c.PayloadType)}), nack
		}
	}
	return codecs, nack
}

// repairOf answers the payload type of retransmissions of pt (RFC 4588 §8.1), 0 if none.
func repairOf(offered []webrtc.RTPCodecParameters, pt webrtc.PayloadType) uint8 {
	for _, c := range offered {
		if codec.KindOf(c.MimeType) == codec.RTX && c.SDPFmtpLine == "apt="+strconv.Itoa(int(pt)) {
			return uint8(c.PayloadType)
		}
	}
	return 0
}

// QuietLogs silences pion: what it knows reaches us as states and errors, and
// its lines would carry addresses of users.
type QuietLogs struct{}

// NewLogger answers a logger that writes nothing.
func (QuietLogs) NewLogger(scope string) logging.LeveledLogger {
	return logging.NewDefaultLeveledLoggerForScope(scope, logging.LogLevelDisabled, io.Discard)
}
