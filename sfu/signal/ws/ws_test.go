package ws_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// site is an adapter on an in-memory network, in virtual time.
type site struct {
	t       *testing.T
	network *memnet.Network
	client  *http.Client
	// ended is told of each connection that the handler is done with.
	ended chan struct{}
}

// serve runs test against the adapter of an engine; nil is for a real one.
func serve(t *testing.T, engine signal.Engine, test func(t *testing.T, s *site)) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, network: memnet.New(memnet.Config{}), ended: make(chan struct{}, 64)}
		host := s.network.Host(netip.MustParseAddr("10.0.0.1"))
		listener, err := host.ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		var closeEngine func() error
		if engine == nil {
			real := newEngine(t, host)
			engine, closeEngine = real, real.Close
		}
		handler := ws.New(engine, ws.Config{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(w, r)
			s.ended <- struct{}{}
		})}
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		transport := &http.Transport{DialContext: s.network.Host(netip.MustParseAddr("10.0.0.2")).DialContext}
		s.client = &http.Client{Transport: transport}

		test(t, s)

		if closeEngine != nil {
			if err := closeEngine(); err != nil {
				t.Errorf("close the engine: %v", err)
			}
		}
		transport.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("close the server: %v", err)
		}
		<-served
		s.network.Close()
	})
}

func newEngine(t *testing.T, host *memnet.Host) *sfu.Engine {
	t.Helper()
	conn, err := host.ListenPacket("udp4", "10.0.0.1:7882")
	if err != nil {
		t.Fatal(err)
	}
	cfg := sfu.DefaultConfig()
	cfg.Sockets, cfg.Net, cfg.Workers = []*udp.Socket{udp.Wrap(conn)}, host, 1
	e, err := sfu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// client is one WebSocket.
type client struct {
	*websocket.Conn
	t *testing.T
}

func (s *site) dial() *client {
	s.t.Helper()
	c, _, err := websocket.Dial(s.t.Context(), "ws://10.0.0.1/", &websocket.DialOptions{
		HTTPClient: s.client, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	return &client{c, s.t}
}

// upgrade opens a WebSocket and leaves it to the test what goes over it.
func (s *site) upgrade() (net.Conn, string, error) {
	conn, err := s.client.Transport.(*http.Transport).DialContext(s.t.Context(), "tcp", "10.0.0.1:80")
	if err != nil {
		return nil, "", err
	}
	const request = "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, "", err
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	return conn, string(b[:n]), err
}

// close ends a connection and waits until the adapter has let go of it.
func (s *site) close(c *client) {
	_ = c.CloseNow() // it may be closed already
	<-s.ended
}

// message is what the tests look at in any message of the server.
type message struct {
	Type    string
	Re      string
	Seq     uint64
	Code    signal.Code
	Message string
}

func (c *client) say(text string) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("say %.60s: %v", text, err)
	}
}

func (c *client) hear() message {
	c.t.Helper()
	_, b, err := c.Read(c.t.Context())
	if err != nil {
		c.t.Fatalf("hear: %v", err)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		c.t.Fatalf("the server sent %q: %v", b, err)
	}
	return m
}

// answer says something and answers the reply to it, whatever events come between.
func (c *client) answer(text string) message {
	c.t.Helper()
	c.say(text)
	for {
		if m := c.hear(); m.Seq == 0 {
			return m
		}
	}
}

func TestBadInputIsRefusedAndTheConnectionGoesOn(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dial()
		defer s.close(c)
		tests := []struct {
			name, text, re string
			code           signal.Code
		}{
			{"malformed JSON", `{"type":"join",`, "", signal.BadMessage},
			{"unknown type", `{"type":"dance","id":"1"}`, "1", signal.UnknownType},
			{"before joining", `{"type":"view","id":"2"}`, "2", signal.NotJoined},
			{"resume of nothing", `{"type":"resume","id":"3","version":1,"token":"r_guess","after":0}`, "3", signal.UnknownSession},
			{"no SDP", `{"type":"join","id":"4","version":1,"room":"r","offer":"hello"}`, "4", signal.BadOffer},
			{"10,000 lines", `{"type":"join","id":"5","version":1,"room":"r","offer":"v=0` + strings.Repeat(`\r\n`, 10_000) + `"}`, "5", signal.BadOffer},
			{"SDP garbage", `{"type":"join","id":"6","version":1,"room":"r","offer":"v=0\r\nm=audio \u0001\r\n"}`, "6", signal.BadOffer},
			{"other version", `{"type":"join","id":"8","version":2,"room":"r"}`, "8", signal.UnsupportedVersion},
		}
		for _, tt := range tests {
			if got := c.answer(tt.text); got.Type != "error" || got.Code != tt.code || got.Re != tt.re {
				t.Errorf("%s: answered %+v, want %s to %q", tt.name, got, tt.code, tt.re)
			}
		}
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"ping","id":"9"}`)); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got.Code != signal.BadMessage {
			t.Errorf("binary frame: answered %+v, want bad_message", got)
		}
		if got := c.answer(`{"type":"join","id":"10","version":1,"room":"r"}`); got.Type != "joined" || got.Re != "10" {
			t.Fatalf("after all that a good join was answered %+v", got)
		}
		if got := c.answer(`{"type":"join","id":"11","version":1,"room":"other"}`); got.Code != signal.AlreadyJoined {
			t.Errorf("second join: answered %+v, want already_joined", got)
		}
		if got := c.answer(`{"type":"candidate","id":"12","candidate":"candidate:1 1 udp 1 evil.example.org 9 typ host"}`); got.Code != signal.BadCandidate {
			t.Errorf("candidate with a hostname: answered %+v, want bad_candidate", got)
		}
		if got := c.answer(`{"type":"ping","id":"13"}`); got.Type != "pong" {
			t.Errorf("after all that a ping was answered %+v", got)
		}
	})
}

func TestOversizedMessageClosesOnlyItsOwnConnection(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		good := s.dial()
		good.answer(`{"type":"join","id":"1","version":1,"room":"r"}`)
		for name, text := range map[string]string{
			"one byte":        strings.Repeat("x", signal.MaxMessageSize+1),
			"compresses well": strings.Repeat(" ", 50*signal.MaxMessageSize) + `{}`,
		} {
			for _, joined := range []bool{false, true} {
				bad := s.dial()
				if joined {
					bad.answer(`{"type":"join","id":"1","version":1,"room":"r"}`)
				}
				_ = bad.Write(t.Context(), websocket.MessageText, []byte(text)) // it may be cut off before the end
				for {
					_, b, err := bad.Read(t.Context())
					if status := websocket.CloseStatus(err); err != nil {
						t.Errorf("%s, joined %v: closed with %d (%v) and no refusal", name, joined, status, err)
						break
					}
					if strings.Contains(string(b), string(signal.TooLarge)) {
						break
					}
				}
				if _, _, err := bad.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
					t.Errorf("%s, joined %v: after the refusal came %v, want status 1009", name, joined, err)
				}
				s.close(bad)
			}
		}
		if got := good.answer(`{"type":"ping","id":"2"}`); got.Type != "pong" {
			t.Errorf("the other connection was answered %+v", got)
		}
		s.close(good)
	})
}

// A client that begins a huge frame and stalls must not hold a goroutine.
func TestStalledFrameIsLetGo(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		raw, response, err := s.upgrade()
		if err != nil {
			t.Fatalf("upgrade: %v, %v", response, err)
		}
		frame := make([]byte, 14, 14+2*signal.MaxMessageSize)
		frame[0], frame[1] = 0x81, 0x80|127                             // final text frame, masked, 64-bit length (RFC 6455 §5.2)
		binary.BigEndian.PutUint64(frame[2:], 1<<40)                    // a terabyte
		frame = append(frame, make([]byte, 2*signal.MaxMessageSize)...) // and no more than this
		go io.Copy(io.Discard, raw)
		start := time.Now()
		if _, err := raw.Write(frame); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.ended:
		case <-time.After(10 * time.Minute):
			t.Error("the connection is still held ten minutes later")
			raw.Close()
			<-s.ended
		}
		if waited := time.Since(start); waited > 70*time.Second {
			t.Errorf("it was let go after %v", waited)
		}
		raw.Close()
	})
}

func TestTooManyCommandsAreRefusedByName(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dial()
		defer s.close(c)
		c.answer(`{"type":"join","id":"j","version":1,"room":"r"}`)
		const pings = 400
		go func() {
			for range pings {
				_ = c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping","id":"p"}`)) // the reader below notices
			}
		}()
		var pongs, limited int
		for range pings {
			switch m := c.hear(); {
			case m.Type == "pong":
				pongs++
			case m.Code == signal.RateLimited && m.Re == "p":
				limited++
			default:
				t.Fatalf("answered %+v", m)
			}
		}
		if pongs < 199 || pongs > 215 || limited != pings-pongs {
			t.Errorf("%d of %d commands at once were carried out, %d refused; want the burst of 200", pongs, pings, limited)
		}
		time.Sleep(5 * time.Second)
		if m := c.answer(`{"type":"ping","id":"q"}`); m.Type != "pong" {
			t.Errorf("later a command was answered %+v", m)
		}
	})
}

