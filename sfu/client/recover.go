package client

import (
	"encoding/binary"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/tap"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// recovered is a packet that repair packets brought back.
type recovered struct {
	packet *packet.Packet
	slot   int
	source uint32
}

// protect takes a repair packet of in's media stream, whose header of n bytes
// has been read; with the lock held.
func (g *ingress) protect(now time.Time, in *inbound, b []byte, n int) {
	media := in.protects
	if media.decoder == nil { // a stream that is never protected costs nothing
		media.decoder = fec.NewDecoder(media.ssrc)
	}
	media.decoder.Protect(b[n:])
	g.recover(now, media)
}

// remember keeps a packet of media for the repair of others.
func (g *ingress) remember(now time.Time, in *inbound, b []byte) {
	if in.decoder != nil {
		in.decoder.Add(b, extensionAt(b, g.ids.TransportWide))
		g.recover(now, in)
	}
}

// recover hands on what can be had again.
func (g *ingress) recover(now time.Time, in *inbound) {
	for b := in.decoder.Recover(); b != nil; b = in.decoder.Recover() {
		h := &g.lost
		n, err := h.Unmarshal(b)
		if err != nil || in.stream == nil {
			continue
		}
		p := g.media.pool.Get()
		if !tap.Fill(p, now, h, n, b, g.ids) || len(p.Payload) == 0 {
			p.Release()
			continue
		}
		// It comes as a retransmission does, with the number before the payload
		// (RFC 4588 §4): in place of the last two bytes of the header.
		buffer := p.Buffer()
		binary.BigEndian.PutUint16(buffer[n-2:], h.SequenceNumber)
		p.Payload = buffer[n-2 : n+len(p.Payload)]
		p.Kind = g.formats[p.PayloadType&0x7f].Kind
		if in.stream.ReceiveRTX(now, p) != uplink.Accepted {
			p.Release()
			continue
		}
		in.count(p.Extended)
		in.received++
		in.repaired++
		source := uint32(0)
		if len(h.CSRC) > 0 {
			source = h.CSRC[0]
		}
		g.recovered = append(g.recovered, recovered{p, in.slot, source})
	}
}

// extensionAt is where the value of a header extension stands in an RTP packet
// (RFC 8285); 0 when it is not there.
func extensionAt(b []byte, id uint8) int {
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
