package peer

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/peer/tap"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

const (
	// maxDecoders bounds the streams of one peer that repair packets are used
	// for: two sections of three layers. Each takes a fifth of a megabyte.
	maxDecoders = 6
	// unprotectedAfter is how long after its last repair packet a stream is
	// taken for one that is not protected.
	unprotectedAfter = 30 * time.Second
)

// protect takes the payload of a repair packet, which says itself what stream it
// protects: one with simulcast layers is declared nowhere.
func (g *ingress) protect(now time.Time, payload []byte) {
	ssrc, ok := fec.Protected(payload)
	if !ok {
		g.peer.media.counts.malformed.Add(1)
		return
	}
	in := g.inbounds[ssrc]
	if in == nil || in.repair || in.section == nil || in.stream == nil || !in.kind.Video() {
		g.peer.media.counts.unknown.Add(1)
		return
	}
	if in.decoder == nil { // a stream that is never protected costs nothing
		if g.decoders >= maxDecoders {
			g.peer.media.counts.unknown.Add(1)
			return
		}
		g.decoders++
		in.decoder = fec.NewDecoder(ssrc)
	}
	in.protectedAt = now
	in.decoder.Protect(payload)
	g.recover(now, in)
}

// remember keeps a packet as it came, of a stream that is protected.
func (g *ingress) remember(now time.Time, in *inbound, b []byte) {
	if in.decoder != nil && !in.repair {
		in.decoder.Add(b, tap.ExtensionAt(b, g.ids.TransportWide))
		g.recover(now, in)
	}
}

// recover takes in what can be had again, as though it had been sent again: it
// is checked as whatever comes, for the publisher made it.
func (g *ingress) recover(now time.Time, in *inbound) {
	for b := in.decoder.Recover(); b != nil; b = in.decoder.Recover() {
		p := g.peer.media.pool.Get()
		if !tap.FillRecovered(p, now, &g.lost, b, g.ids) {
			g.peer.media.counts.malformed.Add(1)
			p.Release()
			continue
		}
		p.Kind = g.formats[p.PayloadType&0x7f].Kind
		if p.Kind.Video() && in.stream != nil {
			verdict := in.stream.ReceiveRTX(now, p)
			if verdict == uplink.Accepted {
				in.repaired++
			}
			g.handOn(in, p, verdict)
		}
		p.Release()
	}
}

// forgetRepair lets go of what is kept for repair packets that come no more.
func (g *ingress) forgetRepair(now time.Time, in *inbound) {
	if in.decoder != nil && now.Sub(in.protectedAt) > unprotectedAfter {
		in.decoder = nil
		g.decoders--
	}
}
