package whip_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/whip"
)

// world is a whole server in memory, inside a bubble.
type world struct {
	t       *testing.T
	network *memnet.Network
	engine  *sfu.Engine
	server  *http.Server
	served  chan error
	tools   []*tool
	webs    []*http.Transport
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, network: memnet.New(memnet.Config{}), served: make(chan error, 1)}
	host := w.network.Host(netip.MustParseAddr("10.0.0.1"))
	conn, err := host.ListenPacket("udp4", "10.0.0.1:7882")
	must(t, err)
	cfg := sfu.DefaultConfig()
	cfg.Sockets, cfg.Net, cfg.Workers = []*udp.Socket{udp.Wrap(conn)}, host, 2
	cfg.BWE.Known = cfg.BWE.Initial // begin with everything
	cfg.ICEServers = func(_ time.Time, _, host string) []signal.ICEServer {
		return []signal.ICEServer{{URLs: []string{"turn:" + host + ":3478"}, Username: "u", Credential: "c"}}
	}
	w.engine, err = sfu.New(cfg)
	must(t, err)
	listener, err := host.ListenStream(80)
	must(t, err)
	mux := http.NewServeMux()
	whip.New(w.engine, whip.Config{}).Register(mux)
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { w.served <- w.server.Serve(listener) }()
	return w
}

// site is the server as seen from a host of its own.
func (w *world) site(addr string) (site, *memnet.Host) {
	host := w.network.Host(netip.MustParseAddr(addr))
	web := &http.Transport{DialContext: host.DialContext}
	w.webs = append(w.webs, web)
	return site{base: "http://10.0.0.1", http: &http.Client{Transport: web}, net: host}, host
}

// with makes sure that a tool is closed before the bubble ends.
func (w *world) with(c *tool) *tool {
	w.tools = append(w.tools, c)
	return c
}

func (w *world) close() {
	for _, c := range w.tools {
		c.close()
	}
	for _, web := range w.webs {
		web.CloseIdleConnections()
	}
	if err := w.engine.Close(); err != nil {
		w.t.Errorf("close the engine: %v", err)
	}
	if n := w.engine.Stats().Media.BuffersInUse; n != 0 {
		w.t.Errorf("%d packet buffers outlived their rooms", n)
	}
	_ = w.server.Close()
	if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Errorf("serve: %v", err)
	}
	_ = w.network.Close()
}

// TestPublishAndWatch carries voice and picture from a WHIP tool to a WHEP tool.
func TestPublishAndWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		here, _ := w.site("10.0.1.1")
		there, _ := w.site("10.0.1.2")
		publisher := w.with(newPublisher(t, here))
		publisher.begin("/whip/stage")
		<-publisher.connected
		publisher.send()
		if len(publisher.links) != 1 || !strings.HasPrefix(publisher.links[0], "<turn:10.0.0.1:3478>;") {
			t.Errorf("Link %q, want the relay by the name that the tool used", publisher.links)
		}
		viewer := w.with(newViewer(t, there))
		viewer.begin("/whep/stage")
		<-viewer.connected
		time.Sleep(10 * time.Second)
		if n := viewer.heard.Load(); n < 470 || n > 530 {
			t.Errorf("%d packets of voice in 10 s, want about 500: fewer before anything is reported, and what pion kept while it connected", n)
		}
		if n := viewer.seen.Load(); n < 290 || viewer.keys.Load() < 1 {
			t.Errorf("%d packets of video with %d key frames in 10 s, want 300 and one", n, viewer.keys.Load())
		}
		if silence := viewer.longestSilence(); silence > 100*time.Millisecond {
			t.Errorf("silent for %v on a perfect path", silence)
		}

		if status := viewer.end(); status != http.StatusOK {
			t.Errorf("DELETE of the viewer: %d", status)
		}
		time.Sleep(time.Second)
		before := viewer.heard.Load()
		time.Sleep(time.Second)
		if n := viewer.heard.Load(); n != before {
			t.Errorf("%d packets after DELETE", n-before)
		}
		if status := publisher.end(); status != http.StatusOK {
			t.Errorf("DELETE of the publisher: %d", status)
		}
		synctest.Wait()
		if s := w.engine.Stats(); s.Sessions != 0 || s.Rooms != 0 {
			t.Errorf("%d sessions and %d rooms remain", s.Sessions, s.Rooms)
		}
		if status := publisher.end(); status != http.StatusNotFound {
			t.Errorf("a second DELETE: %d", status)
		}
	})
}

