package peer

import (
	"net/netip"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

// costOf is what the wire adds on a path, and whether it is TCP and so repairs
// loss itself; nil is the usual one. Whether a relay on the client's side is
// reached by TCP is not seen from here: overTCP tells of relays that are known.
func costOf(pair *webrtc.ICECandidatePair, overTCP func(netip.AddrPort) bool) (size units.Size, reliable bool) {
	if pair == nil || pair.Remote == nil {
		return wire.UsualOverhead, false
	}
	reliable = pair.Remote.Protocol == webrtc.ICEProtocolTCP
	if !reliable && overTCP != nil {
		if addr, err := netip.ParseAddr(pair.Remote.Address); err == nil {
			reliable = overTCP(netip.AddrPortFrom(addr.WithZone("").Unmap(), pair.Remote.Port))
		}
	}
	return wire.Overhead(pair.Remote), reliable
}

func (p *Peer) transport() *webrtc.ICETransport {
	return p.connection.SCTP().Transport().ICETransport()
}

// routeChanged tells the downlink that its packets take another path, and what
// that carried before. It asks pion nothing: who ends the connection holds pion's
// locks and waits for it.
func (p *Peer) routeChanged(pair *webrtc.ICECandidatePair) {
	if isNowhere(pair) {
		return
	}
	cost, reliable := costOf(pair, p.media.cfg.OverTCP)
	var network networkKey
	if pair != nil {
		network = p.media.carried.key(p.owner, pair.Remote)
	}
	p.ingress.routeChanged()
	p.onDownlink(func(now time.Time, d *downlink.Downlink) {
		d.SetOverhead(cost)
		d.SetReliable(now, reliable)
		d.RouteChanged(now)
		p.egress.network, p.egress.carriedAt = network, now.Add(carriedEvery)
		d.SuggestRate(now, p.media.carried.recall(now, network))
	})
}

// remember notes what the path carries, as far as its limit was met.
func (e *egress) remember(now time.Time, stats *downlink.Stats) {
	e.carriedAt = now.Add(carriedEvery)
	e.peer.media.carried.keep(now, e.network, stats.Path.Capacity)
}
