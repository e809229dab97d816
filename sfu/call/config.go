package call

import (
	"errors"
	"time"
)

// Bounds of what a command may carry, in bytes.
const (
	MaxID      = 128      // of a call, a command, a user and a device
	MaxPayload = 64 << 10 // as large as an SDP offer may be
)

// Config bounds an Exchange.
type Config struct {
	// MaxCalls is how many calls it holds, those that linger included.
	MaxCalls int
	// MaxCallsOfUser is how many of them one user may have made.
	MaxCallsOfUser int
	// MaxUsers is how many different users a call may ever have.
	MaxUsers int
	// MaxDevices is how many devices of one user a ring reaches.
	MaxDevices int
	// Remembered is how many command ids are kept for each device and call.
	Remembered int

	// RingLifetime is how long a user is rung where the ring says nothing;
	// what it says is kept between MinRing and MaxRing.
	RingLifetime, MinRing, MaxRing time.Duration
	// CreateLifetime is how long a call may be without anybody rung.
	CreateLifetime time.Duration
	// MaxDuration is how long a call may last from its first answer.
	MaxDuration time.Duration
	// Linger is how long an ended call answers what comes late.
	Linger time.Duration
}

// DefaultConfig answers the configuration for one node.
func DefaultConfig() Config {
	return Config{
		MaxCalls:       100_000,
		MaxCallsOfUser: 32,
		MaxUsers:       128,
		MaxDevices:     8,
		Remembered:     32,
		RingLifetime:   45 * time.Second,
		MinRing:        5 * time.Second, // a push over GPRS takes as long
		MaxRing:        2 * time.Minute,
		CreateLifetime: 30 * time.Second,
		MaxDuration:    24 * time.Hour,
		Linger:         2 * time.Minute, // longer than any command is repeated
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.MaxCalls < 1 || c.MaxCallsOfUser < 1 || c.MaxUsers < 2 || c.MaxDevices < 1 || c.Remembered < 1:
		return errors.New("call: every bound must be at least 1, and 2 users")
	case c.MinRing <= 0 || c.RingLifetime < c.MinRing || c.MaxRing < c.RingLifetime:
		return errors.New("call: want 0 < min ring <= ring lifetime <= max ring")
	case c.CreateLifetime <= 0 || c.MaxDuration <= 0 || c.Linger <= 0:
		return errors.New("call: every lifetime must be above 0")
	}
	return nil
}