// TestViewerWithReceiverReportsOnly shows a tool that knows neither transport-
// wide reports nor RFC 8888: it gets sound and a picture, its path is judged by
// receiver reports, and says so, for as long as it is there.
func TestViewerWithReceiverReportsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		here, _ := w.site("10.0.1.1")
		there, _ := w.site("10.0.1.2")
		publisher := w.with(newPublisher(t, here))
		publisher.begin("/whip/stage")
		<-publisher.connected
		publisher.send()
		viewer := w.with(newPlainViewer(t, there))
		viewer.begin("/whep/stage")
		<-viewer.connected
		time.Sleep(20 * time.Second)
		if heard, seen := viewer.heard.Load(), viewer.seen.Load(); heard < 900 || seen < 50 {
			t.Errorf("%d packets of voice and %d of video in 20 s", heard, seen)
		}
		coarse := 0
		for _, r := range w.engine.Rooms() {
			for _, p := range r.Participants {
				if p.Path == nil || len(p.Slots) == 0 {
					continue
				}
				s := p.Path.Path
				if s.State != bwe.Coarse || s.Reports != 0 || !strings.HasPrefix(p.Path.Decision.Reason, "receiver reports only") {
					t.Errorf("state %v after %d packet reports: %s", s.State, s.Reports, p.Path.Decision.Reason)
				}
				if text, err := json.Marshal(s); err != nil || !strings.Contains(string(text), `"coarse"`) {
					t.Errorf("operators read %s, %v", text, err)
				}
				coarse++
			}
		}
		if n := w.engine.Stats().Media.Coarse; coarse != 1 || n != 1 {
			t.Errorf("%d coarse paths, %d counted; want 1", coarse, n)
		}
		viewer.end()
		time.Sleep(2 * time.Second)
		if n := w.engine.Stats().Media.Coarse; n != 0 {
			t.Errorf("%d coarse paths are counted after the viewer has left", n)
		}
	})
}

// TestSimulcastPublisher shows that layers are announced small to large and that
// a viewer gets a picture out of them.
func TestSimulcastPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		here, _ := w.site("10.0.1.1")
		there, _ := w.site("10.0.1.2")
		publisher := w.with(newPublisher(t, here, "q", "h", "f"))
		publisher.begin("/whip/stage?name=Stage")
		<-publisher.connected
		publisher.send()
		reply, err := w.engine.Do(t.Context(), signal.Command{Body: &signal.Join{Version: 1, Room: "stage"}})
		must(t, err)
		members := reply.(*signal.Joined).Participants
		if len(members) != 1 || members[0].Name != "Stage" || len(members[0].Tracks) != 2 {
			t.Fatalf("the room sees %+v", members)
		}
		var rids []string
		for _, l := range members[0].Tracks[1].Layers {
			rids = append(rids, l.RID)
		}
		if got := strings.Join(rids, " "); got != "q h f" {
			t.Errorf("layers %q, want q h f", got)
		}
		viewer := w.with(newViewer(t, there))
		viewer.begin("/whep/stage")
		<-viewer.connected
		time.Sleep(10 * time.Second)
		if n := viewer.seen.Load(); n < 290 || viewer.keys.Load() < 1 {
			t.Errorf("%d packets of video with %d key frames in 10 s", n, viewer.keys.Load())
		}
	})
}

