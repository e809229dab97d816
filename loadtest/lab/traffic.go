package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// others makes what shares a plan's links with its flows. Its chance is that of
// the seed, whichever back end runs it.
func others(w *world, plan Scenario, seed uint64, forward, back []Carrier) (tcps []*tcp, udps []*udp) {
	bins := int(plan.Duration/bin) + 1
	for i, spec := range plan.TCP {
		tcps = append(tcps, newTCP(w, spec, seed*1000+uint64(i), forward, back, overheadOf(plan.Forward), bins))
	}
	for _, spec := range plan.UDP {
		udps = append(udps, newUDP(w, spec, forward, bins))
	}
	return tcps, udps
}

// Traffic is a plan's TCP and UDP for another back end, the same models over
// its links. It is told the time, counted from the plan's start, and belongs to
// one goroutine.
type Traffic struct {
	world   world
	records []PacketRecord
}

// NewTraffic answers the traffic of a plan over the plan's links.
func NewTraffic(plan Scenario, seed uint64, forward, back []Carrier) *Traffic {
	t := &Traffic{}
	tcps, udps := others(&t.world, plan.withDefaults(), seed, forward, back)
	for _, x := range tcps {
		x.out.log = &t.records
	}
	for _, x := range udps {
		x.out.log = &t.records
	}
	return t
}

// Next is when something happens; false: nothing ever will.
func (t *Traffic) Next() (time.Duration, bool) {
	if len(t.world.events) == 0 {
		return 0, false
	}
	return t.world.events[0].at, true
}

// Advance lets happen what is due until now.
func (t *Traffic) Advance(now time.Duration) { t.world.run(now + 1) }

// Records are the packets that were sent on the forward links so far; of those
// under way the arrival is known in advance.
func (t *Traffic) Records() []PacketRecord { return t.records }

// add sums series up, where there are any.
func add(total, series []units.Size) []units.Size {
	if total == nil {
		total = make([]units.Size, len(series))
	}
	for i, n := range series {
		total[i] += n
	}
	return total
}
