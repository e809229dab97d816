package whip_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal/whip"
)

// realSite starts a server on loopback.
func realSite(t *testing.T) (site, *sfu.Engine) {
	t.Helper()
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.DefaultConfig())
	must(t, err)
	cfg := sfu.DefaultConfig()
	cfg.Sockets = []*udp.Socket{socket}
	engine, err := sfu.New(cfg)
	must(t, err)
	mux := http.NewServeMux()
	whip.New(engine, whip.Config{}).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		if err := engine.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
		if n := engine.Stats().Media.BuffersInUse; n != 0 {
			t.Errorf("%d packet buffers outlived their rooms", n)
		}
	})
	return site{base: server.URL, http: server.Client()}, engine
}

// eventually waits for what must come true within a time that no machine needs.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestToolsOverRealSockets is a publisher and a viewer of plain net/http and
// pion on loopback: media flows, goes on after ICE restarts, and ends.
func TestToolsOverRealSockets(t *testing.T) {
	testenv.Sockets(t)
	s, engine := realSite(t)
	publisher := newPublisher(t, s, "q", "h", "f")
	defer publisher.close()
	publisher.begin("/whip/stage")
	<-publisher.connected
	publisher.send()
	viewer := newViewer(t, s)
	defer viewer.close()
	viewer.begin("/whep/stage")
	<-viewer.connected
	flows := func(what string) {
		t.Helper()
		heard, seen := viewer.heard.Load()+25, viewer.seen.Load()+15
		eventually(t, what, func() bool { return viewer.heard.Load() > heard && viewer.seen.Load() > seen })
	}
	flows("media flows")
	publisher.restart()
	flows("media flows after the publisher's restart")
	viewer.restart()
	flows("media flows after the viewer's restart")
	if viewer.keys.Load() == 0 {
		t.Error("the viewer never got a key frame")
	}
	for name, c := range map[string]*tool{"viewer": viewer, "publisher": publisher} {
		if status := c.end(); status != http.StatusOK {
			t.Errorf("DELETE of the %s: %d", name, status)
		}
		if status := c.end(); status != http.StatusNotFound {
			t.Errorf("a second DELETE of the %s: %d", name, status)
		}
	}
	eventually(t, "no session and no room remain", func() bool {
		st := engine.Stats()
		return st.Sessions == 0 && st.Rooms == 0
	})
}
