package peer

import (
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

// path is what the wire adds on the path that was selected, and whether it is
// TCP and so repairs loss itself. A relay on the client's side is not seen from
// here.
func (p *Peer) path() (size units.Size, reliable bool) {
	pair, err := p.selectedPair()
	if err != nil || pair == nil || pair.Remote == nil {
		return wire.UsualOverhead, false
	}
	return wire.Overhead(pair.Remote), pair.Remote.Protocol == webrtc.ICEProtocolTCP
}

func (p *Peer) selectedPair() (*webrtc.ICECandidatePair, error) {
	return p.transport().GetSelectedCandidatePair()
}

func (p *Peer) transport() *webrtc.ICETransport {
	return p.connection.SCTP().Transport().ICETransport()
}
