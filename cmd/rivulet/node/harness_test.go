package node

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/turn"
)

var (
	serverAddr = netip.MustParseAddr("10.0.0.1")
	clientAddr = netip.MustParseAddr("10.0.0.2")
	otherAddr  = netip.MustParseAddr("10.0.0.3")
)

// world is one node on an in-memory network, and a machine of clients. It must
// be made inside a synctest bubble.
type world struct {
	t      *testing.T
	node   *Node
	server *memnet.Host
	client *memnet.Host
	other  *memnet.Host
	http   *http.Client
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// config is that of a whole node on host.
func nodeConfig(host *memnet.Host) Config {
	engine := sfu.DefaultConfig()
	engine.Sockets = []*udp.Socket{udp.Wrap(must(host.ListenPacket("udp4", "10.0.0.1:7882")))}
	engine.TCP = must(host.ListenStream(7882))
	engine.Net = host
	engine.Workers = 1
	relay := turn.DefaultConfig()
	relay.Secret = must(secret.New(secret.Generate()))
	relay.UDP = []net.PacketConn{must(host.ListenPacket("udp4", "10.0.0.1:3478"))}
	relay.TCP = []net.Listener{must(host.ListenStream(3478))}
	relay.Relay = func(turn.RelayRequest) (net.PacketConn, netip.AddrPort, error) {
		conn, err := host.ListenPacket("udp4", "10.0.0.1:0")
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
	}
	return Config{
		Engine: engine, TURN: &relay, Dev: true, Version: "v1.2.3",
		HTTP: must(host.ListenStream(8080)), Admin: must(host.ListenStream(9090)),
	}
}

// start starts a node that is closed with the test.
func start(t *testing.T, change func(*Config)) *world {
	t.Helper()
	network := memnet.New(memnet.Config{})
	w := &world{t: t, server: network.Host(serverAddr), client: network.Host(clientAddr), other: network.Host(otherAddr)}
	transport := &http.Transport{DialContext: w.client.DialContext}
	w.http = &http.Client{Transport: transport}
	cfg := nodeConfig(w.server)
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.node, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.node.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
		transport.CloseIdleConnections()
		network.Close()
	})
	return w
}

// get answers status, headers and body.
func (w *world) get(url string, headers ...string) (int, http.Header, string) {
	w.t.Helper()
	r := must(http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header, string(must(io.ReadAll(answer.Body)))
}

// socket is a WebSocket of a client.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

func (w *world) dial() *socket {
	w.t.Helper()
	conn, _, err := websocket.Dial(w.t.Context(), "ws://10.0.0.1:8080/v1/ws", &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{w.t, conn}
}

func (s *socket) send(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// message is any message of the server.
type message struct {
	Type       string
	Code       string
	Rejoin     bool
	ICEServers []struct {
		URLs                 []string
		Username, Credential string
	}
}

// next answers the next message, false when the connection has ended.
func (s *socket) next() (m message, ok bool) {
	s.t.Helper()
	_, b, err := s.conn.Read(context.WithoutCancel(s.t.Context()))
	if err != nil {
		return m, false
	}
	if err := json.Unmarshal(b, &m); err != nil {
		s.t.Fatalf("the server sent %q: %v", b, err)
	}
	return m, true
}

// join joins without media.
func (s *socket) join(identity string) message {
	s.t.Helper()
	s.send(`{"type":"join","id":"1","version":1,"room":"kitchen","identity":"` + identity + `"}`)
	m, ok := s.next()
	if !ok {
		s.t.Fatal("the connection ended instead of an answer to join")
	}
	return m
}

func mentions(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
