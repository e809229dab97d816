package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/turn"
)

// Engine answers the engine's part. Sockets, addresses and authorizer are the
// caller's.
func (c Config) Engine() sfu.Config {
	e := sfu.DefaultConfig()
	e.Advertise = c.Media.Advertise
	e.Addresses = c.Media.Addresses
	e.Workers = c.Media.Workers
	e.MaxRooms, e.MaxParticipants, e.MaxRoomSize = c.Limits.Rooms, c.Limits.Participants, c.Limits.RoomSize
	e.JoinRate, e.JoinBurst = c.Limits.JoinRate, c.Limits.JoinBurst
	e.ResumeFor, e.LowerVoice = c.Limits.ResumeFor, c.Limits.LowerVoice
	return e
}

// UDP answers how to open the media socket.
func (c Config) UDP() udp.Config {
	u := udp.DefaultConfig()
	u.DSCP = uint8(c.Media.DSCP) // at most udp.MaxDSCP by its tag
	u.ReceiveBuffer, u.SendBuffer = c.Media.ReceiveBuffer, c.Media.SendBuffer
	return u
}

// Relay answers the relay's part. Sockets, relay allocator and peers are the
// caller's.
func (c Config) Relay() turn.Config {
	t := turn.DefaultConfig()
	t.Secret, t.Realm = c.TURN.Secret, c.TURN.Realm
	t.Lifetime, t.MaxAge = c.TURN.Lifetime, c.TURN.MaxAge
	t.Limits.Allocations, t.Limits.AllocationsPerUser = c.TURN.Allocations, c.TURN.AllocationsPerUser
	t.Limits.TCPConnections, t.Limits.TCPConnectionsPerIP = c.TURN.TCPConnections, c.TURN.TCPConnectionsPerIP
	t.Limits.AnswersPerSecond, t.Limits.AnswersBurst = c.TURN.AnswersPerSecond, c.TURN.AnswersBurst
	return t
}

// CallPlane answers the call plane's part, or nil when it is switched off. Media
// plane and authorizer are the caller's.
func (c Config) CallPlane() *switchboard.Config {
	if !c.Calls.Enabled {
		return nil
	}
	s := switchboard.DefaultConfig()
	s.Journal, s.JournalSync = c.Calls.Journal, c.Calls.JournalSync
	s.Calls.RingLifetime, s.DeadAfter = c.Calls.RingLifetime, c.Calls.DeadAfter
	s.RingRate, s.RingBurst = c.Calls.RingRate, c.Calls.RingBurst
	s.TenantRingRate, s.TenantRingBurst = c.Calls.TenantRingRate, c.Calls.TenantRingBurst
	s.Direct.Policy = switchboard.DirectPolicy(c.Calls.Direct)
	s.MaxSessions, s.MaxSessionsOfUser = c.Calls.Sessions, c.Calls.SessionsPerUser
	return &s
}

// RelayHost is the name that clients are told for the relay: the configured
// one, or the first advertised address; empty for the name by which each client
// reached the server.
func (c Config) RelayHost() string {
	if c.TURN.Host == "" && len(c.Media.Advertise) > 0 {
		return c.Media.Advertise[0].String()
	}
	return c.TURN.Host
}

