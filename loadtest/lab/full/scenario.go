package full

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// ErrNotBuilt says what of a scenario this back end cannot run.
var ErrNotBuilt = errors.New("the full back end does not run this yet")

// FromScenario answers the plan of a scenario of the lab. The error wraps
// [ErrNotBuilt] for what cannot be run. A seed means the same links as in the
// exact back end.
func FromScenario(s lab.Scenario, c Controller, seed uint64) (Plan, error) {
	if s.NotBuilt != "" {
		return Plan{}, fmt.Errorf("%w: %s", ErrNotBuilt, s.NotBuilt)
	}
	if s.Call != nil {
		return Plan{}, fmt.Errorf("%w: whole calls are run with our own client and server alone", ErrNotBuilt)
	}
	for _, l := range append(append([]link.Config(nil), s.Forward...), s.Back...) {
		if l.Queue.Mark > 0 || l.Queue.ECN {
			return Plan{}, fmt.Errorf("%w: links that mark congestion: its sockets neither set nor read the ECN codepoint, nor do pion's", ErrNotBuilt)
		}
		if l.Duplicate > 0 {
			return Plan{}, fmt.Errorf("%w: links that duplicate packets", ErrNotBuilt)
		}
	}
	p := Plan{Name: s.Name, Controller: c, Seed: seed, Duration: s.Duration, TCP: s.TCP, UDP: s.UDP}
	if p.Duration == 0 {
		p.Duration = 120 * time.Second
	}
	p.Forward, p.Back = seeded(s.Forward, seed), seeded(s.Back, seed+1<<32)
	for _, f := range s.Flows {
		if f.Weight != 0 && c != Rivulet {
			return Plan{}, fmt.Errorf("%w: weights of flows with %s, which has none", ErrNotBuilt, c)
		}
		p.Flows = append(p.Flows, fromFlow(f))
	}
	return p, p.Validate()
}

func fromFlow(f lab.Flow) Flow {
	own := Flow{
		Start: f.Start, Stop: f.Stop, Initial: f.Initial, Reverse: f.Reverse, Extra: f.Extra, From: f.From, To: f.To, Weight: f.Weight,
		Least: f.Media.Least, Most: f.Media.Most, Until: f.Media.Until, Held: f.Media.Held,
		NoVideo: !f.Media.Perfect && !f.Media.Encoder, Encoder: f.Media.Encoder,
		Voice: f.Media.Voice, PacketTime: f.Media.PacketTime, Spurts: f.Media.Spurts,
	}
	for _, p := range f.Pauses {
		own.Pauses = append(own.Pauses, Span(p))
	}
	return own
}

// seeded gives each link chance of its own.
func seeded(configs []link.Config, seed uint64) []link.Config {
	all := make([]link.Config, len(configs))
	for i, c := range configs {
		all[i] = c
		all[i].Seed = seed*64 + uint64(i) + 1
	}
	return all
}

// Recording answers a record as the lab judges it.
func (r Record) Recording() lab.Recording {
	rec := lab.Recording{Other: packets(r.Other), Forward: r.Forward, Depth: r.Depth}
	for _, f := range r.Flows {
		own := lab.FlowRecording{Packets: packets(f.Packets), Reports: packets(f.Reports)}
		for _, t := range f.Targets {
			own.Targets = append(own.Targets, lab.TargetRecord(t))
		}
		rec.Flows = append(rec.Flows, own)
	}
	return rec
}

func packets(all []Packet) []lab.PacketRecord {
	var own []lab.PacketRecord
	for _, p := range all {
		own = append(own, lab.PacketRecord{
			Sent: p.Sent, Arrived: p.Arrived, Waited: p.Waited, Size: p.Size, Drop: p.Drop, Voice: p.Voice, Stream: p.Stream, Kind: p.Kind,
		})
	}
	return own
}
