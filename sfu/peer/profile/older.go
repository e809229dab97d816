package profile

import (
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec"
)

// The older form of repair packets, ULPFEC (RFC 5109) in RED (RFC 2198), is for
// receivers of pictures that do not offer FlexFEC: older browsers, Firefox and
// Safari. Nobody is asked to send it: a browser with which it is negotiated puts
// RED around every packet and decides itself when to repair.

// mimeTypeVideoRED is RED around pictures, for which pion has no name.
const mimeTypeVideoRED = "video/red"

// RegisterOlderRepair tells pion of the older form, for who sends it.
func RegisterOlderRepair(m *webrtc.MediaEngine) error {
	for _, c := range []webrtc.RTPCodecParameters{
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mimeTypeVideoRED, ClockRate: 90000}, PayloadType: 118},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeUlpFEC, ClockRate: 90000}, PayloadType: 120},
	} {
		if err := m.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	return nil
}

// OlderRepair answers the payload types of RED and ULPFEC among the codecs of a
// video section, 0 for both unless both are there.
func OlderRepair(offered []webrtc.RTPCodecParameters) (red, ulp uint8) {
	for _, c := range offered {
		switch {
		case strings.EqualFold(c.MimeType, mimeTypeVideoRED):
			red = uint8(c.PayloadType)
		case codec.KindOf(c.MimeType) == codec.ULP:
			ulp = uint8(c.PayloadType)
		}
	}
	if red == 0 || ulp == 0 {
		return 0, 0
	}
	return red, ulp
}

// KeepOlderRepair takes the older form out of an offer, with its retransmission
// format, but where it serves: in video sections on which the client only
// receives and for which it offers nothing newer.
func KeepOlderRepair(d *sdp.SessionDescription) {
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Media != "video" {
			continue
		}
		_, receives := m.Attribute("recvonly")
		older := make(map[string]bool) // payload types
		newer := false
		for _, a := range m.Attributes {
			if a.Key != "rtpmap" {
				continue
			}
			number, name, _ := strings.Cut(a.Value, " ")
			name, _, _ = strings.Cut(name, "/")
			switch codec.KindOf("video/" + name) {
			case codec.RED, codec.ULP:
				older[number] = true
			case codec.FEC:
				newer = true
			}
		}
		if len(older) == 0 || receives && !newer {
			continue
		}
		for _, a := range m.Attributes {
			if number, apt, found := strings.Cut(a.Value, " apt="); a.Key == "fmtp" && found && older[apt] {
				older[number] = true
			}
		}
		m.MediaName.Formats = slices.DeleteFunc(m.MediaName.Formats, func(f string) bool { return older[f] })
		m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
			number, _, _ := strings.Cut(a.Value, " ")
			return (a.Key == "rtpmap" || a.Key == "fmtp" || a.Key == "rtcp-fb") && older[number]
		})
	}
}
