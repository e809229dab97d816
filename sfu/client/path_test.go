package client_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
	"github.com/rivulet-rtc/rivulet/turn"
)

// relayFor runs the relay beside the server, on the server's host.
func relayFor(t *testing.T, host *memnet.Host, cfg *sfu.Config) *turn.Server {
	t.Helper()
	return relayTo(t, host, cfg, turn.Peers{Addresses: []netip.AddrPort{netip.AddrPortFrom(serverAddr, 7882)}})
}

// relayTo is relayFor with whom it may send to.
func relayTo(t *testing.T, host *memnet.Host, cfg *sfu.Config, peers turn.Peers) *turn.Server {
	t.Helper()
	conn, err := host.ListenPacket("udp4", "10.0.0.1:3478")
	must(t, err)
	listener, err := host.ListenStream(3478)
	must(t, err)
	key, err := secret.New(secret.Generate())
	must(t, err)
	relay := turn.DefaultConfig()
	relay.UDP, relay.TCP, relay.Secret = []net.PacketConn{conn}, []net.Listener{listener}, key
	relay.Peers = peers
	relay.Relay = func(turn.RelayRequest) (net.PacketConn, netip.AddrPort, error) {
		conn, err := host.ListenPacket("udp4", "10.0.0.1:0")
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
	}
	server, err := turn.New(relay, nil)
	must(t, err)
	cfg.ICEServers = func(now time.Time, participant, host string) []signal.ICEServer {
		c, err := turn.IssueCredentials(now, key, participant, time.Hour)
		if err != nil {
			t.Errorf("credentials: %v", err)
			return nil
		}
		return []signal.ICEServer{{
			URLs:     []string{"turn:" + host + ":3478?transport=udp", "turn:" + host + ":3478?transport=tcp"},
			Username: c.Username, Credential: c.Password,
		}}
	}
	return server
}

// TestRelayOnly carries a call over the relay, by UDP and by TCP, with the
// direct way closed.
func TestRelayOnly(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var relay *turn.Server
				w := newWorld(t, func(cfg *sfu.Config) { relay = relayFor(t, cfg.Net.(*memnet.Host), cfg) })
				defer w.close()
				w.beside = append(w.beside, relay)
				w.network.SetFilter(func(p memnet.Packet) bool {
					return p.Stream || p.To.Port() == 3478 || p.From.Port() == 3478 || p.From.Addr() == p.To.Addr()
				})
				relayed := client.Options{RelayOnly: true, RelayTransport: transport}
				ann, bob := relayed, relayed
				ann.Publish = publications(signal.Microphone)
				a, b := w.join(ann), w.join(bob)
				a.waitConnected(t)
				b.waitConnected(t)
				a.talk(t)
				time.Sleep(10 * time.Second)
				if n, s := b.heard(0), b.Stats(); n < 450 || s.Lost != 0 {
					t.Errorf("heard %d packets in 10 s, %+v", n, s)
				}
				t.Logf("%+v", b.Stages())
				must(t, b.Restart(short(t)))
				before := b.heard(0)
				time.Sleep(3 * time.Second)
				// The path is another one and not measured yet: longer packets at first.
				if n := b.heard(0) - before; n < 40 {
					t.Errorf("heard %d packets in the 3 s after a restart", n)
				}
				w.leave(a)
				w.leave(b)
			})
		})
	}
}

// TestRealPaths talks over real sockets: IPv4, IPv6, and ICE-TCP.
func TestRealPaths(t *testing.T) {
	testenv.Sockets(t)
	for name, c := range map[string]struct {
		listen string
		tcp    bool
	}{
		"udp over ipv4": {"127.0.0.1:0", false},
		"udp over ipv6": {"[::1]:0", false},
		"ice-tcp":       {"127.0.0.1:0", true},
	} {
		t.Run(name, func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
			url := realServer(t, c.listen)
			o := client.Options{URL: url, Room: "room", TCPOnly: c.tcp, Publish: publications(signal.Microphone)}
			ann := realJoin(t, o)
			heard := make(chan struct{}, 1024)
			o.Publish = nil
			o.OnPacket = func(int, uint32, *packet.Packet) {
				select {
				case heard <- struct{}{}:
				default:
				}
			}
			bob := realJoin(t, o)
			u := &user{Call: ann, stop: make(chan struct{})}
			u.talk(t)
			limit := time.After(15 * time.Second)
			for n := 0; n < 50; n++ {
				select {
				case <-heard:
				case <-limit:
					t.Fatalf("%d packets came within 15 s; %+v", n, bob.Stats())
				}
			}
			close(u.stop)
			u.media.Wait()
		})
	}
}

// realServer runs an engine on real sockets until the test ends.
func realServer(t *testing.T, listen string) string {
	t.Helper()
	socket, err := udp.Listen(netip.MustParseAddrPort(listen), udp.DefaultConfig())
	must(t, err)
	cfg := sfu.DefaultConfig()
	cfg.Sockets = []*udp.Socket{socket}
	cfg.TCP, err = net.Listen("tcp", socket.LocalAddr().String())
	must(t, err)
	engine, err := sfu.New(cfg)
	must(t, err)
	server := httptest.NewServer(ws.New(engine, ws.Config{}))
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
		server.Close()
	})
	return "ws" + strings.TrimPrefix(server.URL, "http") + "/v1/ws"
}

// realJoin joins and waits for media; the call ends with the test.
func realJoin(t *testing.T, o client.Options) *client.Call {
	t.Helper()
	web := &http.Transport{}
	o.HTTPClient = &http.Client{Transport: web}
	call, err := client.Join(short(t), o)
	must(t, err)
	t.Cleanup(func() {
		must(t, call.Close())
		web.CloseIdleConnections()
	})
	select {
	case <-call.Connected():
	case <-time.After(15 * time.Second):
		t.Fatalf("no media after 15 s: %+v", call.Stages())
	}
	return call
}
