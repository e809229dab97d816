package tap

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// FillRecovered takes a packet b that repair packets brought back into p, in the
// form in which a retransmission comes: with its number in front of the payload
// (RFC 4588 §4). h is reused. False when it is no packet with a payload: whoever
// made the repair packet may have made up what comes out.
func FillRecovered(p *packet.Packet, now time.Time, h *rtp.Header, b []byte, ids profile.IDs) bool {
	n, err := h.Unmarshal(b)
	if err != nil || !Fill(p, now, h, n, b, ids) || len(p.Payload) == 0 {
		return false
	}
	// In place of the last two bytes of the header, which has been read.
	buffer := p.Buffer()
	binary.BigEndian.PutUint16(buffer[n-2:], h.SequenceNumber)
	p.Payload = buffer[n-2 : n+len(p.Payload)]
	return true
}

// ExtensionAt is where the value of a header extension stands in an RTP packet
// (RFC 8285); 0 when it is not there.
func ExtensionAt(b []byte, id uint8) int {
	if id == 0 || len(b) < fec.Fixed || b[0]&0x10 == 0 {
		return 0
	}
	at := fec.Fixed + 4*int(b[0]&0x0f)
	if len(b) < at+4 {
		return 0
	}
	long := binary.BigEndian.Uint16(b[at:])&0xfff0 == 0x1000
	end := min(len(b), at+4+4*int(binary.BigEndian.Uint16(b[at+2:])))
	for at += 4; at < end; {
		if b[at] == 0 { // padding
			at++
			continue
		}
		found, size, head := b[at]>>4, int(b[at]&0x0f)+1, 1
		if long {
			if at+1 >= end {
				return 0
			}
			found, size, head = b[at], int(b[at+1]), 2
		}
		if at += head; found == id && at+size <= end {
			return at
		}
		at += size
	}
	return 0
}
