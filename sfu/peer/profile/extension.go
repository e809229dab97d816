package profile

import "github.com/pion/rtp"

// Header extensions, by URI.
const (
	URIMID           = "urn:ietf:params:rtp-hdrext:sdes:mid"                    // RFC 8843 §15
	URIRID           = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"          // RFC 8852
	URIRepairedRID   = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" // RFC 8852
	URIAudioLevel    = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"            // RFC 6464
	URITransportWide = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	URIOrientation   = "urn:3gpp:video-orientation" // TS 26.114
	URIDescriptor    = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

// IDs are negotiated ids of header extensions; 0 = not negotiated.
type IDs struct {
	MID, RID, RepairedRID, AudioLevel, TransportWide, Orientation, Descriptor uint8
}

// Set notes the id of an extension; one that is not ours is ignored.
func (x *IDs) Set(uri string, id uint8) {
	switch uri {
	case URIMID:
		x.MID = id
	case URIRID:
		x.RID = id
	case URIRepairedRID:
		x.RepairedRID = id
	case URIAudioLevel:
		x.AudioLevel = id
	case URITransportWide:
		x.TransportWide = id
	case URIOrientation:
		x.Orientation = id
	case URIDescriptor:
		x.Descriptor = id
	}
}

// Value is the value of an extension; nil when it is absent or not negotiated.
func Value(h *rtp.Header, id uint8) []byte {
	if id == 0 {
		return nil
	}
	return h.GetExtension(id)
}

// Clear takes all extensions off a header and keeps its storage.
func Clear(h *rtp.Header) {
	h.Extension, h.ExtensionProfile, h.Extensions = false, 0, h.Extensions[:0]
}

// Add adds an extension unless it was not negotiated or is empty. A value that
// does not fit the one-byte form turns the header into the two-byte form (RFC
// 8285 §4.3). The value must stay until the packet is written.
func Add(h *rtp.Header, id uint8, value []byte) {
	if id == 0 || len(value) == 0 {
		return
	}
	if !h.Extension {
		h.Extension, h.ExtensionProfile = true, rtp.ExtensionProfileOneByte
	}
	if (len(value) > 16 || id > 14) && h.ExtensionProfile == rtp.ExtensionProfileOneByte {
		h.ExtensionProfile = rtp.ExtensionProfileTwoByte
	}
	// Refused only for an id or a size that negotiation has ruled out.
	_ = h.SetExtension(id, value)
}
