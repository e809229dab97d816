package peer

import (
	"net/netip"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// What the wire adds to an RTP packet, in bytes.
const (
	ipv4Header = 20 // RFC 791 §3.1
	ipv6Header = 40 // RFC 8200 §3
	udpHeader  = 8  // RFC 768
	tcpHeader  = 32 // RFC 9293 §3.1 with timestamps (RFC 7323 §3)
	tcpFraming = 2  // RFC 4571 §2
	srtpTag    = 16 // AES-GCM, RFC 7714 §14.2

	// overhead is that of the usual path, until the real one is known.
	overhead units.Size = ipv4Header + udpHeader + srtpTag
)

// path is what the wire adds on the path that was selected, and whether it is
// TCP and so repairs loss itself. A relay on the client's side is not seen from
// here.
func (p *Peer) path() (size units.Size, reliable bool) {
	pair, err := p.selectedPair()
	if err != nil || pair == nil || pair.Remote == nil {
		return overhead, false
	}
	return overheadOf(pair.Remote), pair.Remote.Protocol == webrtc.ICEProtocolTCP
}

func (p *Peer) selectedPair() (*webrtc.ICECandidatePair, error) {
	return p.transport().GetSelectedCandidatePair()
}

func (p *Peer) transport() *webrtc.ICETransport {
	return p.connection.SCTP().Transport().ICETransport()
}

func overheadOf(c *webrtc.ICECandidate) units.Size {
	size := units.Size(srtpTag)
	if a, err := netip.ParseAddr(c.Address); err == nil && a.Is6() && !a.Is4In6() {
		size += ipv6Header
	} else {
		size += ipv4Header
	}
	if c.Protocol == webrtc.ICEProtocolTCP {
		return size + tcpHeader + tcpFraming
	}
	return size + udpHeader
}
