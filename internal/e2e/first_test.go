package e2e

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
)

// TestPageJoinsWithItsFirstRequest: the join of a page that has fetched the compact
// form travels with the request that opens its WebSocket.
func TestPageJoinsWithItsFirstRequest(t *testing.T) {
	s := startServer(t, nil)
	ann := openTab(t, "ann")
	s.call(ann, "first")
	ann.wait(joinLimit, "ann is in the room", func(s state) bool { return s.Call == "connected" })
	protocol, err := evaluate[string](ann, `rivulet.call.session.signalling.socket.protocol`)
	if err != nil || protocol != compact.FirstSubprotocol {
		t.Errorf("the WebSocket speaks %q, %v", protocol, err)
	}
	if c := ann.state().Counters; c.Rejoins+c.Resumes != 0 {
		t.Errorf("joined more than once: %+v", c)
	}
}
