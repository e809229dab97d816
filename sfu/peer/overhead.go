package peer

import (
	"net/netip"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
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
