package emulate

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
)

const (
	// minMTU is what IPv6 needs of a link (RFC 8200 §5).
	minMTU = 1280
	maxMTU = 65_000

	// StatusNotStarted is the program's status where it could not be started.
	StatusNotStarted = 127
)

// Addresses on the link. They exist in namespaces of their own only.
var (
	// FarAddress and FarAddress6 are where the program finds the far side.
	FarAddress  = netip.AddrFrom4([4]byte{10, 99, 0, 1})
	FarAddress6 = netip.MustParseAddr("fd99::1")
)

// nearAddresses answers the program's addresses after so many changes.
func nearAddresses(changes int) (v4, v6 netip.Addr) {
	last := byte(2 + changes%250)
	v6bytes := FarAddress6.As16()
	v6bytes[15] = last
	return netip.AddrFrom4([4]byte{10, 99, 0, last}), netip.AddrFrom16(v6bytes)
}

// TUNConfig is a link between two network namespaces: near, where Program runs
// and sees nothing but the link, and far, where it finds Far and Forwards at
// [FarAddress].
type TUNConfig struct {
	Links Links
	// MTU of the link in bytes, 1280 to 65000.
	MTU int
	// Program and its arguments run near; the run ends with it.
	Program []string
	// Far, unless empty, runs on the far side as long: a server, say.
	Far []string
	// Forwards are ports of the far side that lead to addresses outside.
	Forwards []Forward
	// Stdin, Stdout and Stderr are the program's; nil: nothing. Far writes to
	// Stderr.
	Stdin, Stdout, Stderr *os.File
	// Duration ends the program after a time; 0 = never.
	Duration time.Duration
	// Progress, which may be nil, is called each second.
	Progress func(Progress)
	// Rebind, which may be nil, changes the program's address each time that it
	// yields.
	Rebind <-chan os.Signal
}

// Forward is a port of the far side that leads to an address outside.
type Forward struct {
	Network string // tcp or udp
	Port    uint16
	To      netip.AddrPort
}

// DefaultTUNConfig answers a link that carries everything. Program is left to
// the caller.
func DefaultTUNConfig() TUNConfig {
	return TUNConfig{MTU: 1500, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// Validate says what is wrong with the configuration.
func (c TUNConfig) Validate() error {
	switch {
	case len(c.Program) == 0:
		return errors.New("emulate tun: no program to run")
	case c.MTU < minMTU || c.MTU > maxMTU:
		return fmt.Errorf("emulate tun: MTU %d is outside %d to %d", c.MTU, minMTU, maxMTU)
	case c.Duration < 0:
		return errors.New("emulate tun: the duration must not be negative")
	}
	seen := map[string]bool{}
	for _, f := range c.Forwards {
		if f.Network != "tcp" && f.Network != "udp" {
			return fmt.Errorf("emulate tun: forward of %q: want tcp or udp", f.Network)
		}
		name := fmt.Sprintf("%s port %d", f.Network, f.Port)
		if f.Port == 0 || !f.To.IsValid() || f.To.Port() == 0 {
			return fmt.Errorf("emulate tun: forward of %s to %v: no port or no address", name, f.To)
		}
		if seen[name] {
			return fmt.Errorf("emulate tun: %s is forwarded twice", name)
		}
		seen[name] = true
	}
	if err := c.Links.Validate(); err != nil {
		return fmt.Errorf("emulate tun: %w", err)
	}
	return nil
}
