package client

import (
	"errors"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// sendTrack is one outgoing RTP stream as pion sees it, bound once.
type sendTrack struct {
	name        string
	rid         string
	video       bool
	transceiver *webrtc.RTPTransceiver
	first       uint32 // its SSRC; see profile.Stream

	// Set by Bind while the answer is applied, before the run loop starts.
	writer     webrtc.TrackLocalWriter
	ssrc, rtx  uint32
	fec        uint32 // SSRC of repair packets
	fecType    uint8  // and their payload type; 0 = not negotiated
	codecs     []downlink.Codec
	nack       bool
	extensions profile.IDs

	// Owned by the run loop: the server has heard of this stream, so that its
	// packets need not carry mid and rid any more (RFC 8843 §9.2).
	heard bool
}

// Bind notes what was negotiated. The list is copied because pion shrinks it
// afterwards.
func (t *sendTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	settled := ctx.CodecParameters()
	t.codecs, t.nack = profile.Codecs(settled)
	if len(t.codecs) == 0 {
		return webrtc.RTPCodecParameters{}, errors.New("no codec of the answer is known")
	}
	t.writer = ctx.WriteStream()
	t.ssrc = t.first
	for _, c := range t.codecs {
		if c.RTXPayloadType != 0 {
			t.rtx = t.first + profile.Retransmissions
		}
	}
	for _, c := range settled {
		if t.video && codec.KindOf(c.MimeType) == codec.FEC && ctx.SSRCForwardErrorCorrection() != 0 {
			t.fec, t.fecType = uint32(ctx.SSRCForwardErrorCorrection()), uint8(c.PayloadType)
		}
	}
	for _, x := range ctx.HeaderExtensions() {
		t.extensions.Set(x.URI, uint8(x.ID))
	}
	for _, c := range settled {
		if uint8(c.PayloadType) == t.codecs[0].PayloadType {
			return c, nil
		}
	}
	return webrtc.RTPCodecParameters{}, errors.New("no codec of the answer is known")
}

// Unbind has nothing to give back: the run loop has ended before.
func (t *sendTrack) Unbind(webrtc.TrackLocalContext) error { return nil }

// ID is the track's name in the SDP.
func (t *sendTrack) ID() string { return t.name }

// StreamID is one for all, so that a receiver keeps lips and voice together.
func (t *sendTrack) StreamID() string { return "main" }

// RID names a simulcast layer (RFC 8851); empty for a single stream.
func (t *sendTrack) RID() string { return t.rid }

// Kind is audio or video.
func (t *sendTrack) Kind() webrtc.RTPCodecType {
	if t.video {
		return webrtc.RTPCodecTypeVideo
	}
	return webrtc.RTPCodecTypeAudio
}

func (t *sendTrack) config() downlink.SlotConfig {
	kind := downlink.Audio
	if t.video {
		kind = downlink.Video
	}
	x := &t.extensions
	return downlink.SlotConfig{
		Kind: kind, SSRC: t.ssrc, RTXSSRC: t.rtx, Codecs: t.codecs, NACK: t.nack,
		FECSSRC: t.fec, FECPayloadType: t.fecType, Named: true,
		Extensions: downlink.Extensions{TransportWide: x.TransportWide, Descriptor: x.Descriptor},
	}
}
