package e2e

import "testing"

func TestCallThroughRelayAndTCP(t *testing.T) {
	s := startServer(t, nil)
	for _, tt := range []struct {
		name, query string
		// What the selected pair's local candidate must say.
		localType, protocol, relayProtocol string
	}{
		{"relay over UDP", "relay=udp", "relay", "udp", "udp"},
		{"relay over TCP", "relay=tcp", "relay", "udp", "tcp"},
		{"ICE-TCP", "ice=tcp", "", "tcp", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ann, bob := openTab(t, "ann"), openTab(t, "bob")
			for _, p := range []*page{ann, bob} {
				s.call(p, tt.query, "video=640x360", tt.query)
			}
			for _, p := range []*page{ann, bob} {
				before := p.talking(1)
				got := p.goesOn(joinLimit, before)
				if len(got.Pairs) != 1 {
					t.Fatalf("%s has %d selected pairs, want one transport for everything", p.name, len(got.Pairs))
				}
				pair := got.Pairs[0]
				if (tt.localType != "" && pair.LocalType != tt.localType) || pair.Protocol != tt.protocol || pair.RelayProtocol != tt.relayProtocol {
					t.Errorf("%s goes through %+v, want %+v", p.name, pair, tt)
				}
				if pair.RemotePort != s.ports.Media {
					t.Errorf("%s speaks with port %d, want the media port %d", p.name, pair.RemotePort, s.ports.Media)
				}
			}
		})
	}
}
