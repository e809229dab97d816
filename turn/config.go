package turn

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

// Config is all that a Server needs. The sockets in it belong to the server
// from a successful New on, and are closed by Close.
type Config struct {
	// UDP are the sockets on which clients arrive, usually port 3478. Their
	// addresses must be *net.UDPAddr.
	UDP []net.PacketConn
	// TCP are the listeners on which clients arrive: plain TCP, usually port
	// 3478, or TLS (a tls.Listener), usually 5349. Addresses of their
	// connections must be *net.TCPAddr.
	TCP []net.Listener
	// Relay opens the socket of each allocation. Required; see HostRelay.
	Relay RelayAllocator
	// Peers are the only addresses that relays speak with: this node's own
	// media addresses. Empty allows nothing.
	Peers Peers
	// Secret makes and checks the credentials. Required.
	Secret secret.Secret
	// Realm is told to clients, 1 to 127 bytes.
	Realm string
	// Lifetime is how long an allocation lives without a refresh when the
	// client asks for nothing or for more than an hour; 1 minute to 1 hour.
	Lifetime time.Duration
	// MaxAge ends an allocation whatever the client refreshes; 1 minute to 7 days.
	MaxAge time.Duration
	// Limits bound what clients may use up.
	Limits Limits
}

// Peers lists addresses to which relays may send and from which they accept.
type Peers struct {
	// Addresses are exact: address and port. This is the list to use.
	Addresses []netip.AddrPort
	// Prefixes allow every port. Loopback and link-local addresses match
	// only a prefix that lies within their own range.
	Prefixes []netip.Prefix
}

// Limits bound what clients may use up. Every one must be positive.
type Limits struct {
	// Allocations is the most at one time.
	Allocations int
	// AllocationsPerUser is the most at one time for one credential id. A
	// browser makes one for each server URL and network interface, and an
	// ICE restart makes them anew before the old ones end.
	AllocationsPerUser int
	// TCPConnections is the most at one time.
	TCPConnections int
	// TCPConnectionsPerIP is the most at one time from one IPv4 address or
	// one IPv6 /64. Many people share one address behind a carrier's NAT.
	TCPConnectionsPerIP int
	// TCPAuthTimeout is how long a connection may last without an allocation.
	TCPAuthTimeout time.Duration
	// TCPIdleTimeout closes a connection on which nothing arrives.
	TCPIdleTimeout time.Duration
	// TCPWriteTimeout closes a connection that accepts nothing.
	TCPWriteTimeout time.Duration
	// AnswersPerSecond is how many answers a second go to one IPv4 address
	// or IPv6 /64 whose requests prove nothing (401, 438, 400, Binding). A
	// forged source makes such an answer hit somebody else.
	AnswersPerSecond float64
	// AnswersBurst is how many such answers go out at once.
	AnswersBurst int
}

// DefaultConfig answers a configuration that lacks sockets, Relay, Peers and
// Secret.
func DefaultConfig() Config {
	return Config{
		Realm:    "rivulet",
		Lifetime: 10 * time.Minute, // RFC 8656 §3.2
		MaxAge:   24 * time.Hour,
		Limits: Limits{
			Allocations:         4096,
			AllocationsPerUser:  16,
			TCPConnections:      4096,
			TCPConnectionsPerIP: 256,
			TCPAuthTimeout:      15 * time.Second,
			TCPIdleTimeout:      5 * time.Minute, // ICE consent comes every 5 s, RFC 7675
			TCPWriteTimeout:     10 * time.Second,
			AnswersPerSecond:    50,
			AnswersBurst:        200,
		},
	}
}

// Validate answers everything that is wrong with c, joined, or nil.
func (c Config) Validate() error {
	var problems []error
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("turn: "+format, args...))
	}
	if len(c.UDP)+len(c.TCP) == 0 {
		add("no socket to listen on")
	}
	for i, conn := range c.UDP {
		if conn == nil {
			add("UDP socket %d is nil", i)
		} else if _, ok := conn.LocalAddr().(*net.UDPAddr); !ok {
			add("UDP socket %d has an address of type %T", i, conn.LocalAddr())
		}
	}
	for i, listener := range c.TCP {
		if listener == nil {
			add("TCP listener %d is nil", i)
		}
	}
	if c.Relay == nil {
		add("no relay allocator")
	}
	if c.Secret.IsZero() {
		add("%w: none given: make one with `rivulet token secret`", secret.ErrWeak)
	}
	if c.Realm == "" || len(c.Realm) > 127 {
		add("realm must have 1 to 127 bytes")
	}
	if c.Lifetime < time.Minute || c.Lifetime > time.Hour {
		add("lifetime %v is not between 1 minute and 1 hour", c.Lifetime)
	}
	if c.MaxAge < time.Minute || c.MaxAge > 7*24*time.Hour {
		add("maximum age %v is not between 1 minute and 7 days", c.MaxAge)
	}
	problems = append(problems, c.Peers.validate(), c.Limits.validate())
	return errors.Join(problems...)
}

// validate answers what is wrong with the list of peers, or nil.
func (p Peers) validate() error {
	var problems []error
	for _, a := range p.Addresses {
		switch addr := normal(a.Addr()); {
		case !a.IsValid() || a.Port() == 0:
			problems = append(problems, fmt.Errorf("turn: peer %v has no address or no port", a))
		case never(addr):
			problems = append(problems, fmt.Errorf("turn: peer %v is no address of a host: list each address of this node instead", a))
		}
	}
	for _, prefix := range p.Prefixes {
		switch {
		case !prefix.IsValid():
			problems = append(problems, errors.New("turn: a peer prefix is not valid"))
		case prefix.Addr().Is4In6():
			problems = append(problems, fmt.Errorf("turn: peer prefix %v: write it as IPv4", prefix))
		}
	}
	return errors.Join(problems...)
}

// validate answers what is wrong with the limits, or nil.
func (l Limits) validate() error {
	if l.Allocations <= 0 || l.AllocationsPerUser <= 0 || l.TCPConnections <= 0 || l.TCPConnectionsPerIP <= 0 || l.AnswersBurst <= 0 {
		return errors.New("turn: every limit must be positive")
	}
	if l.TCPAuthTimeout <= 0 || l.TCPIdleTimeout <= 0 || l.TCPWriteTimeout <= 0 {
		return errors.New("turn: every TCP timeout must be positive")
	}
	if !(l.AnswersPerSecond > 0) { // also refuses NaN
		return errors.New("turn: answers per second must be positive")
	}
	return nil
}
