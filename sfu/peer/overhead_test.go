package peer

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
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

// Sound goes again under its own number. Where each packet has a transport-wide number
// too, the second is not the first to the bit, and AES-GCM would give away the key of
// its tags.
func TestProtectionOfWhatGoesTwice(t *testing.T) {
	byStream := profile.OfferStreamFeedback(chromium)
	if !profile.HasStreamFeedback(byStream) {
		t.Fatal("the offer has no reports by stream")
	}
	for _, c := range []struct {
		name, offer string
		short       bool
	}{
		{"a page", chromium, true},
		{"a page far away", strings.ReplaceAll(chromium, "a=setup:actpass", "a=setup:passive"), true},
		{"reports by stream: no numbers on packets", byStream, false},
		{"the same, far away", strings.ReplaceAll(byStream, "a=setup:actpass", "a=setup:passive"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := mediaOn(t)
			p, answer, err := m.NewPeer(t.Context(), c.offer, deaf{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if p.shortTag() != c.short {
				t.Errorf("the shorter tag: %v, want %v", p.shortTag(), c.short)
			}
			if numbers := strings.Contains(answer, "transport-wide-cc"); numbers && !p.shortTag() {
				t.Error("packets have transport-wide numbers and tags of AES-GCM")
			}
		})
	}
}