func TestConnectionThatNeverJoinsIsClosed(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dial()
		start := time.Now()
		if _, _, err := c.Read(t.Context()); err == nil {
			t.Error("a connection without a session was told something")
		}
		if waited := time.Since(start); waited < 14*time.Second || waited > 17*time.Second {
			t.Errorf("it was closed after %v, want about 15 s", waited)
		}
		s.close(c)
	})
}

// chatter is an engine with events without end.
type chatter struct {
	started, stopped chan struct{}
}

func (*chatter) Do(context.Context, signal.Command) (signal.Reply, error) {
	return &signal.Joined{Session: "s"}, nil
}

func (c *chatter) Subscribe(ctx context.Context, _ signal.Filter) (<-chan signal.Event, error) {
	events := make(chan signal.Event)
	go func() {
		defer close(c.stopped)
		defer close(events)
		close(c.started)
		body := &signal.ParticipantJoined{Participant: signal.Participant{Name: strings.Repeat("Ann ", 16)}}
		for i := uint64(1); ; i++ {
			select {
			case events <- signal.Event{Sequence: i, Body: body}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

func TestClientThatNeverReadsIsCutOff(t *testing.T) {
	engine := &chatter{}
	serve(t, engine, func(t *testing.T, s *site) {
		engine.started, engine.stopped = make(chan struct{}), make(chan struct{})
		c := s.dial()
		c.say(`{"type":"join","id":"1","version":1,"room":"r"}`)
		<-engine.started
		start := time.Now()
		<-engine.stopped
		if waited := time.Since(start); waited > 30*time.Second {
			t.Errorf("it was cut off after %v, want little more than the 10 s of one write", waited)
		}
		s.close(c)
	})
}
