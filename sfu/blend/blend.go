// Package blend decides in which shape the voices of a room reach one receiver:
// each as its own stream, each in a thinner copy, or all of them mixed into one.
//
// Input is what the receiver's path carries, how many voices may sound at once,
// what one of them weighs, and what a packet weighs beside its payload. Output is
// a Plan with its reason. Costs are of whole IP packets, computed from the
// measured payload rate:
//
//	cost = payload rate + overhead of a packet / packet time
//
//	carries two voices in their longest packets  -> Separate (sfu/voice thins the packets)
//	carries fewer, and one may sound             -> Thinned: decoded and encoded at a lower rate
//	carries fewer, and several may sound         -> Mixed: everybody but the receiver, one stream
//
// A thinner plan is taken after Patience, for a dip of the estimate is no reason
// to change a voice; a richer one only when it fits with Margin for Calm. Once
// thinner, the shape within it follows the budget at once downwards.
//
// The package is pure. Which streams can be decoded at all is the caller's
// business: encrypted rooms and servers without a codec do not ask.
package blend

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// Patience is how long the budget is too small before voices are thinned:
	// longer than it takes a publisher to obey when asked for less.
	Patience = 2 * time.Second
	// Calm is how long it has to be large enough before they are not.
	Calm = 5 * time.Second
	// Margin is what a richer plan must leave of the budget, in percent: more
	// than an estimate wavers, 10 % to either side, which is 22 % from the lowest.
	Margin = 25
	// longest is the longest packet that separate voices are merged to.
	longest = 120 * time.Millisecond
	// assumed is the payload of a voice not measured yet: a browser's default.
	assumed = 30 * units.Kbps
	// together is how many voices are reckoned to sound at once: people
	// interrupt, but rarely three of them.
	together = 2
)

// Kind is a shape.
type Kind uint8

// The shapes, from rich to thin.
const (
	Separate Kind = iota
	Thinned
	Mixed
)

var kindNames = [...]string{"separate", "thinned", "mixed"}

// String answers the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Need is what is known of a receiver and of what there is to hear.
type Need struct {
	// Budget is what voice may have of the path, in wire bits a second.
	Budget units.Rate
	// Voices is how many others may sound.
	Voices int
	// Payload is the measured rate of the richest of them while it speaks,
	// without headers; 0 when not known yet.
	Payload units.Rate
	// Overhead is what a packet weighs beside its payload.
	Overhead units.Size
}

// Plan is the answer. Rate (of the payload) and PacketTime are zero for Separate.
type Plan struct {
	Kind       Kind
	Rate       units.Rate
	PacketTime time.Duration
	// Reason is a constant string for people.
	Reason string
}

// Reasons of plans.
const (
	Fits      = "the path carries the voices as they are"
	OneThin   = "the path does not carry the voice as it is"
	ManyThin  = "the path does not carry two voices"
	Thinnest  = "the path carries less than the thinnest voice"
	Returning = "the path may carry more again; waiting to be sure"
)

// shape is one way to encode a voice thinly.
type shape struct {
	rate       units.Rate
	packetTime time.Duration
}

// shapes are those that are made, from rich to thin, so few that receivers share
// them. 120 ms packets save about as much as 4 kbit/s of payload, but are heard
// as delay: they come when the payload has given what it can.
var shapes = []shape{
	{12 * units.Kbps, 60 * time.Millisecond},
	{8 * units.Kbps, 60 * time.Millisecond},
	{8 * units.Kbps, 120 * time.Millisecond},
	{6 * units.Kbps, 120 * time.Millisecond},
}

// Cost is what a stream weighs on the wire.
func Cost(payload units.Rate, packetTime time.Duration, overhead units.Size) units.Rate {
	return payload + overhead.Over(packetTime)
}

// Separately is what the voices cost as their own streams, in the longest packets.
func (n Need) Separately() units.Rate {
	payload := n.Payload
	if payload <= 0 {
		payload = assumed
	}
	return units.Rate(min(n.Voices, together)) * Cost(payload, longest, n.Overhead)
}

// Planner is one receiver. The zero value is ready, and separate.
type Planner struct {
	plan  Plan
	since time.Time // when the wish to change began; zero for none
}

// Plan is the answer in force.
func (p *Planner) Plan() Plan {
	if p.plan.Reason == "" {
		return Plan{Reason: Fits}
	}
	return p.plan
}

// Update answers what to do from now on.
func (p *Planner) Update(now time.Time, n Need) Plan {
	need := n.Separately()
	if p.plan.Kind == Separate {
		switch {
		case need <= n.Budget:
			p.plan, p.since = Plan{Reason: Fits}, time.Time{}
		case p.waited(now, Patience):
			p.thin(n)
		}
		return p.Plan()
	}
	if need+need*Margin/100 > n.Budget {
		p.since = time.Time{}
		p.thin(n)
		return p.plan
	}
	p.plan.Reason = Returning
	if p.waited(now, Calm) {
		p.plan, p.since = Plan{Reason: Fits}, time.Time{}
	}
	return p.plan
}

// Hold lets time pass in which nothing is known of the path: the plan stays, and
// a wish to change it begins anew.
func (p *Planner) Hold() { p.since = time.Time{} }

// waited says whether the same wish has lasted for long.
func (p *Planner) waited(now time.Time, long time.Duration) bool {
	if p.since.IsZero() {
		p.since = now
	}
	if now.Sub(p.since) < long {
		return false
	}
	p.since = time.Time{}
	return true
}

// thin chooses a shape: the richest that fits, but richer than the one in force
// only with a margin.
func (p *Planner) thin(n Need) {
	kind, reason := Mixed, ManyThin
	if n.Voices <= 1 {
		kind, reason = Thinned, OneThin
	}
	last := shapes[len(shapes)-1]
	chosen := last
	for _, s := range shapes {
		cost := Cost(s.rate, s.packetTime, n.Overhead)
		if p.plan.Kind != Separate && richer(s, p.plan) {
			cost += cost * Margin / 100
		}
		if cost <= n.Budget {
			chosen = s
			break
		}
	}
	if Cost(last.rate, last.packetTime, n.Overhead) > n.Budget {
		reason = Thinnest
	}
	p.plan = Plan{Kind: kind, Rate: chosen.rate, PacketTime: chosen.packetTime, Reason: reason}
}

// richer says whether a shape costs more than that of a plan.
func richer(s shape, p Plan) bool {
	return s.rate > p.Rate || s.rate == p.Rate && s.packetTime < p.PacketTime
}
