package full

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// CallPlan is one run of a whole call.
type CallPlan struct {
	Name     string
	Seed     uint64
	Duration time.Duration
	Call     lab.Call
}

// FromCall answers the plan of a scenario with a call. A seed gives each link
// chance of its own.
func FromCall(s lab.Scenario, seed uint64) (CallPlan, error) {
	if err := s.Validate(); err != nil {
		return CallPlan{}, err
	}
	if s.Call == nil {
		return CallPlan{}, fmt.Errorf("full: %s is no whole call", s.Name)
	}
	p := CallPlan{Name: s.Name, Seed: seed, Duration: s.Duration, Call: s.Call.Clone()}
	n := uint64(0)
	p.eachLink(func(c *link.Config) {
		n++
		c.Seed = seed*1024 + n
	})
	return p, nil
}

// eachLink visits all links in order.
func (p *CallPlan) eachLink(do func(*link.Config)) {
	for i := range p.Call.People {
		for j := range p.Call.People[i].Networks {
			n := &p.Call.People[i].Networks[j]
			do(&n.Down)
			do(&n.Up)
		}
	}
}

// wireCall is a call as it goes to a child; see wirePlan.
type wireCall struct {
	callPlan
	Capacities []capacity
}

// callPlan has none of CallPlan's methods.
type callPlan CallPlan

// MarshalJSON writes the plan, of capacities what lies within its duration.
func (p CallPlan) MarshalJSON() ([]byte, error) {
	w := wireCall{callPlan: callPlan(p)}
	p.eachLink(func(c *link.Config) { w.Capacities = append(w.Capacities, writeCapacity(c.Capacity, p.Duration)) })
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *CallPlan) UnmarshalJSON(b []byte) error {
	var w wireCall
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*p = CallPlan(w.callPlan)
	var err error
	n := 0
	p.eachLink(func(c *link.Config) {
		if err == nil && n == len(w.Capacities) {
			err = fmt.Errorf("full: %d capacities for more links", n)
		}
		if err == nil {
			c.Capacity, err = w.Capacities[n].read()
			n++
		}
	})
	return err
}
