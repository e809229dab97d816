package peer

import (
	"net/netip"
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestReliablePaths(t *testing.T) {
	relay := netip.MustParseAddrPort("192.0.2.7:50001")
	known := func(a netip.AddrPort) bool { return a == relay }
	for _, c := range []struct {
		name   string
		remote *webrtc.ICECandidate
		ask    func(netip.AddrPort) bool
		want   bool
	}{
		{"nothing known", nil, known, false},
		{"UDP", &webrtc.ICECandidate{Address: "192.0.2.7", Port: 50002, Protocol: webrtc.ICEProtocolUDP}, known, false},
		{"ICE-TCP", &webrtc.ICECandidate{Address: "192.0.2.9", Port: 9, Protocol: webrtc.ICEProtocolTCP}, nil, true},
		{"a relay reached by TCP", &webrtc.ICECandidate{Address: "192.0.2.7", Port: 50001, Protocol: webrtc.ICEProtocolUDP}, known, true},
		{"the same, mapped into IPv6", &webrtc.ICECandidate{Address: "::ffff:192.0.2.7", Port: 50001, Protocol: webrtc.ICEProtocolUDP}, known, true},
		{"a relay, and none to ask", &webrtc.ICECandidate{Address: "192.0.2.7", Port: 50001, Protocol: webrtc.ICEProtocolUDP}, nil, false},
		{"a name", &webrtc.ICECandidate{Address: "4f2a.local", Port: 50001, Protocol: webrtc.ICEProtocolUDP}, known, false},
	} {
		pair := &webrtc.ICECandidatePair{Remote: c.remote}
		if _, got := costOf(pair, c.ask); got != c.want {
			t.Errorf("%s: reliable %v, want %v", c.name, got, c.want)
		}
	}
}
