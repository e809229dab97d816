package client

import (
	"net/netip"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// What the wire adds to an RTP packet, in bytes.
const (
	ipv4Header  = 20 // RFC 791 §3.1
	ipv6Header  = 40 // RFC 8200 §3
	udpHeader   = 8  // RFC 768
	tcpHeader   = 32 // RFC 9293 §3.1 with timestamps (RFC 7323 §3)
	tcpFraming  = 2  // RFC 4571 §2
	channelData = 4  // RFC 8656 §12.4
	srtpTag     = 16 // AES-GCM, RFC 7714 §14.2

	// directOverhead is that of the usual path, until the real one is known.
	directOverhead units.Size = ipv4Header + udpHeader + srtpTag
)

// lookAtPath takes the round trip and the overhead of the selected path.
func (e *egress) lookAtPath() {
	transport := e.media.connection.SCTP().Transport().ICETransport()
	pair, err := transport.GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Local == nil {
		return
	}
	e.down.SetOverhead(overheadOf(pair.Local))
	e.down.SetReliable(isReliable(pair.Local, e.media.call.opts.RelayTransport))
	rtt := e.down.RTT()
	if rtt == 0 {
		if stats, ok := transport.GetSelectedCandidatePairStats(); ok {
			rtt = time.Duration(stats.CurrentRoundTripTime * float64(time.Second))
		}
	}
	if rtt > 0 {
		e.media.rtt.Store(int64(rtt))
		e.media.ingress.setRTT(rtt)
	}
}

// isReliable says whether the path from our own candidate repairs loss itself:
// ICE-TCP, or a relay that is reached by TCP.
func isReliable(c *webrtc.ICECandidate, relay string) bool {
	return c.Protocol == webrtc.ICEProtocolTCP || c.Typ == webrtc.ICECandidateTypeRelay && relay == "tcp"
}

// overheadOf is what the wire adds on the path from our own candidate.
func overheadOf(c *webrtc.ICECandidate) units.Size {
	size := units.Size(srtpTag + ipv4Header)
	if a, err := netip.ParseAddr(c.Address); err == nil && a.Is6() && !a.Is4In6() {
		size = srtpTag + ipv6Header
	}
	if c.Typ == webrtc.ICECandidateTypeRelay {
		size += channelData
	}
	if c.Protocol == webrtc.ICEProtocolTCP {
		return size + tcpHeader + tcpFraming
	}
	return size + udpHeader
}
