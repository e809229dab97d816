package profile

import (
	"reflect"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// offeredCodec is one entry of pion's list.
func offeredCodec(pt webrtc.PayloadType, mime, fmtp string, feedback ...webrtc.RTCPFeedback) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		PayloadType:        pt,
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, SDPFmtpLine: fmtp, RTCPFeedback: feedback},
	}
}

func TestCodecsOfASlot(t *testing.T) {
	nack := webrtc.RTCPFeedback{Type: "nack"}
	pli := webrtc.RTCPFeedback{Type: "nack", Parameter: "pli"}
	const mode0, mode1 = "packetization-mode=0;profile-level-id=42e01f", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
	for name, tt := range map[string]struct {
		offered []webrtc.RTPCodecParameters
		want    []downlink.Codec
		nack    bool
	}{
		"nothing": {nil, nil, false},
		"audio":   {[]webrtc.RTPCodecParameters{offeredCodec(111, "audio/opus", "minptime=10")}, []downlink.Codec{{Kind: codec.Opus, PayloadType: 111}}, false},
		"redundancy around our Opus, last": {
			[]webrtc.RTPCodecParameters{offeredCodec(63, "audio/red", "111/111"), offeredCodec(111, "audio/opus", "minptime=10", nack)},
			[]downlink.Codec{{Kind: codec.Opus, PayloadType: 111}, {Kind: codec.RED, PayloadType: 63}}, true,
		},
		"redundancy around something else": {
			[]webrtc.RTPCodecParameters{offeredCodec(111, "audio/opus", "minptime=10"), offeredCodec(63, "audio/red", "0/0")},
			[]downlink.Codec{{Kind: codec.Opus, PayloadType: 111}}, false,
		},
		"retransmission by apt, in any order": {
			[]webrtc.RTPCodecParameters{
				offeredCodec(99, "video/rtx", "apt=98"), offeredCodec(97, "video/rtx", "apt=96"),
				offeredCodec(96, "video/VP8", "", nack, pli), offeredCodec(98, "video/VP9", "profile-id=0", nack),
			},
			[]downlink.Codec{{Kind: codec.VP8, PayloadType: 96, RTXPayloadType: 97}, {Kind: codec.VP9, PayloadType: 98, RTXPayloadType: 99}},
			true,
		},
		"a key-frame request is no NACK": {
			[]webrtc.RTPCodecParameters{offeredCodec(96, "video/VP8", "", pli)},
			[]downlink.Codec{{Kind: codec.VP8, PayloadType: 96}}, false,
		},
		"the first of a kind": {
			[]webrtc.RTPCodecParameters{offeredCodec(96, "video/VP8", "", nack), offeredCodec(100, "video/VP8", "", nack)},
			[]downlink.Codec{{Kind: codec.VP8, PayloadType: 96}}, true,
		},
		// Publishers send packetization mode 1, RFC 6184 §6.3.
		"H.264 of mode 1 only": {
			[]webrtc.RTPCodecParameters{offeredCodec(102, "video/H264", mode0, nack), offeredCodec(104, "video/H264", mode1, nack), offeredCodec(105, "video/rtx", "apt=104")},
			[]downlink.Codec{{Kind: codec.H264, PayloadType: 104, RTXPayloadType: 105}}, true,
		},
		"what is no codec of ours": {
			[]webrtc.RTPCodecParameters{offeredCodec(63, "audio/red", "111/111"), offeredCodec(120, "video/ulpfec", ""), offeredCodec(13, "audio/CN", ""), offeredCodec(97, "video/rtx", "apt=96")},
			nil, false,
		},
	} {
		got, nack := Codecs(tt.offered)
		if !reflect.DeepEqual(got, tt.want) || nack != tt.nack {
			t.Errorf("%s: answered %+v, NACK %v; want %+v, %v", name, got, nack, tt.want, tt.nack)
		}
	}
}
