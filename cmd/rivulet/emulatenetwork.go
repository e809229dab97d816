package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// defaultQueue is the room before a rate that was given without one: that of
// most scenarios of the lab.
const defaultQueue = 300 * time.Millisecond

// emulateNetwork says what the link is like: a profile, or a few numbers, or
// numbers instead of some of the profile's.
type emulateNetwork struct {
	Profile    string         `xor:"profile" placeholder:"NAME|FILE" help:"A name of 'lab profiles', or a YAML file."`
	File       string         `xor:"profile" placeholder:"FILE" help:"A YAML file with a profile."`
	Down       wireRate       `placeholder:"RATE" help:"Rate towards the client, such as 240k or 1.5M, in bits of IP packets."`
	Up         wireRate       `placeholder:"RATE" help:"Rate from the client."`
	Delay      *time.Duration `placeholder:"TIME" help:"Propagation, one way."`
	Queue      *time.Duration `placeholder:"TIME" help:"Room before the bottleneck, as time at its rate."`
	Loss       *chance        `placeholder:"SHARE" help:"Random loss each way, such as 5%."`
	Jitter     *time.Duration `placeholder:"TIME" help:"Standard deviation of the delay; packets stay in order."`
	HalfDuplex bool           `help:"Both directions share the rate of down."`
	Seed       uint64         `default:"1" help:"What makes chance repeat."`
}

// links answers the plan.
func (n *emulateNetwork) links() (l emulate.Links, err error) {
	named := n.Profile
	if n.File != "" {
		if named = n.File; !strings.ContainsAny(named, "./") {
			named = "./" + named
		}
	}
	if named != "" {
		p, err := findProfile(named)
		if err != nil {
			return l, err
		}
		l.Down, l.Up = p.Down, p.Up
	}
	l.HalfDuplex = n.HalfDuplex
	for _, d := range []struct {
		config *link.Config
		rate   wireRate
	}{{&l.Down, n.Down}, {&l.Up, n.Up}} {
		n.change(d.config, d.rate)
	}
	return l, l.Validate()
}

// change puts the command line's numbers in place of a direction's.
func (n *emulateNetwork) change(c *link.Config, rate wireRate) {
	c.Seed = n.Seed
	if rate > 0 {
		c.Capacity = link.Constant(units.Rate(rate))
		if c.Queue.Delay == 0 && c.Queue.Size == 0 {
			c.Queue.Delay = defaultQueue
		}
	}
	if n.Delay != nil {
		c.Delay, c.Delays = *n.Delay, nil
	}
	if n.Queue != nil {
		c.Queue.Delay, c.Queue.Size = *n.Queue, 0
	}
	if n.Loss != nil {
		c.Loss.Random = float64(*n.Loss)
	}
	if n.Jitter != nil {
		c.Jitter.Deviation = *n.Jitter
	}
}

// describe says in a few words what the link is.
func (n *emulateNetwork) describe() string {
	var parts []string
	for _, p := range []string{n.Profile, n.File} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	add := func(format string, values ...any) { parts = append(parts, fmt.Sprintf(format, values...)) }
	if n.Down > 0 {
		add("down %v", units.Rate(n.Down))
	}
	if n.Up > 0 {
		add("up %v", units.Rate(n.Up))
	}
	if n.Delay != nil {
		add("delay %v", *n.Delay)
	}
	if n.Queue != nil {
		add("queue %v", *n.Queue)
	}
	if n.Loss != nil {
		add("loss %.4g %%", float64(*n.Loss)*100)
	}
	if n.Jitter != nil {
		add("jitter %v", *n.Jitter)
	}
	if len(parts) == 0 {
		return "a link that carries everything at once"
	}
	return strings.Join(parts, ", ")
}

// wireRate is a rate on the command line: 64000, 240k, 1.5M.
type wireRate units.Rate

// UnmarshalText reads it.
func (r *wireRate) UnmarshalText(text []byte) error {
	number, unit := string(text), 1.0
	for suffix, factor := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if rest, found := strings.CutSuffix(number, suffix); found {
			number, unit = rest, factor
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || f*unit < 1000 || f*unit > 100e9 {
		// Under 1 kbit/s somebody has forgotten the k: a packet would take seconds.
		return fmt.Errorf("%q is not a rate: want bits per second from 1k to 100G, such as 64000, 240k or 1.5M", text)
	}
	*r = wireRate(math.Round(f * unit))
	return nil
}

// chance is a share on the command line: 0.05 or 5%.
type chance float64

// UnmarshalText reads it.
func (c *chance) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(string(text), "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return errors.New("want a share of 0 to 1, or of 0% to 100%")
	}
	*c = chance(f)
	return nil
}
