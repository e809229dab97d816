package tap

import (
	"time"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// Fill copies a received RTP packet b, whose header h of headerSize bytes was
// read from it, into p: without padding, and with what is needed of the header
// extensions. False when it is too large or its padding lies (RFC 3550 §5.1).
func Fill(p *packet.Packet, now time.Time, h *rtp.Header, headerSize int, b []byte, ids profile.IDs) bool {
	end := len(b)
	if end > packet.MaxSize || headerSize > end {
		return false
	}
	if h.Padding {
		if end == headerSize || b[end-1] == 0 || int(b[end-1]) > end-headerSize {
			return false
		}
		end -= int(b[end-1])
	}
	buffer := p.Buffer()
	copy(buffer, b[:end])
	p.Arrival = now
	p.SSRC, p.Timestamp, p.Sequence = h.SSRC, h.Timestamp, h.SequenceNumber
	p.PayloadType, p.Marker = h.PayloadType, h.Marker
	p.Payload = buffer[headerSize:end:end]
	if !h.Extension {
		return true
	}
	if x := profile.Value(h, ids.AudioLevel); len(x) > 0 {
		p.HasAudioLevel = true
		p.VoiceActive, p.AudioLevel = x[0]&0x80 != 0, x[0]&0x7f
	}
	if x := profile.Value(h, ids.Orientation); len(x) > 0 {
		p.HasOrientation, p.Orientation = true, x[0]
	}
	// The descriptor goes behind the payload, in the same buffer.
	if x := profile.Value(h, ids.Descriptor); len(x) > 0 && len(x) <= len(buffer)-end {
		p.Descriptor = buffer[end : end+copy(buffer[end:], x)]
	}
	return true
}
