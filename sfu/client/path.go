package client

import (
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

// lookAtPath takes the round trip and the overhead of the selected path.
func (e *egress) lookAtPath(now time.Time) {
	transport := e.media.connection.SCTP().Transport().ICETransport()
	pair, err := transport.GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Local == nil {
		return
	}
	e.down.SetOverhead(wire.Overhead(pair.Local))
	e.down.SetReliable(now, isReliable(pair.Local, e.media.call.opts.RelayTransport))
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