// Validate says everything that is wrong with values that are in range one by
// one. dev marks a server for development, which needs no secrets.
func (c Config) Validate(dev bool) error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := listenAddress(c.HTTP.Address); err != nil {
		add("http.address %w", err)
	}
	if (c.HTTP.Certificate == "") != (c.HTTP.Key == "") {
		add("http.certificate and http.key belong together: set both, or neither")
	}
	for _, list := range []struct {
		path      string
		addresses []netip.Addr
	}{{"media.advertise", c.Media.Advertise}, {"media.addresses", c.Media.Addresses}} {
		for _, a := range list.addresses {
			if a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" {
				add("%s: %v is no address of one host that a client could reach", list.path, a)
			}
		}
	}
	if c.TURN.Enabled && c.TURN.Port != 0 && c.TURN.Port == c.Media.Port {
		add("media.port and turn.port are both %d: give the relay another one", c.TURN.Port)
	}
	if err := c.Admin.validate(); err != nil {
		add("admin.address %w", err)
	}
	if c.Webhook.URL != "" && c.Webhook.Secret.IsZero() {
		add("webhook.secret: %w: none to sign webhooks with: make one with `rivulet token secret`", secret.ErrWeak)
	}
	if c.Webhook.URL != "" && !c.Calls.Enabled {
		add("webhook.url: there are no events without the call plane: set calls.enabled")
	}
	if err := c.NATS.validate(dev, c.Calls.Enabled); err != nil {
		add("nats.%w", err)
	}
	problems = append(problems, c.secrets(dev)...)
	problems = append(problems, c.packages()...)
	return errors.Join(problems...)
}

// validate says what is wrong with the bus.
func (n NATS) validate(dev, calls bool) error {
	switch {
	case !n.Enabled:
		return nil
	case !calls:
		return errors.New("enabled: there is nothing to carry without the call plane: set calls.enabled")
	case (n.Certificate == "") != (n.Key == ""):
		return errors.New("certificate and nats.key belong together: set both, or neither")
	case n.URL != "" || n.Address == "":
		return nil
	case n.Secret.IsZero() && !dev:
		return fmt.Errorf("secret: %w: none, and whoever connects may ring and end any call: make one with `rivulet token secret`, or clear nats.address", secret.ErrWeak)
	}
	if err := listenAddress(n.Address); err != nil {
		return fmt.Errorf("address %w", err)
	}
	return nil
}

// secrets refuses to start without what keeps strangers out.
func (c Config) secrets(dev bool) (problems []error) {
	if dev {
		return nil
	}
	const how = "make one with `rivulet token secret`, and set %s in the configuration file or %s in the environment (file:PATH reads it from a file); to try things out without tokens: rivulet serve --dev"
	if !c.Auth.believes() {
		problems = append(problems, fmt.Errorf("auth.keys: %w: no key, so that nobody could be let in: "+how,
			secret.ErrWeak, "auth.keys", Variable("auth.keys")+"=id:SECRET"))
	}
	if c.TURN.Enabled && c.TURN.Secret.IsZero() {
		problems = append(problems, fmt.Errorf("turn.secret: %w: there is none: "+how,
			secret.ErrWeak, "turn.secret", Variable("turn.secret")))
	}
	return problems
}

// packages asks each package about its part, with stand-ins for what is opened
// later.
func (c Config) packages() (problems []error) {
	engine := c.Engine()
	engine.Sockets = make([]*udp.Socket, 1)
	problems = append(problems, engine.Validate(), c.UDP().Validate())
	if c.Auth.believes() {
		tokens, err := c.Tokens(nil)
		if err == nil {
			err = tokens.Validate()
		}
		problems = append(problems, err)
	}
	if !c.TURN.Enabled || c.TURN.Secret.IsZero() {
		return problems
	}
	relay := c.Relay()
	relay.UDP = []net.PacketConn{unopened{}}
	relay.Relay = turn.HostRelay()
	return append(problems, relay.Validate())
}

// unopened stands for a socket that is not open yet.
type unopened struct{ net.PacketConn }

func (unopened) LocalAddr() net.Addr { return &net.UDPAddr{} }

// validate refuses to show the inside to the world by accident.
func (a Admin) validate() error {
	if a.Address == "" {
		return nil
	}
	if err := listenAddress(a.Address); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(a.Address) // listenAddress has split it
	ip, err := netip.ParseAddr(host)
	if a.AllowRemote || host == "localhost" || (err == nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("is %q, which is not loopback: it has no password; use 127.0.0.1, or set admin.allowRemote if a firewall stands in front", a.Address)
}

// listenAddress says what is wrong with host:port.
func listenAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("is %q; it must be host:port or :port", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("is %q: port %q is not 0 to 65535", address, port)
	}
	return nil
}
