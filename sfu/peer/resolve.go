package peer

import (
	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// resolve answers the stream that a packet belongs to, nil while it is unknown.
// A stream is known by the offer's a=ssrc lines or by the ids in its header
// extensions (RFC 8843 §9.2, RFC 8852), which browsers send until they have
// heard back.
func (g *ingress) resolve(h *rtp.Header) *inbound {
	in := g.inbounds[h.SSRC]
	if in == nil {
		if len(g.inbounds) >= maxStreams {
			return nil
		}
		in = &inbound{ssrc: h.SSRC}
		g.inbounds[h.SSRC] = in
		g.list = append(g.list, in)
	}
	if in.section == nil && !g.identify(in, h) {
		return nil
	}
	if in.repair && in.media == nil {
		g.findMedia(in, h)
	}
	return in
}

// identify finds the section of a stream.
func (g *ingress) identify(in *inbound, h *rtp.Header) bool {
	if in.unresolved++; in.unresolved > maxUnresolved {
		return false
	}
	if s := g.section(string(profile.Value(h, g.ids.MID))); s != nil {
		in.section = s
		in.rid = string(profile.Value(h, g.ids.RID))
		if repaired := profile.Value(h, g.ids.RepairedRID); len(repaired) > 0 {
			in.rid, in.repair = string(repaired), true
		}
	} else if d, ok := g.declared[h.SSRC]; ok {
		in.section = d.section
		in.repair = d.repairs != 0
	} else {
		return false
	}
	g.peer.mux.sends(h.SSRC)
	// A stream of retransmissions shows by its payload type, too.
	if g.formats[h.PayloadType&0x7f].Kind == codec.RTX {
		in.repair = true
	}
	return true
}

// findMedia finds the stream that a repair stream belongs to: by the offer's
// FID group, else the stream of its section with the same rid.
func (g *ingress) findMedia(in *inbound, h *rtp.Header) {
	if d, ok := g.declared[h.SSRC]; ok && d.repairs != 0 {
		if media := g.inbounds[d.repairs]; media != nil && !media.repair {
			in.media = media
			return
		}
	}
	for _, other := range g.list {
		if other != in && !other.repair && other.section == in.section && other.rid == in.rid {
			in.media = other
			return
		}
	}
}
