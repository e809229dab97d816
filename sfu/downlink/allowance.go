package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// callSpread is the time over which what is left of a call's budget is
	// spread at each moment: calls seldom last as long as one feared, and one
	// that does gets thinner slowly instead of ending at once.
	callSpread = 30 * time.Minute
	// hourSaved is the share of an hour's budget that may be saved up; the rest
	// comes in evenly. Both together never exceed the budget in any hour.
	hourSaved = 1.0 / 6
	// hourSpread is the time over which the savings may be spent.
	hourSpread = 5 * time.Minute
)

// allowance is a data budget and what is left of it.
type allowance struct {
	budget DataBudget
	spent  units.Size // since New
	saved  float64    // of the hour's budget, in bytes; negative when overspent
	at     time.Time
}

// set changes the budget; false when it is as before.
func (a *allowance) set(now time.Time, b DataBudget) bool {
	b.Call, b.Hour = max(b.Call, 0), max(b.Hour, 0)
	if b == a.budget {
		return false
	}
	if b.Hour != a.budget.Hour {
		a.saved, a.at = float64(b.Hour)*hourSaved, now
	}
	a.budget = b
	return true
}

// spend notes what was sent.
func (a *allowance) spend(n units.Size) {
	a.spent += n
	a.saved -= float64(n)
}

// rate is what may be spent now; MaxRate when nothing bounds it.
func (a *allowance) rate(now time.Time) units.Rate {
	limit := units.MaxRate
	if a.budget.Call > 0 {
		limit = max(a.budget.Call-a.spent, 0).Over(callSpread)
	}
	if hour := float64(a.budget.Hour); hour > 0 {
		income := hour * (1 - hourSaved) / time.Hour.Seconds() // bytes a second
		a.saved = min(a.saved+income*max(now.Sub(a.at), 0).Seconds(), hour*hourSaved)
		a.at = now
		limit = min(limit, units.Rate(1).Scale(8*max(income+a.saved/hourSpread.Seconds(), 0)))
	}
	return limit
}

// limit is what data mode and data budget let be spent now.
func (d *Downlink) limit(now time.Time) units.Rate {
	limit := d.allowance.rate(now)
	if d.mode == Low {
		limit = min(limit, lowDataRate)
	}
	return limit
}

// overspent says whether the data budget allows less than data mode Low does.
func (d *Downlink) overspent() bool { return d.allowance.rate(d.clock) < lowDataRate }

// SetDataBudget bounds what is sent from now on; what was sent before counts.
func (d *Downlink) SetDataBudget(now time.Time, b DataBudget) {
	if d.allowance.set(now, b) {
		d.allocateSoon(now, 0)
	}
}
