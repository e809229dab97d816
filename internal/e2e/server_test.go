package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
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
	ports ports
	node  *node.Node
}

// startServer starts a node for a test and checks when it ends that nothing of
// its calls is left.
func startServer(t *testing.T, change func(*sfu.Config)) *server {
	t.Helper()
	return startNode(t, func(cfg *node.Config) {
		if change != nil {
			change(&cfg.Engine)
		}
	})
}

// startNode is startServer for a test that changes more than the engine.
func startNode(t *testing.T, change func(*node.Config)) *server {
	t.Helper()
	testenv.Sockets(t)
	testenv.Browser(t)
	p, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := openNode(p)
	if err != nil {
		t.Fatal(err)
	}
	change(&cfg)
	s := &server{ports: p}
	if s.node, err = node.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.node.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if n := s.stats().Media; n.BuffersInUse != 0 || n.Peers != 0 {
			t.Errorf("%d packet buffers and %d peers outlived their rooms", n.BuffersInUse, n.Peers)
		}
	})
	return s
}

// restart closes the node and starts one in its place, on the same ports.
func (s *server) restart(t *testing.T, change func(*node.Config)) {
	t.Helper()
	if err := s.node.Close(); err != nil {
		t.Fatal(err)
	}
	cfg, err := openNode(s.ports)
	if err != nil {
		t.Fatal(err)
	}
	change(&cfg)
	if s.node, err = node.New(cfg); err != nil {
		t.Fatal(err)
	}
}

// openNode opens all sockets of a node on loopback.
func openNode(p ports) (node.Config, error) {
	cfg := node.Config{Engine: sfu.DefaultConfig(), Dev: true}
	socket, err := udp.Listen(netip.MustParseAddrPort(loopback(p.Media)), udp.DefaultConfig())
	if err != nil {
		return cfg, err
	}
	cfg.Engine.Sockets = []*udp.Socket{socket}
	if cfg.Engine.TCP, err = net.Listen("tcp", loopback(p.Media)); err != nil {
		return cfg, err
	}
	relay := turn.DefaultConfig()
	conn, err := net.ListenPacket("udp", loopback(p.Relay))
	if err != nil {
		return cfg, err
	}
	listener, err := net.Listen("tcp", loopback(p.Relay))
	if err != nil {
		return cfg, err
	}
	relay.UDP, relay.TCP = []net.PacketConn{conn}, []net.Listener{listener}
	relay.Relay = turn.HostRelay(turn.RelayHost{Bind: netip.MustParseAddr("127.0.0.1")})
	if relay.Secret, err = secret.New(secret.Generate()); err != nil {
		return cfg, err
	}
	cfg.TURN = &relay
	cfg.HTTP, err = net.Listen("tcp", loopback(p.HTTP))
	return cfg, err
}

func (s *server) rooms() []sfu.RoomSnapshot { return s.node.Engine().Rooms() }
func (s *server) stats() sfu.Stats          { return s.node.Engine().Stats() }

// room answers the server's view of a room; false when there is none.
func (s *server) room(name string) (sfu.RoomSnapshot, bool) {
	for _, r := range s.rooms() {
		if r.Room == name {
			return r, true
		}
	}
	return sfu.RoomSnapshot{}, false
}

// dump is what the server knows of who sends and who receives what, for people.
func (s *server) dump() string {
	var b strings.Builder
	for _, r := range s.rooms() {
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
	fmt.Fprintf(&b, "media %+v", s.stats().Media)
	return b.String()
}

// follow notes every 100 ms, until a moment of the plan, what the path to one
// participant was found to carry and what was decided of it.
func (s *server) follow(l *thinLink, id string, until time.Duration) (lines []string) {
	for at := time.Since(l.began); at < until; at = time.Since(l.began) {
		for _, r := range s.rooms() {
			for _, p := range r.Participants {
				if p.ID == id && p.Path != nil {
					lines = append(lines, pathLine(at, p.Path))
				}
			}
		}
		time.Sleep(min(100*time.Millisecond, until-at))
	}
	return lines
}

func pathLine(at time.Duration, p *downlink.Stats) string {
	line := fmt.Sprintf("%.1f s: %v, sent %v, got %v, carries %v, target %v (%s), queue %v, loss %.2f", at.Seconds(), p.Path.State, p.Path.Sent, p.Path.Delivered,
		p.Path.Capacity, p.Path.Target, p.Decision.Reason, p.Path.QueueDelay.Round(time.Millisecond), p.Path.Loss)
	for i := range p.Slots {
		if slot := &p.Slots[i]; slot.Kind == downlink.Video && slot.Source != 0 {
			line += fmt.Sprintf(", grant %v of %v (%s), sends %d/%d, queued %d", slot.Grant.Rate, p.Budget, slot.Grant.Reason, slot.Spatial, slot.Temporal, p.Queued)
		}
	}
	return line
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
