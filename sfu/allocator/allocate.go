package allocator

import (
	"math"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Allocate divides budget among demands and appends one grant for each, in
// their order, to dst[:0]. previous are the grants of the last allocation, in
// any order; a demand without one is new and is not held back by hysteresis.
//
// The grants of video together never exceed what voice leaves of the budget.
// Voice gets its lowest layer whatever the budget says.
func Allocate(budget units.Rate, demands []Demand, previous []Grant, dst []Grant) []Grant {
	dst = dst[:0]
	a := allocation{budget: max(budget, 0), demands: demands, previous: previous}
	for i := range demands {
		d := &demands[i]
		g := Grant{Slot: d.Slot, Spatial: Paused, Temporal: Paused, Reason: PausedBandwidth}
		switch {
		case d.Muted:
			g.Reason = Muted
		case d.lowest() < 0:
			g.Reason = NoSource
		case d.Kind == Voice:
			a.grant(&g, d, d.lowest())
		}
		dst = append(dst, g)
	}
	a.grants = dst
	first := a.following(-1)
	a.first = first
	a.base(first)
	a.still(first)
	a.upgrades(true)
	for i := first; i >= 0; i = a.following(i) {
		if i != first {
			a.base(i)
		}
	}
	a.upgrades(false)
	for i := a.following(-1); i >= 0; i = a.following(i) {
		a.still(i)
	}
	a.rooms()
	a.explain()
	return dst
}

// allocation is one call of Allocate under way. A grant whose Reason is still
// PausedBandwidth takes part; explain puts the final reasons in.
type allocation struct {
	budget   units.Rate
	spent    units.Rate
	demands  []Demand
	previous []Grant
	grants   []Grant
	weights  float64 // of all pictures that share what is left
	first    int     // the most important picture, -1 when there is none
}

// grant moves a demand to the layer at index, which may be cheaper than the
// one it had.
func (a *allocation) grant(g *Grant, d *Demand, index int) {
	l := &d.Layers[index]
	a.spent += cost(l.Rate) - cost(g.Rate)
	g.Spatial, g.Temporal, g.Rate = l.Spatial, l.Temporal, l.Rate
}

// mostCost is beyond every budget, and sums of it do not overflow.
const mostCost = 1 << 40

// cost is a rate as it is reckoned with: rates come from what publishers claim.
func cost(r units.Rate) units.Rate { return min(r, mostCost) }

// base grants the picture at i its lowest layer if that fits. What does not is
// passed over: a cheaper picture behind it may still fit.
func (a *allocation) base(i int) {
	if i < 0 || a.rests(i) {
		return
	}
	d := &a.demands[i]
	index := d.lowest()
	// A picture that was paused for want of budget comes back with headroom;
	// one that is shown, or new, needs only to fit.
	p, known := a.before(i)
	resumes := known && (p.Still || !p.Active() && (p.Reason == PausedBandwidth || p.Reason == DataBudget))
	if a.fits(cost(d.Layers[index].Rate), resumes) {
		a.grant(&a.grants[i], d, index)
	}
}

// rests says that the picture at i stays away for now.
func (a *allocation) rests(i int) bool {
	p, _ := a.before(i)
	return a.demands[i].Rests && i != a.first && !p.Active()
}

// following is the picture that comes after the one at i in order of
// importance; the first for i < 0, -1 after the last. There are few pictures,
// so looking through them beats sorting.
func (a *allocation) following(i int) int {
	best := -1
	for j := range a.demands {
		if a.demands[j].Kind == Voice || a.grants[j].Reason != PausedBandwidth {
			continue
		}
		if (i < 0 || a.precedes(i, j)) && (best < 0 || a.precedes(j, best)) {
			best = j
		}
	}
	return best
}

// precedes is a total order of pictures by importance: priority, screens
// before cameras, what is shown already before what is not, place.
func (a *allocation) precedes(i, j int) bool {
	x, y := &a.demands[i], &a.demands[j]
	if x.Priority != y.Priority {
		return x.Priority > y.Priority
	}
	if (x.Kind == Screen) != (y.Kind == Screen) {
		return x.Kind == Screen
	}
	p, _ := a.before(i)
	q, _ := a.before(j)
	if p.Active() != q.Active() {
		return p.Active()
	}
	return i < j
}

// before is the previous grant of the demand at i, paused when there was none.
func (a *allocation) before(i int) (Grant, bool) {
	slot := a.demands[i].Slot
	if i < len(a.previous) && a.previous[i].Slot == slot { // as a rule
		return a.previous[i], true
	}
	for j := range a.previous {
		if a.previous[j].Slot == slot {
			return a.previous[j], true
		}
	}
	return Grant{Slot: slot, Spatial: Paused, Temporal: Paused}, false
}

// fits says whether more may be spent; with headroom when it is for something
// that was not granted before.
func (a *allocation) fits(more units.Rate, headroom bool) bool {
	total := add(a.spent, more)
	if headroom {
		total = WithHeadroom(total)
	}
	return total <= a.budget
}

// upgrades spends what is left on voices or on pictures, one step at a time,
// each time on the step with the most gain for each bit.
func (a *allocation) upgrades(voices bool) {
	// Every step raises the value of one demand, so there are no more steps
	// than layers.
	steps := 0
	a.weights = 0
	for i := range a.demands {
		steps += len(a.demands[i].Layers)
		if a.shares(i) {
			a.weights += a.demands[i].weight()
		}
	}
	for range steps {
		bestDemand, bestLayer, bestScore := -1, -1, 0.0
		for i := range a.demands {
			g := &a.grants[i]
			if g.Reason != PausedBandwidth || !g.Active() || (a.demands[i].Kind == Voice) != voices {
				continue
			}
			if index, score := a.step(i); score > bestScore {
				bestDemand, bestLayer, bestScore = i, index, score
			}
		}
		if bestDemand < 0 {
			return
		}
		a.grant(&a.grants[bestDemand], &a.demands[bestDemand], bestLayer)
	}
}

// keepBoost is how much more a layer in use weighs than the same gain
// elsewhere, so that near-equals do not trade places.
const keepBoost = 1.5

// step is the best affordable step up of the demand at i, and its score:
// priority x gain for each bit; score 0 = none.
func (a *allocation) step(i int) (index int, score float64) {
	d, g := &a.demands[i], &a.grants[i]
	limit, have := d.limit(), a.value(i, d.index(g.Spatial, g.Temporal))
	// What costs no more than the layer in use does now is nothing new.
	kept := units.Rate(0)
	if held, _ := a.before(i); held.Active() && !held.Still {
		if j := d.index(held.Spatial, held.Temporal); j >= 0 {
			kept = d.Layers[j].Rate
		}
	}
	for j := 0; j <= limit; j++ {
		l := &d.Layers[j]
		if l.Rate <= 0 {
			continue
		}
		gain := a.value(i, j) - have
		if gain <= 0 {
			continue
		}
		isKept := l.Rate <= kept
		// A publisher that holds a layer back holds it to the room that there
		// is, with a margin of its own.
		isOurs := l.Spatial == g.Spatial && l.Held
		if !a.fits(cost(l.Rate)-cost(g.Rate), !isKept && !isOurs) {
			continue
		}
		// A step that costs nothing is worth as much as one bit per second.
		s := gain * d.weight() / math.Max(float64(l.Rate-g.Rate), 1)
		if isKept {
			s *= keepBoost
		}
		if s > score {
			index, score = j, s
		}
	}
	return index, score
}

// value is how good the layer at j of the demand at i looks once its publisher has
// been asked to fill the share of what is left.
func (a *allocation) value(i, j int) float64 {
	d := &a.demands[i]
	l, g := &d.Layers[j], &a.grants[i]
	room := l.Rate
	if left := a.budget - a.spent + cost(g.Rate) - cost(l.Rate); left > 0 && l.Held && a.weights > 0 {
		room = add(room, left.Scale(d.weight()/a.weights))
	}
	return d.value(j, room)
}

// still grants the picture at i one now and then, if it got no layer. One that
// stands still already is refreshed more seldom before it is given up.
func (a *allocation) still(i int) {
	if i < 0 || a.grants[i].Active() || a.demands[i].Still <= 0 || a.rests(i) {
		return
	}
	d, g := &a.demands[i], &a.grants[i]
	p, _ := a.before(i)
	price := cost(d.Still)
	if p.Still && !a.fits(price, false) {
		price = price / 3
	}
	if a.fits(price, !p.Still) {
		l := &d.Layers[d.lowest()]
		a.spent += price
		g.Spatial, g.Temporal, g.Rate, g.Still, g.Reason = l.Spatial, 0, price, true, Still
	}
}

// rooms shares what is left over among the pictures, by importance, each up to
// the most that its publisher would send. Of those that could not be shown only
// the most important has room, for all that is left, or they would all ask for
// the same bits.
func (a *allocation) rooms() {
	left := max(a.budget-a.spent, 0)
	if i := a.waiting(); i >= 0 {
		a.grants[i].Room = add(left, a.grants[i].Rate)
	}
	for i := range a.grants {
		if g := &a.grants[i]; a.shares(i) {
			g.Room = g.Rate
		}
	}
	// Whoever takes less than its share leaves more to the others.
	for range 4 {
		weights := 0.0
		for i := range a.grants {
			if a.shares(i) && a.grants[i].Room < a.demands[i].most(a.grants[i].Spatial) {
				weights += a.demands[i].weight()
			}
		}
		given := units.Rate(0)
		for i := range a.grants {
			g, d := &a.grants[i], &a.demands[i]
			if most := d.most(g.Spatial); a.shares(i) && g.Room < most {
				share := min(left.Scale(d.weight()/weights), most-g.Room, left-given)
				g.Room, given = g.Room+share, given+share
			}
		}
		left -= given
	}
}

// shares says whether the demand at i is a moving picture.
func (a *allocation) shares(i int) bool {
	g := &a.grants[i]
	return a.demands[i].Kind != Voice && g.Active() && !g.Still
}

// waiting is the most important picture that got no layer, or stands still; -1
// when there is none.
func (a *allocation) waiting() int {
	best := -1
	for j := range a.demands {
		g := &a.grants[j]
		if a.demands[j].Kind == Voice || !g.Still && (g.Active() || g.Reason != PausedBandwidth) {
			continue
		}
		if best < 0 || a.precedes(j, best) {
			best = j
		}
	}
	return best
}

// explain replaces the working reason of what was granted.
func (a *allocation) explain() {
	for i := range a.grants {
		g, d := &a.grants[i], &a.demands[i]
		if !g.Active() || g.Reason != PausedBandwidth {
			continue
		}
		switch {
		case d.index(g.Spatial, g.Temporal) >= d.highest():
			g.Reason = Full
		case d.cheapest(g) < units.MaxRate:
			g.Reason = Bandwidth
		default:
			g.Reason = FitsView
		}
	}
}

// Needs is what a set of demands would use, in wire rates, so that the
// congestion controller probes only for what could be used.
type Needs struct {
	Voice units.Rate // voice alone, at its lowest layers
	Spent units.Rate // what is granted now
	Next  units.Rate // the budget at which the cheapest further step is taken
	Full  units.Rate // the budget at which everything wanted is granted
}

// Wants says what the demands, granted as they are, could use beyond. The
// grants must come from Allocate with the same demands.
func Wants(demands []Demand, grants []Grant) Needs {
	var n Needs
	var full units.Rate
	cheapest := units.MaxRate
	for i := range demands {
		d, g := &demands[i], &grants[i]
		if d.Muted || d.lowest() < 0 {
			continue
		}
		if d.Kind == Voice {
			n.Voice = add(n.Voice, d.Layers[d.lowest()].Rate)
		}
		n.Spent = add(n.Spent, g.Rate)
		full = add(full, max(d.Layers[d.limit()].wanted(), g.Rate))
		if d.Rests && !g.Active() {
			continue // there is no use in finding out
		}
		cheapest = min(cheapest, d.cheapest(g))
	}
	if cheapest == units.MaxRate { // everything is granted
		n.Next, n.Full = n.Spent, n.Spent
		return n
	}
	n.Next = WithHeadroom(add(n.Spent, cheapest))
	n.Full = max(WithHeadroom(full), n.Next)
	return n
}

// cheapest is what the cheapest step up from g costs more; MaxRate when there
// is none.
func (d *Demand) cheapest(g *Grant) units.Rate {
	if !g.Active() || g.Still {
		return max(d.Layers[d.lowest()].Rate-g.Rate, 0)
	}
	at := d.index(g.Spatial, g.Temporal)
	have := d.value(at, g.Room)
	best := units.MaxRate
	if l := &d.Layers[at]; l.Held && l.Most > l.Rate {
		// More of the same: in steps, so that the path is not asked for all of
		// it at once.
		best = min(l.Most-l.Rate, max(g.Room-g.Rate, 0)+l.Rate.Scale(growth))
	}
	for j := range d.limit() + 1 {
		if d.Layers[j].Rate > 0 && d.value(j, g.Room) > have {
			best = min(best, max(d.Layers[j].Rate-g.Rate, 0))
		}
	}
	return best
}

// growth is by how much more a layer could first be raised that its publisher
// holds back.
const growth = 0.4

// wanted is what a layer could use in all.
func (l *Layer) wanted() units.Rate {
	if l.Held {
		return max(l.Rate, l.Most)
	}
	return l.Rate
}

// WithHeadroom is the budget that is needed before a step to a total rate is
// taken: a quarter more. It exceeds 1.1/0.9, so a budget or rate that wanders
// by a tenth either way cannot take and lose the same step for ever.
func WithHeadroom(total units.Rate) units.Rate { return add(total, total/4) }

// add saturates, for rates come from what publishers claim.
func add(x, y units.Rate) units.Rate {
	if x > 0 && y > units.MaxRate-x {
		return units.MaxRate
	}
	return x + y
}