// TestRestartAfterNetworkChange moves both tools to other addresses: media stops
// and goes on after an ICE restart, in the same session and with the same keys.
func TestRestartAfterNetworkChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		here, _ := w.site("10.0.1.1")
		there, _ := w.site("10.0.1.2")
		publisher := w.with(newPublisher(t, here))
		publisher.begin("/whip/stage")
		<-publisher.connected
		publisher.send()
		viewer := w.with(newViewer(t, there))
		viewer.begin("/whep/stage")
		<-viewer.connected
		time.Sleep(5 * time.Second)
		viewer.longestSilence()
		for _, c := range []*tool{publisher, viewer, publisher} {
			c.restart()
			time.Sleep(5 * time.Second)
			if silence := viewer.longestSilence(); silence > time.Second {
				t.Fatalf("silent for %v around a restart", silence)
			}
		}
		// The paths break for good; only new credentials open new ones.
		server := netip.MustParseAddr("10.0.0.1")
		var broken [2]netip.AddrPort
		for i, c := range []*tool{publisher, viewer} {
			pair, err := c.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
			must(t, err)
			broken[i] = netip.AddrPortFrom(netip.MustParseAddr(pair.Local.Address), pair.Local.Port)
		}
		w.network.SetFilter(func(p memnet.Packet) bool {
			return p.Stream || (p.From != broken[0] && p.To != broken[0] && p.From != broken[1] && p.To != broken[1]) ||
				(p.From.Addr() != server && p.To.Addr() != server)
		})
		before := viewer.heard.Load()
		time.Sleep(3 * time.Second)
		if n := viewer.heard.Load() - before; n > 10 {
			t.Fatalf("%d packets over a broken path", n)
		}
		publisher.restart()
		viewer.restart()
		time.Sleep(2 * time.Second)
		before = viewer.heard.Load()
		time.Sleep(5 * time.Second)
		if n := viewer.heard.Load() - before; n < 240 {
			t.Errorf("%d packets of voice in 5 s after the restart, want about 250", n)
		}
		if s := w.engine.Stats(); s.Sessions != 2 || s.Joins != 2 {
			t.Errorf("%d sessions after %d joins, want the same two", s.Sessions, s.Joins)
		}
	})
}

// TestVanishedTools shows that sessions end with their media, and that their
// addresses then lead nowhere.
func TestVanishedTools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		here, _ := w.site("10.0.1.1")
		publisher := w.with(newPublisher(t, here))
		publisher.begin("/whip/stage")
		<-publisher.connected
		publisher.send()
		time.Sleep(5 * time.Minute) // nobody signals, yet it lives
		if n := w.engine.Stats().Sessions; n != 1 {
			t.Fatalf("%d sessions while media flows", n)
		}
		w.network.SetFilter(func(p memnet.Packet) bool { return p.Stream })
		time.Sleep(20 * time.Second)
		if n := w.engine.Stats().Sessions; n != 1 {
			t.Error("it was given up within 20 s")
		}
		time.Sleep(2 * time.Minute)
		if s := w.engine.Stats(); s.Sessions != 0 || s.Rooms != 0 {
			t.Errorf("%d sessions and %d rooms remain", s.Sessions, s.Rooms)
		}
		if status := publisher.end(); status != http.StatusNotFound {
			t.Errorf("DELETE of an ended session: %d", status)
		}
	})
}

// TestRolesOfDTLS takes offers of tools that can do only one role, as some
// encoders offer (RFC 8842 §5.2).
func TestRolesOfDTLS(t *testing.T) {
	for offered, answered := range map[string]string{"actpass": "passive", "active": "passive", "passive": "active"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			here, _ := w.site("10.0.1.1")
			publisher := w.with(newPublisher(t, here))
			publisher.post("/whip/stage", strings.ReplaceAll(publisher.offer(nil), "a=setup:actpass", "a=setup:"+offered))
			if !strings.Contains(publisher.answer, "a=setup:"+answered+"\r\n") {
				t.Errorf("setup:%s is not answered setup:%s:\n%s", offered, answered, publisher.answer)
			}
			<-publisher.connected
		})
	}
}
