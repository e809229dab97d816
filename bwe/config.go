package bwe

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Config sets one controller up. The zero Config is not valid; begin with
// DefaultConfig.
type Config struct {
	// Initial is what the path is taken for before it is measured: the first
	// train of packets lowers it, and may not raise it.
	Initial units.Rate
	// Known is what the path carried in a session before (the same network, not
	// long ago); the call begins with it. 0 means that nothing is known: then
	// only the ladder's base is offered until the first train was reported.
	Known units.Rate
	// Min and Max bound the target at all times.
	Min, Max units.Rate
	// Weight is the share of a path that is held beside other flows of this
	// controller, as a multiple of theirs (RFC 8867 §6.1): 0.5 to 4. It does not
	// tell how much of an empty path is used.
	Weight float64
	// Reliable says that what carries the packets repairs loss itself and keeps
	// their order: TCP, or a relay reached by it. See SetReliable.
	Reliable bool
	// ProbeQueue is how much queue a probe may cause at the present estimate.
	ProbeQueue time.Duration
	// Headroom is how far Pacing lies above Target, as a factor of at least 1.
	Headroom float64
	// Silence is the shortest time without feedback that counts as a blackout.
	Silence time.Duration
	// ReportInterval is how often reports are expected at the most; a
	// blackout is not called before two of them were missed.
	ReportInterval time.Duration
}

// DefaultConfig is what a call between strangers needs.
func DefaultConfig() Config {
	return Config{
		Initial:        300 * units.Kbps,
		Min:            8 * units.Kbps,
		Max:            50 * units.Mbps,
		Weight:         1,
		ProbeQueue:     40 * time.Millisecond,
		Headroom:       1.25,
		Silence:        500 * time.Millisecond,
		ReportInterval: 100 * time.Millisecond,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Min <= 0:
		return errors.New("bwe: min rate must be positive")
	case c.Max < c.Min:
		return fmt.Errorf("bwe: max rate %v is below min rate %v", c.Max, c.Min)
	case c.Max > 10*units.Gbps:
		return fmt.Errorf("bwe: max rate %v is above 10 Gbit/s", c.Max)
	case c.Initial < c.Min || c.Initial > c.Max:
		return fmt.Errorf("bwe: initial rate %v is outside %v to %v", c.Initial, c.Min, c.Max)
	case c.Known != 0 && (c.Known < c.Min || c.Known > c.Max):
		return fmt.Errorf("bwe: known rate %v is outside %v to %v", c.Known, c.Min, c.Max)
	case !(c.Weight >= 0.5 && c.Weight <= 4):
		return fmt.Errorf("bwe: weight %v is outside 0.5 to 4", c.Weight)
	case c.ProbeQueue < time.Millisecond || c.ProbeQueue > time.Second:
		return fmt.Errorf("bwe: probe queue %v is outside 1ms to 1s", c.ProbeQueue)
	case !(c.Headroom >= 1 && c.Headroom <= 3):
		return fmt.Errorf("bwe: headroom %v is outside 1 to 3", c.Headroom)
	case c.Silence < 100*time.Millisecond || c.Silence > 10*time.Second:
		return fmt.Errorf("bwe: silence %v is outside 100ms to 10s", c.Silence)
	case c.ReportInterval < 10*time.Millisecond || c.ReportInterval > 2*time.Second:
		return fmt.Errorf("bwe: report interval %v is outside 10ms to 2s", c.ReportInterval)
	}
	return nil
}
