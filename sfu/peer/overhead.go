package peer

import (
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

// costOf is what the wire adds on a path, and whether it is TCP and so repairs
// loss itself; nil is the usual one. A relay on the client's side is not seen
// from here.
func costOf(pair *webrtc.ICECandidatePair) (size units.Size, reliable bool) {
	if pair == nil || pair.Remote == nil {
		return wire.UsualOverhead, false
	}
	return wire.Overhead(pair.Remote), pair.Remote.Protocol == webrtc.ICEProtocolTCP
}

func (p *Peer) transport() *webrtc.ICETransport {
	return p.connection.SCTP().Transport().ICETransport()
}
