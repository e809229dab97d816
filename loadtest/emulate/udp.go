package emulate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// UDPConfig is a UDP proxy: what clients send to Listen goes Up to To, what
// comes back goes Down. Each client address has a socket of its own upstream.
type UDPConfig struct {
	// Listen is where clients send to; port 0 is chosen by the system.
	Listen netip.AddrPort
	// To is the server behind the link.
	To netip.AddrPort
	// Links is the plan. It begins with the run, for every client.
	Links Links
	// Shared lets all clients share one link each way, as people on one dish or
	// in one café do; otherwise each has links of its own.
	Shared bool
	// MaxClients bounds how many addresses are served at once, 1 to 1000.
	MaxClients int
	// Idle is how long a client that says nothing is kept while others wait for
	// its place.
	Idle time.Duration
	// Duration ends the run; 0 = when its context ends.
	Duration time.Duration
	// Progress, which may be nil, is called each second.
	Progress func(Progress)
}

// DefaultUDPConfig answers a proxy on a loopback port of the system's choice,
// with a link that carries everything. To is left to the caller.
func DefaultUDPConfig() UDPConfig {
	return UDPConfig{
		Listen:     netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0),
		MaxClients: 64,
		// RFC 4787 REQ-5: a NAT keeps a mapping for two minutes at least.
		Idle: 2 * time.Minute,
	}
}

// Validate says what is wrong with the configuration.
func (c UDPConfig) Validate() error {
	switch {
	case !c.Listen.IsValid():
		return errors.New("emulate udp: no address to listen on")
	case !c.To.IsValid() || c.To.Port() == 0:
		return errors.New("emulate udp: no address and port to send to")
	case c.Listen == c.To:
		return fmt.Errorf("emulate udp: it would send to itself at %v", c.To)
	case c.MaxClients < 1 || c.MaxClients > 1000:
		return fmt.Errorf("emulate udp: %d clients at most are outside 1 to 1000", c.MaxClients)
	case c.Idle < 0 || c.Duration < 0:
		return errors.New("emulate udp: times must not be negative")
	}
	if err := c.Links.Validate(); err != nil {
		return fmt.Errorf("emulate udp: %w", err)
	}
	return nil
}

// overhead is what IP and UDP add to a payload between a client and here.
func overhead(a netip.Addr) units.Size {
	if a.Is4() || a.Is4In6() {
		return link.OverheadIPv4
	}
	return link.OverheadIPv6
}
