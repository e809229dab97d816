package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Scenario is a plan: links, what is sent over them, and what must come of it.
type Scenario struct {
	Suite, Name string
	// Title is the row of the table that it belongs to.
	Title string
	// NotBuilt, if not empty, says what is missing to run it; it never passes.
	NotBuilt string

	Duration time.Duration // default 120 s
	// Settled is from when utilisation is measured; default 20 s.
	Settled time.Duration
	// Seeds is how many runs a verdict is the median of; default 3.
	Seeds int

	// Forward and Back are the links in each direction, one after another.
	Forward, Back []link.Config
	Flows         []Flow
	TCP           []TCP
	UDP           []UDP

	// Rises are when the capacity rises or returns: recover_s is how long it
	// takes from there until 90 % of it is carried.
	Rises []time.Duration
	// Drains are when it falls or returns with a queue: drain_s is how long it
	// takes until the queue is below DrainTo.
	Drains  []time.Duration
	DrainTo time.Duration

	// Call, if not nil, is a whole call: then there are no links, flows and
	// traffic of the scenario's own.
	Call *Call

	Targets []Target
	// Limit is what is possible at all, in words.
	Limit string
}

// Flow is one media flow of ours.
type Flow struct {
	Media       Media
	Start, Stop time.Duration // Stop 0 = the end
	Pauses      []Span
	// Initial is the target that it begins with; default 300 kbit/s.
	Initial units.Rate
	// Weight is the share that it is to have beside others of ours, as a multiple
	// of theirs; 0 = 1.
	Weight float64
	// Reverse sends media over Back and reports over Forward.
	Reverse bool
	// Reports is what the receiver's are.
	Reports Reports
	// Repair, if not 0, lets the receiver ask for what was lost (RFC 4585
	// NACK) and the sender send it again (RFC 4588), as far as it can come no
	// more than this later than the fastest packet; at most 2 s. The full back
	// end has its own.
	Repair time.Duration
	// From and To pick the links of Forward that it uses: From up to, not
	// including, To. Both 0 = all. Reports use the same ones of Back.
	From, To int
	// Extra is one-way delay of its own, outside the links.
	Extra time.Duration
}

// Reports is a format of congestion control reports.
type Reports uint8

// Formats: transport-wide as browsers report (draft-holmer-rmcat-transport-wide-
// cc-extensions-01), which costs eight bytes on every packet of media; or by
// stream, RFC 8888, which also tells ECN marks.
const (
	TransportWide Reports = iota
	ByStream
)

// WithReports answers the scenario with all its flows' receivers reporting so.
func (s Scenario) WithReports(r Reports) Scenario {
	s.Flows = slices.Clone(s.Flows)
	for i := range s.Flows {
		s.Flows[i].Reports = r
	}
	return s
}

// sends says whether the flow has anything to send at a time.
func (f *Flow) sends(now time.Duration) bool {
	if now < f.Start || f.Stop > 0 && now >= f.Stop {
		return false
	}
	for _, p := range f.Pauses {
		if now >= p.From && now < p.To {
			return false
		}
	}
	return true
}

// weight is Weight, or what it is without.
func (f *Flow) weight() float64 {
	if f.Weight == 0 {
		return 1
	}
	return f.Weight
}

// Span is a time.
type Span struct{ From, To time.Duration }

// Law is a congestion control of TCP.
type Law uint8

// Laws: RFC 5681, RFC 9438, draft-cardwell-iccrg-bbr-congestion-control-00
// (version 1).
const (
	NewReno Law = iota
	Cubic
	BBR
)

// TCP is one sender of other traffic.
type TCP struct {
	Start, Stop time.Duration
	Law         Law
	// Short makes transfers of 30 to 50 kB with pauses of 10 s on the mean, in
	// place of one that does not end.
	Short bool
}

