package link

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// OpportunitySize is what one delivery opportunity of a mahimahi trace
	// carries, in bytes.
	OpportunitySize units.Size = 1500

	// Bounds of what a link may be, so that sums do not overflow.
	maxRate = 100 * units.Gbps
	maxTime = 7 * 24 * time.Hour
	// maxPoints bounds the points of a capacity: 24 hours of opportunities at
	// 1.4 Mbit/s.
	maxPoints = 10_000_000

	forever = time.Duration(math.MaxInt64)
)

// Step is a rate that holds from a time since the link began.
type Step struct {
	At   time.Duration
	Rate units.Rate
}

// Capacity is what a bottleneck carries as time goes by: not limited (the zero
// value), steps of a rate, or single delivery opportunities. It is a value and
// does not change.
type Capacity struct {
	steps  []Step        // the first at 0
	period time.Duration // it begins anew then; 0 = the last step holds for ever

	// chances are opportunities in milliseconds, not falling, the last at
	// period; nil where steps are.
	chances []uint32
}

// Constant answers one rate for ever; 0 carries nothing.
func Constant(r units.Rate) Capacity { return Capacity{steps: []Step{{0, max(0, r)}}} }

// Steps answers rates that follow one another. The first step must be at 0 and
// times must rise. After period, if it is not 0, they begin anew.
func Steps(period time.Duration, steps ...Step) (Capacity, error) {
	if len(steps) == 0 {
		return Capacity{}, errors.New("link: no rate steps")
	}
	if len(steps) > maxPoints {
		return Capacity{}, fmt.Errorf("link: more than %d rate steps", maxPoints)
	}
	for i, s := range steps {
		switch {
		case i == 0 && s.At != 0:
			return Capacity{}, fmt.Errorf("link: the first rate step is at %v, not at 0", s.At)
		case i > 0 && s.At <= steps[i-1].At:
			return Capacity{}, fmt.Errorf("link: rate step %d at %v is not after the one before", i+1, s.At)
		case s.At > maxTime:
			return Capacity{}, fmt.Errorf("link: rate step %d at %v is after %v", i+1, s.At, maxTime)
		case s.Rate < 0 || s.Rate > maxRate:
			return Capacity{}, fmt.Errorf("link: rate step %d of %v is outside 0 to %v", i+1, s.Rate, maxRate)
		}
	}
	last := steps[len(steps)-1].At
	if period != 0 && (period <= last || period > maxTime) {
		return Capacity{}, fmt.Errorf("link: steps begin anew after %v, want more than %v and at most %v", period, last, maxTime)
	}
	c := Capacity{steps: slices.Clone(steps), period: period}
	if period != 0 && c.Carries(0, period) == 0 {
		return Capacity{}, errors.New("link: the rate steps carry nothing")
	}
	return c, nil
}

// Limited says whether there is a bottleneck at all.
func (c Capacity) Limited() bool { return c.steps != nil || c.chances != nil }

// At answers the rate in force at a time and until when it holds. Of
// opportunities it answers the mean, for ever.
func (c Capacity) At(t time.Duration) (units.Rate, time.Duration) {
	switch {
	case c.chances != nil:
		return c.Mean(), forever
	case c.steps == nil:
		return units.MaxRate, forever
	}
	var turn time.Duration
	if c.period != 0 {
		turn = t / c.period * c.period
	}
	i := c.step(t - turn)
	switch {
	case i+1 < len(c.steps):
		return c.steps[i].Rate, turn + c.steps[i+1].At
	case c.period != 0:
		return c.steps[i].Rate, turn + c.period
	}
	return c.steps[i].Rate, forever
}

// step is the index of the step in force at a time within a period.
func (c Capacity) step(t time.Duration) int {
	return max(0, sort.Search(len(c.steps), func(i int) bool { return c.steps[i].At > t })-1)
}

// nominal is the rate by which a queue in milliseconds is reckoned: the one in
// force, or while there is none the last one before, for a queue does not
// shrink in an outage.
func (c Capacity) nominal(t time.Duration) units.Rate {
	r, _ := c.At(t)
	if r > 0 || c.steps == nil {
		return r
	}
	if c.period != 0 {
		t %= c.period
	}
	i := c.step(t)
	for n := 0; n < len(c.steps); n++ {
		if r := c.steps[i].Rate; r > 0 {
			return r
		}
		if i--; i < 0 {
			if c.period == 0 {
				break
			}
			i = len(c.steps) - 1
		}
	}
	return 0
}

