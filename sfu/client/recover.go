package client

import (
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
		in.decoder.Add(b, tap.ExtensionAt(b, g.ids.TransportWide))
		g.recover(now, in)
	}
}

// recover hands on what can be had again.
func (g *ingress) recover(now time.Time, in *inbound) {
	for b := in.decoder.Recover(); b != nil; b = in.decoder.Recover() {
		h := &g.lost
		if in.stream == nil {
			continue
		}
		p := g.media.pool.Get()
		if !tap.FillRecovered(p, now, h, b, g.ids) {
			p.Release()
			continue
		}
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