// UDP is traffic that adapts to nothing, in packets of 1000 bytes; from Start
// to Stop, where 0 is the end. With On and Off it sends at its rate for as long
// as On, is silent as long as Off, and so on.
type UDP struct {
	Start, Stop time.Duration
	Rate        units.Rate
	On, Off     time.Duration
}

// Target is what one metric must be, by its name in a Result's JSON.
type Target struct {
	Metric string  `json:"metric"`
	Least  *Number `json:"at_least,omitempty"`
	Most   *Number `json:"at_most,omitempty"`
}

// least and most make targets.
func least(metric string, v float64) Target { n := Number(v); return Target{Metric: metric, Least: &n} }
func most(metric string, v float64) Target  { n := Number(v); return Target{Metric: metric, Most: &n} }

// String says it in a few characters.
func (t Target) String() string {
	if t.Least != nil {
		return fmt.Sprintf("%s >= %v", t.Metric, float64(*t.Least))
	}
	return fmt.Sprintf("%s <= %v", t.Metric, float64(*t.Most))
}

// Met says whether a value is as wanted; what could not be measured is not.
func (t Target) Met(v float64) bool {
	if t.Least != nil {
		return v >= float64(*t.Least)
	}
	return v <= float64(*t.Most)
}

// withDefaults fills in what a plan left out.
func (s Scenario) withDefaults() Scenario {
	if s.Duration == 0 {
		s.Duration = 120 * time.Second
	}
	if s.Settled == 0 {
		s.Settled = 20 * time.Second
	}
	if s.Seeds == 0 {
		s.Seeds = 3
	}
	if s.DrainTo == 0 {
		s.DrainTo = 60 * time.Millisecond
	}
	return s
}

// longestRepair bounds how long packets are worth repairing.
const longestRepair = 2 * time.Second

// WithRepair answers the scenario with all its flows repairing within a room.
func (s Scenario) WithRepair(room time.Duration) Scenario {
	s.Flows = slices.Clone(s.Flows)
	for i := range s.Flows {
		s.Flows[i].Repair = room
	}
	return s
}

// longestRun bounds the time and so the memory of a run.
const longestRun = 2 * time.Hour

// Validate says what is wrong with the plan.
func (s Scenario) Validate() error {
	s = s.withDefaults()
	switch {
	case s.Name == "":
		return fmt.Errorf("lab: a scenario without a name")
	case s.NotBuilt != "":
		return nil
	case s.Duration < 2*time.Second || s.Duration > longestRun:
		return fmt.Errorf("lab: %s: duration %v is outside 2s to %v", s.Name, s.Duration, longestRun)
	case s.Call != nil:
		return s.Call.validate(s.Name, s.Duration)
	case s.Settled >= s.Duration:
		return fmt.Errorf("lab: %s: measured from %v of %v", s.Name, s.Settled, s.Duration)
	case len(s.Flows) == 0:
		return fmt.Errorf("lab: %s: no flow", s.Name)
	case len(s.Forward) == 0 || len(s.Back) == 0:
		return fmt.Errorf("lab: %s: no links", s.Name)
	}
	for _, u := range s.UDP {
		if err := u.Validate(); err != nil {
			return fmt.Errorf("lab: %s: %w", s.Name, err)
		}
	}
	for _, f := range s.Flows {
		if f.From < 0 || f.To > len(s.Forward) || f.To > len(s.Back) || f.From > f.To {
			return fmt.Errorf("lab: %s: a flow uses links %d to %d", s.Name, f.From, f.To)
		}
		if w := f.weight(); !(w >= 0.5 && w <= 4) {
			return fmt.Errorf("lab: %s: a flow of weight %v, which is outside 0.5 to 4", s.Name, w)
		}
		if f.Repair < 0 || f.Repair > longestRepair {
			return fmt.Errorf("lab: %s: a flow repairs for %v, which is outside 0 to %v", s.Name, f.Repair, longestRepair)
		}
		if f.Start < 0 || f.Start >= s.Duration {
			return fmt.Errorf("lab: %s: a flow starts at %v", s.Name, f.Start)
		}
	}
	return nil
}
