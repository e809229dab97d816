package full

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// wirePlan is a plan as it goes to a child: a capacity hides what it holds, so
// it is written down beside the links, as far as the plan needs it.
type wirePlan struct {
	plan
	ForwardCapacity, BackCapacity []capacity
}

// plan has none of Plan's methods.
type plan Plan

// capacity is one of: not limited (the zero value), steps, opportunities in
// milliseconds.
type capacity struct {
	Steps         []link.Step
	Opportunities []uint32
}

// MarshalJSON writes the plan, of capacities what lies within its duration.
func (p Plan) MarshalJSON() ([]byte, error) {
	w := wirePlan{plan: plan(p)}
	for _, l := range p.Forward {
		w.ForwardCapacity = append(w.ForwardCapacity, writeCapacity(l.Capacity, p.Duration))
	}
	for _, l := range p.Back {
		w.BackCapacity = append(w.BackCapacity, writeCapacity(l.Capacity, p.Duration))
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Plan) UnmarshalJSON(b []byte) error {
	var w wirePlan
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	for _, side := range []struct {
		links      []link.Config
		capacities []capacity
	}{{w.Forward, w.ForwardCapacity}, {w.Back, w.BackCapacity}} {
		if len(side.links) != len(side.capacities) {
			return fmt.Errorf("full: %d links with %d capacities", len(side.links), len(side.capacities))
		}
		for i, c := range side.capacities {
			var err error
			if side.links[i].Capacity, err = c.read(); err != nil {
				return err
			}
		}
	}
	*p = Plan(w.plan)
	return nil
}

// writeCapacity writes down what c is until a time.
func writeCapacity(c link.Capacity, until time.Duration) (w capacity) {
	if !c.Limited() {
		return w
	}
	rate, next := c.At(0)
	if next == math.MaxInt64 && !reflect.DeepEqual(c, link.Constant(rate)) {
		return capacity{Opportunities: opportunities(c, until)}
	}
	for at := time.Duration(0); ; at = next {
		rate, next = c.At(at)
		w.Steps = append(w.Steps, link.Step{At: at, Rate: rate})
		if next > until {
			return w
		}
	}
}

// opportunities finds each one by what is carried in its millisecond.
func opportunities(c link.Capacity, until time.Duration) []uint32 {
	var all []uint32
	for at := time.Duration(0); at <= until+time.Second; at += time.Millisecond {
		for n := c.Carries(at-time.Millisecond, at) / link.OpportunitySize; n > 0; n-- {
			all = append(all, uint32(at/time.Millisecond))
		}
	}
	return all
}

func (c capacity) read() (link.Capacity, error) {
	switch {
	case c.Opportunities != nil:
		var trace bytes.Buffer
		for _, o := range c.Opportunities {
			trace.WriteString(strconv.Itoa(int(o)) + "\n")
		}
		read, _, err := link.ReadTrace(&trace)
		return read, err
	case c.Steps != nil:
		return link.Steps(0, c.Steps...)
	}
	return link.Capacity{}, nil
}

// MarshalJSON writes a packet in few bytes.
func (p Packet) MarshalJSON() ([]byte, error) {
	flags := int64(0)
	if p.Stream {
		flags = 1
	}
	if p.Voice {
		flags |= 2
	}
	flags |= int64(p.Kind) << 2
	b := []byte{'['}
	for i, v := range [...]int64{int64(p.Sent), int64(p.Arrived), int64(p.Waited), int64(p.Size), int64(p.Drop), flags} {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Packet) UnmarshalJSON(b []byte) error {
	var v [6]int64
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*p = Packet{
		Sent: time.Duration(v[0]), Arrived: time.Duration(v[1]), Waited: time.Duration(v[2]),
		Size: units.Size(v[3]), Drop: link.Reason(v[4]), Stream: v[5]&1 != 0, Voice: v[5]&2 != 0, Kind: lab.PacketKind(v[5] >> 2),
	}
	return nil
}