// Mean is the rate over one period; over steps that do not begin anew it is
// the last one, which holds for ever.
func (c Capacity) Mean() units.Rate {
	switch {
	case !c.Limited():
		return units.MaxRate
	case c.period == 0:
		return c.steps[len(c.steps)-1].Rate
	}
	return c.Carries(0, c.period).Over(c.period)
}

// Carries is how much fits through between two times; 0 when not limited.
func (c Capacity) Carries(from, to time.Duration) units.Size {
	if to <= from || !c.Limited() {
		return 0
	}
	return units.Size(math.Round(c.carried(to) - c.carried(from)))
}

// carried is how many bytes fit through from 0 to t, t included.
func (c Capacity) carried(t time.Duration) float64 {
	if t < 0 {
		return 0
	}
	if c.chances != nil {
		turns, rest := t/c.period, uint32(t%c.period/time.Millisecond)
		n := sort.Search(len(c.chances), func(i int) bool { return c.chances[i] > rest })
		return float64(OpportunitySize) * (float64(turns)*float64(len(c.chances)) + float64(n))
	}
	turns := 0.0
	if c.period != 0 {
		turns, t = float64(t/c.period), t%c.period
	}
	return turns*c.within(c.period) + c.within(t)
}

// within is how many bytes the steps carry from 0 to t of one period.
func (c Capacity) within(t time.Duration) (bytes float64) {
	for i, s := range c.steps {
		if s.At >= t {
			break
		}
		end := t
		if i+1 < len(c.steps) {
			end = min(end, c.steps[i+1].At)
		}
		bytes += float64(s.Rate) / 8 * (end - s.At).Seconds()
	}
	return bytes
}

// server serves packets one after another at a capacity, with pauses.
type server struct {
	capacity Capacity
	outages  []Outage // sorted, apart

	// The opportunity that is used next, for chances.
	turn time.Duration // period it lies in
	next int
	left units.Size
}

// serve answers when a packet whose service may begin at start is through.
// Calls come in order of start. false: never.
func (s *server) serve(start time.Duration, size units.Size) (time.Duration, bool) {
	switch {
	case s.capacity.chances != nil:
		return s.take(start, size)
	case s.capacity.steps == nil:
		return s.pause(start), true
	}
	bits := float64(size) * 8
	for {
		if at := s.pause(start); at != start {
			start = at
			continue
		}
		r, until := s.capacity.At(start)
		until = min(until, s.outageAfter(start))
		if r == 0 {
			if until == forever {
				return 0, false
			}
			start = until
			continue
		}
		if need := time.Duration(math.Ceil(bits / float64(r) * 1e9)); until == forever || need <= until-start {
			return start + need, true
		}
		bits -= float64(r) * (until - start).Seconds()
		start = until
	}
}

// pause answers t, or the end of the outage that t lies in.
func (s *server) pause(t time.Duration) time.Duration {
	for _, o := range s.outages {
		if t >= o.At && t < o.At+o.For {
			return o.At + o.For
		}
	}
	return t
}

// outageAfter is when the next outage after t begins.
func (s *server) outageAfter(t time.Duration) time.Duration {
	for _, o := range s.outages {
		if o.At > t {
			return o.At
		}
	}
	return forever
}

// take uses delivery opportunities. What is left of one serves the next
// packet, if that is there already; an opportunity that nobody waits for is
// lost.
func (s *server) take(start time.Duration, size units.Size) (time.Duration, bool) {
	c := &s.capacity
	if turn := start / c.period * c.period; turn > s.turn+c.period {
		s.turn, s.next, s.left = turn-c.period, 0, 0
	}
	for {
		at := s.turn + time.Duration(c.chances[s.next])*time.Millisecond
		if at >= start && s.pause(at) == at {
			if s.left == 0 {
				s.left = OpportunitySize
			}
			if size < s.left {
				s.left -= size
				return at, true
			}
			size -= s.left
			if size == 0 {
				s.advance()
				return at, true
			}
		}
		s.advance()
	}
}

func (s *server) advance() {
	s.left = 0
	if s.next++; s.next == len(s.capacity.chances) {
		s.next = 0
		s.turn += s.capacity.period
	}
}
