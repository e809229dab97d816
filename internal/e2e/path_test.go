package e2e

import "testing"

// Three pages in one room, each on another way to the server.
func TestCallThroughRelayAndTCP(t *testing.T) {
	s := startServer(t, nil)
	type way struct {
		query string
		// What the selected pair's local candidate must say; empty for anything.
		localType, protocol, relayProtocol string
		page                               *page
	}
	ways := []*way{
		{query: "relay=udp", localType: "relay", protocol: "udp", relayProtocol: "udp"},
		{query: "relay=tcp", localType: "relay", protocol: "udp", relayProtocol: "tcp"},
		{query: "ice=tcp", protocol: "tcp"},
	}
	for _, w := range ways {
		w.page = openTab(t, w.query)
		s.call(w.page, "ways", "video=320x180", w.query)
	}
	for _, w := range ways {
		now := w.page.goesOn(joinLimit, w.page.talking(len(ways)-1))
		if len(now.Pairs) != 1 {
			t.Fatalf("%s has %d selected pairs, want one transport for everything", w.query, len(now.Pairs))
		}
		pair := now.Pairs[0]
		if (w.localType != "" && pair.LocalType != w.localType) || pair.Protocol != w.protocol || pair.RelayProtocol != w.relayProtocol {
			t.Errorf("%s goes through %+v", w.query, pair)
		}
		if pair.RemotePort != s.ports.Media {
			t.Errorf("%s speaks with port %d, want the media port %d", w.query, pair.RemotePort, s.ports.Media)
		}
	}
}
