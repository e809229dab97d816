package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	callpage "github.com/rivulet-rtc/rivulet/cmd/rivulet/page"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
	"github.com/rivulet-rtc/rivulet/sfu/token"
	"github.com/rivulet-rtc/rivulet/turn"
)

// ports are where one server listens on loopback. Media has UDP and ICE-TCP on
// one number, and so has the relay.
type ports struct{ HTTP, Media, Relay int }

// freePorts finds numbers that are free for UDP and TCP alike.
func freePorts() (ports, error) {
	var p ports
	for _, want := range []*int{&p.HTTP, &p.Media, &p.Relay} {
		n, err := freePort()
		if err != nil {
			return p, err
		}
		*want = n
	}
	return p, nil
}

func freePort() (int, error) {
	var last error
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		n := l.Addr().(*net.TCPAddr).Port
		c, err := net.ListenPacket("udp", loopback(n))
		l.Close()
		if err == nil {
			c.Close()
			return n, nil
		}
		last = err
	}
	return 0, fmt.Errorf("find a port that is free for UDP and TCP: %w", last)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// server is a whole node in this process.
type server struct {
	ports  ports
	engine *sfu.Engine
	relay  *turn.Server
	http   *http.Server
}

// startServer starts a node for a test and checks when it ends that nothing of
// its calls is left.
func startServer(t *testing.T, change func(*sfu.Config)) *server {
	t.Helper()
	p, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(p, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("rooms of the server:\n%s", s.dump())
		}
		if err := s.close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if n := s.engine.Stats().Media; n.BuffersInUse != 0 || n.Peers != 0 {
			t.Errorf("%d packet buffers and %d peers outlived their rooms", n.BuffersInUse, n.Peers)
		}
	})
	return s
}

func newServer(p ports, change func(*sfu.Config)) (*server, error) {
	s := &server{ports: p}
	cfg := sfu.DefaultConfig()
	media := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(p.Media))
	socket, err := udp.Listen(media, udp.DefaultConfig())
	if err != nil {
		return nil, err
	}
	cfg.Sockets = []*udp.Socket{socket}
	if cfg.TCP, err = net.Listen("tcp", media.String()); err != nil {
		return nil, err
	}
	if err := s.startRelay(media); err != nil {
		return nil, err
	}
	cfg.ICEServers = s.iceServers
	if change != nil {
		change(&cfg)
	}
	if s.engine, err = sfu.New(cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/ws", ws.New(s.engine, ws.Config{}))
	mux.Handle("/", callpage.Handler())
	listener, err := net.Listen("tcp", loopback(p.HTTP))
	if err != nil {
		return nil, err
	}
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go s.http.Serve(listener)
	return s, nil
}

func (s *server) startRelay(media netip.AddrPort) error {
	cfg := turn.DefaultConfig()
	conn, err := net.ListenPacket("udp", loopback(s.ports.Relay))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", loopback(s.ports.Relay))
	if err != nil {
		return err
	}
	cfg.UDP, cfg.TCP = []net.PacketConn{conn}, []net.Listener{listener}
	cfg.Relay = turn.HostRelay(turn.RelayHost{Bind: media.Addr()})
	cfg.Peers = turn.Peers{Addresses: []netip.AddrPort{media}}
	if cfg.Secret, err = secret.New(secret.Generate()); err != nil {
		return err
	}
	s.relay, err = turn.New(cfg, nil)
	return err
}

func (s *server) iceServers(now time.Time, participant, _ string) []signal.ICEServer {
	c, err := s.relay.IssueCredentials(now, participant, time.Hour)
	if err != nil {
		return nil
	}
	url := "turn:" + loopback(s.ports.Relay) + "?transport="
	return []signal.ICEServer{{URLs: []string{url + "udp", url + "tcp"}, Username: c.Username, Credential: c.Password}}
}

func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := errors.Join(s.engine.Close(), s.relay.Close())
	// Pages may still hold their connections open.
	if s.http.Shutdown(ctx) != nil {
		return errors.Join(err, s.http.Close())
	}
	return err
}

// room answers the server's view of a room; false when there is none.
func (s *server) room(name string) (sfu.RoomSnapshot, bool) {
	for _, r := range s.engine.Rooms() {
		if r.Room == name {
			return r, true
		}
	}
	return sfu.RoomSnapshot{}, false
}

// dump is what the server knows of who sends and who receives what, for people.
func (s *server) dump() string {
	var b strings.Builder
	for _, r := range s.engine.Rooms() {
		for _, p := range r.Participants {
			fmt.Fprintf(&b, "%s %s: %s, %s, mode %s", r.Room, p.ID, p.State, p.Quality, p.DataMode)
			if p.Path != nil {
				fmt.Fprintf(&b, ", path %+v, decided %+v, budget %v, voice %v, queued %d", p.Path.Path, p.Path.Decision, p.Path.Budget, p.Path.Voice, p.Path.Queued)
			}
			for _, t := range p.Tracks {
				fmt.Fprintf(&b, "\n  publishes %+v", t)
			}
			for _, u := range p.Uplinks {
				fmt.Fprintf(&b, "\n  uplink %+v", u)
			}
			for i, slot := range p.Slots {
				if slot.Track != "" {
					fmt.Fprintf(&b, "\n  slot %+v", slot)
					if p.Path != nil && i < len(p.Path.Slots) {
						fmt.Fprintf(&b, " %+v", p.Path.Slots[i])
					}
				}
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&b, "media %+v", s.engine.Stats().Media)
	return b.String()
}

// authorizer lets in who has a token of it.
func authorizer(t *testing.T) *token.Verifier {
	t.Helper()
	key, err := secret.New(secret.Generate())
	if err != nil {
		t.Fatal(err)
	}
	cfg := token.DefaultConfig()
	cfg.Keys = []token.Key{{ID: "test", Secret: key}}
	v, err := token.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
