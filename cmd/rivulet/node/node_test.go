package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
)

func TestJoinOverTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		s := w.dial()
		if m := s.join("ann"); m.Type != "joined" {
			t.Fatalf("answered %+v", m)
		}
		if n := w.node.Engine().Stats().Sessions; n != 1 {
			t.Errorf("%d participants", n)
		}
	})
}

// The last things first: what a client is told while the node goes down.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Grace = 5 * time.Second })
		if status, _, body := w.get("http://10.0.0.1:9090/readyz"); status != http.StatusOK || body != "ready\n" {
			t.Fatalf("readyz answers %d %q", status, body)
		}
		in := w.dial()
		in.join("ann")
		late := w.dial()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.node.Run(ctx) }()
		synctest.Wait()
		began := time.Now()
		stop()
		synctest.Wait()
		if status, _, body := w.get("http://10.0.0.1:9090/readyz"); status != http.StatusServiceUnavailable || body != "draining\n" {
			t.Errorf("while draining readyz answers %d %q", status, body)
		}
		if status, _, _ := w.get("http://10.0.0.1:9090/healthz"); status != http.StatusOK {
			t.Errorf("while draining healthz answers %d", status)
		}
		if m := late.join("bob"); m.Type != "error" || m.Code != "draining" {
			t.Errorf("a late join is answered %+v, want the error draining", m)
		}
		m, ok := in.next()
		if !ok || m.Type != "closed" || m.Code != "draining" || !m.Rejoin {
			t.Errorf("who was in is told %+v, want closed: draining, join again", m)
		}
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("the call went on for %v, want the grace of 5s", took)
		}
		if _, ok := in.next(); ok {
			t.Error("something came after closed")
		}
		if err := <-ended; err != nil {
			t.Errorf("run ended with %v", err)
		}
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("ending took %v", took)
		}
	})
}

func TestDrainEndsWithTheLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Grace = time.Hour })
		s := w.dial()
		s.join("ann")
		began := time.Now()
		time.AfterFunc(10*time.Second, func() { s.send(`{"type":"leave","id":"2"}`) })
		w.node.Drain()
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("draining took %v, want until the last one left after 10s", took)
		}
	})
}

// A client that never answers, and one that never joined, hold nothing up.
func TestCloseWaitsForNobodyLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		w.dial()
		silent := w.dial()
		silent.join("ann") // and reads nothing more
		half := must(w.client.Dial("tcp", "10.0.0.1:8080"))
		defer half.Close()
		must(half.Write([]byte("GET / HTTP/1.1\r\n")))
		synctest.Wait()
		began := time.Now()
		if err := w.node.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("close took %v", took)
		}
	})
}

func TestFailingListenerEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		broken := errors.New("the cable was pulled")
		w.node.failed <- broken
		if err := w.node.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("run ended with %v", err)
		}
	})
}

// What New was given is closed when it fails, wherever it does.
func TestNewClosesWhatItCannotUse(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no relay secret": func(c *Config) { c.TURN.Secret = secret.Secret{} },
		"bad engine":      func(c *Config) { c.Engine.MaxRooms = 0 },
		"no listener":     func(c *Config) { c.HTTP = nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := memnet.New(memnet.Config{})
				defer network.Close()
				cfg := nodeConfig(network.Host(serverAddr))
				listeners := []net.Listener{cfg.HTTP, cfg.Admin, cfg.Engine.TCP, cfg.TURN.TCP[0]}
				packets := []net.PacketConn{cfg.TURN.UDP[0]}
				socket := cfg.Engine.Sockets[0]
				change(&cfg)
				if n, err := New(cfg); err == nil {
					n.Close()
					t.Fatal("started")
				}
				for i, l := range listeners {
					if l == nil || (cfg.HTTP == nil && i == 0) {
						continue
					}
					if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
						t.Errorf("listener %v: %v, want it closed", l.Addr(), err)
					}
				}
				if _, _, err := packets[0].ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("relay socket: %v, want it closed", err)
				}
				if _, err := socket.ReadBatch(make([]udp.Message, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("media socket: %v, want it closed", err)
				}
			})
		})
	}
}

func TestMediaAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(memnet.Config{})
		defer network.Close()
		host := network.Host(serverAddr)
		bound := udp.Wrap(must(host.ListenPacket("udp4", "10.0.0.1:7882")))
		every := udp.Wrap(must(host.ListenPacket("udp4", "0.0.0.0:7883")))
		defer bound.Close()
		defer every.Close()
		got := mediaAddresses(sfu.Config{
			Sockets:   []*udp.Socket{bound, every},
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")},
			Advertise: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		})
		var texts []string
		for _, a := range got {
			texts = append(texts, a.String())
		}
		want := []string{"10.0.0.1:7882", "192.0.2.1:7882", "10.0.0.1:7883", "[2001:db8::1]:7883", "192.0.2.1:7883"}
		if diff := cmp.Diff(want, texts, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRelayURL(t *testing.T) {
	local := &net.UDPAddr{Port: 3478}
	for host, want := range map[string]string{
		"example.org": "turn:example.org:3478?transport=udp", "192.0.2.1": "turn:192.0.2.1:3478?transport=udp",
		"2001:db8::1": "turn:[2001:db8::1]:3478?transport=udp", "[2001:db8::1]": "turn:[2001:db8::1]:3478?transport=udp",
	} {
		if got := relayURL(host, local, "udp"); got != want {
			t.Errorf("%s gives %s, want %s", host, got, want)
		}
	}
}

func TestOfFamilies(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	if diff := cmp.Diff([]netip.Addr{v4}, OfFamilies([]netip.Addr{v4, v6}, true, false), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
}

func TestClientBehindProxies(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	tests := []struct{ name, remote, forwarded, want string }{
		{"direct", "192.0.2.1:5", "", "192.0.2.1:5"},
		{"a stranger claims", "192.0.2.1:5", "198.51.100.1", "192.0.2.1:5"},
		{"one proxy", "10.0.0.1:5", "198.51.100.1", "198.51.100.1:0"},
		{"two proxies", "[::1]:5", "198.51.100.1, 10.0.0.7", "198.51.100.1:0"},
		{"the client made up the first", "10.0.0.1:5", "203.0.113.9, 198.51.100.1", "198.51.100.1:0"},
		{"mapped", "[::ffff:10.0.0.1]:5", "::ffff:198.51.100.1", "198.51.100.1:0"},
		{"IPv6", "10.0.0.1:5", "2001:db8::1", "[2001:db8::1]:0"},
		{"nothing", "10.0.0.1:5", "", "10.0.0.1:5"},
		{"rubbish", "10.0.0.1:5", "198.51.100.1, unknown", "10.0.0.1:5"},
		{"only proxies", "10.0.0.1:5", "10.0.0.2", "10.0.0.1:5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			h := believing(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = test.remote
			if test.forwarded != "" {
				r.Header.Set("X-Forwarded-For", test.forwarded)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != test.want {
				t.Errorf("the client is %s, want %s", got, test.want)
			}
		})
	}
}

func TestPanicEndsOneRequestAndIsLogged(t *testing.T) {
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	h := recovered(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }), log)
	r := httptest.NewRequest(http.MethodGet, "/?token=confidential", nil)
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("panicked with %v, want http.ErrAbortHandler", p)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), r)
	}()
	mentions(t, logged.String(), "a bug", "node_test.go")
	if text := logged.String(); strings.Contains(text, "confidential") || strings.Contains(text, "192.0.2.1") {
		t.Errorf("the log names the client:\n%s", text)
	}
}

func TestOtherPagesNeedToBeListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Origins = []string{"friend.example"} })
		for origin, status := range map[string]int{
			"http://10.0.0.1:8080": http.StatusSwitchingProtocols, "https://friend.example": http.StatusSwitchingProtocols,
			"https://evil.example": http.StatusForbidden,
		} {
			conn, answer, err := websocket.Dial(t.Context(), "ws://10.0.0.1:8080/v1/ws", &websocket.DialOptions{
				HTTPClient: w.http, HTTPHeader: http.Header{"Origin": {origin}},
			})
			if answer == nil || answer.StatusCode != status {
				t.Errorf("a page of %s: %v, want status %d", origin, err, status)
			}
			if err == nil {
				_ = conn.CloseNow()
			}
		}
	})
}
