// Package profile knows networks by name, and reads those that people describe
// in YAML.
//
// It decides what a name or a file means: a [link.Config] for each direction.
// In: a name, or YAML and the traces that it names. Out: a Profile, or an error
// that names the line and column. A key that is not known is an error.
package profile

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Profile is one network, as somebody at its thin end sees it.
type Profile struct {
	Name string
	// Title describes it in a line.
	Title string
	// Source says where the numbers come from.
	Source   string
	Down, Up link.Config
}

// Sources of the table.
const (
	metaATC     = "Meta Augmented Traffic Control, its profile of that kind"
	webPageTest = "WebPageTest, its profile of that kind"
	loadero     = "Loadero, its profile of that kind"
	synthetic   = "synthetic: no public trace was found; a model of this project"
)

// shape is a profile as the table writes it: rates in kbit/s, one way in
// milliseconds.
type shape struct {
	down, up units.Rate
	oneWay   time.Duration
	queue    time.Duration
}

func (s shape) link(rate units.Rate) link.Config {
	const ms = time.Millisecond
	return link.Config{
		Capacity: link.Constant(rate * units.Kbps), Queue: link.Queue{Delay: s.queue * ms}, Delay: s.oneWay * ms,
	}
}

func (s shape) profile(name, title, source string) Profile {
	return Profile{Name: name, Title: title, Source: source, Down: s.link(s.down), Up: s.link(s.up)}
}

// both changes both directions.
func (p Profile) both(edit func(*link.Config)) Profile {
	edit(&p.Down)
	edit(&p.Up)
	return p
}

// down changes the direction towards the thin end.
func (p Profile) down(edit func(*link.Config)) Profile {
	edit(&p.Down)
	return p
}

// steps answers a capacity of the table; its plans are right.
func steps(period time.Duration, s ...link.Step) link.Capacity {
	c, err := link.Steps(period, s...)
	if err != nil {
		panic(err) // a mistake in this file
	}
	return c
}

// everyHalfMinute goes between two rates.
func everyHalfMinute(a, b units.Rate) link.Capacity {
	return steps(time.Minute, link.Step{Rate: a}, link.Step{At: 30 * time.Second, Rate: b})
}

// HandoverAt is when the handover profiles lose their link.
const HandoverAt = 40 * time.Second

// handover loses 1 Mbit/s for a time and comes back with half of it.
func handover(name string, gap time.Duration, moves bool) Profile {
	const k = units.Kbps
	title := "Wi-Fi to cellular: " + gap.String() + " without a link, then half the rate"
	if moves {
		title += " and a new address"
	}
	return shape{1000, 1000, 50, 2000}.profile(name, title, synthetic).both(func(c *link.Config) {
		c.Capacity = steps(0, link.Step{Rate: 1000 * k}, link.Step{At: HandoverAt}, link.Step{At: HandoverAt + gap, Rate: 500 * k})
		if moves {
			c.Moves = []time.Duration{HandoverAt + gap}
		}
	})
}

// lossy is Wi-Fi that loses a share at random.
func lossy(name, title string, loss link.Loss) Profile {
	return shape{1000, 1000, 10, 300}.profile(name, title, synthetic).both(func(c *link.Config) { c.Loss = loss })
}

// Table answers the profiles that have names, thinnest first.
func Table() []Profile {
	const (
		ms = time.Millisecond
		k  = units.Kbps
	)
	return []Profile{
		shape{20, 18, 650, 2000}.profile("2g-rural", "2G in the country, 2 % loss", metaATC).
			both(func(c *link.Config) { c.Loss.Random = 0.02 }),
		shape{35, 32, 650, 2000}.profile("2g-urban", "2G in town", metaATC+"; "+webPageTest),
		shape{50, 20, 300, 2000}.profile("gprs", "GPRS", synthetic),
		shape{240, 60, 150, 1000}.profile("edge", "EDGE whose cell fills up and empties every 30 s, in slots of 20 ms", synthetic).
			down(func(c *link.Config) { c.Capacity = everyHalfMinute(240*k, 120*k) }).
			both(func(c *link.Config) { c.Slot = 20 * ms }),
		shape{240, 200, 420, 1000}.profile("edge-lossy", "EDGE, 1 % loss", metaATC).
			both(func(c *link.Config) { c.Loss.Random = 0.01 }),
		shape{200, 260, 325, 1000}.profile("edge-jitter", "EDGE, jitter of 100 ms, 1 % loss", loadero).
			both(func(c *link.Config) { c.Loss.Random = 0.01; c.Jitter.Deviation = 100 * ms }),
		shape{700, 128, 75, 1500}.profile("3g", "3G whose cell fills up and empties every 30 s, in slots of 10 ms", synthetic).
			down(func(c *link.Config) { c.Capacity = everyHalfMinute(700*k, 300*k) }).
			both(func(c *link.Config) { c.Slot = 10 * ms }),
		shape{780, 330, 100, 1000}.profile("3g-slow", "slow 3G", webPageTest),
		lossy("wifi-lossy-5", "Wi-Fi that loses 5 %", link.Loss{Random: 0.05}),
		lossy("wifi-lossy-10", "Wi-Fi that loses 10 %", link.Loss{Random: 0.10}),
		lossy("wifi-lossy-20", "Wi-Fi that loses 20 %", link.Loss{Random: 0.20}),
		lossy("wifi-lossy-40", "Wi-Fi that loses 40 %", link.Loss{Random: 0.40}),
		lossy("wifi-bursty", "Wi-Fi that loses 4.5 % in bursts of about 8 (Gilbert-Elliott)", link.Loss{Bursts: BurstLoss}),
		shape{1000, 256, 300, 500}.profile("satellite", "geostationary satellite", synthetic),
		handover("handover-1s", time.Second, false),
		handover("handover-2s", 2*time.Second, false),
		handover("handover-3s", 3*time.Second, false),
		handover("handover-moved", 3*time.Second, true),
		shape{10_000, 10_000, 50, 300}.profile("policer", "10 Mbit/s with a policer of 500 kbit/s and 16 kB", synthetic).
			both(func(c *link.Config) { c.Policer = link.Policer{Rate: 500 * k, Burst: 16 * units.KB} }),
		shape{1000, 1000, 50, 300}.profile("slots", "radio with slots of 40 ms", synthetic).
			both(func(c *link.Config) { c.Slot = 40 * ms }),
		shape{500, 500, 50, 2000}.profile("bufferbloat", "a queue of two seconds", synthetic),
	}
}

// BurstLoss loses 4.5 % in the mean, in bursts of about 8 packets.
var BurstLoss = link.GilbertElliott{Enter: 0.0075, Leave: 0.125, Bad: 0.8}

// Find answers the profile of a name.
func Find(name string) (Profile, bool) {
	all := Table()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return all[i], true
}

// Rates says in a few characters what both directions carry.
func (p Profile) Rates() string { return carries(p.Down) + " / " + carries(p.Up) }

func carries(c link.Config) string {
	if c.Policer.Rate > 0 {
		return c.Policer.Rate.String()
	}
	if !c.Capacity.Limited() {
		return "no limit"
	}
	first, until := c.Capacity.At(0)
	if next, _ := c.Capacity.At(min(until, time.Hour)); next != first {
		return first.String() + ".." + next.String()
	}
	return first.String()
}
