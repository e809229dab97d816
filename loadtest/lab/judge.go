package lab

import (
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Recording is what another back end saw of a run: every packet of media, each
// with what became of it. Times count from the plan's start. Judge makes of it
// what Run makes of an exact run, so that figures of all back ends mean the
// same.
type Recording struct {
	// Flows are the plan's, in its order.
	Flows []FlowRecording
	// Other are packets of other traffic on the forward links.
	Other []PacketRecord
	// Forward accounts for what each forward link was offered.
	Forward []link.Stats
	// Depth is the wait of a packet sent now in all forward links, each
	// DepthStep.
	Depth []time.Duration
}

// FlowRecording is one flow of it.
type FlowRecording struct {
	// Packets are what its sender put on the links, padding and
	// retransmissions included, in order of sending; Reports what came back.
	Packets, Reports []PacketRecord
	// Targets are the estimate as it changed.
	Targets []TargetRecord
}

// PacketRecord is one packet.
type PacketRecord struct {
	Sent    time.Duration
	Arrived time.Duration // meaningless if dropped
	Waited  time.Duration // in queues, serialisation excluded
	Size    units.Size    // IP bytes
	Drop    link.Reason   // None: it arrived
	// Voice says that it carried sound, Stream that it was a segment of
	// signalling.
	Voice, Stream bool
	// Kind is what it was for; voice and signalling are told by the above, too.
	Kind PacketKind
}

// TargetRecord is what a sender was allowed from a time on.
type TargetRecord struct {
	At   time.Duration
	Rate units.Rate
}

// Judge measures and judges a recording of a plan. cc names the congestion
// control, backend what ran it.
func Judge(plan Scenario, cc, backend string, seed uint64, rec Recording) (Result, *Series, error) {
	if err := plan.Validate(); err != nil {
		return Result{}, nil, err
	}
	plan = plan.withDefaults()
	if len(rec.Flows) != len(plan.Flows) {
		return Result{}, nil, fmt.Errorf("lab: %s: a recording of %d flows of %d", plan.Name, len(rec.Flows), len(plan.Flows))
	}
	forward, err := links(plan.Forward, seed)
	if err != nil {
		return Result{}, nil, fmt.Errorf("lab: %s: %w", plan.Name, err)
	}
	o := &observation{plan: plan, links: forward, stats: rec.Forward, depth: rec.Depth}
	for i, f := range rec.Flows {
		spec := plan.Flows[i]
		o.flows = append(o.flows, observed{spec, f.meter(spec.Start, plan.Duration)})
	}
	if len(rec.Other) > 0 {
		o.other = make([]units.Size, int(plan.Duration/bin)+1)
		for _, p := range rec.Other {
			if i := int(p.Arrived / bin); p.Drop == link.None && i >= 0 && i < len(o.other) {
				o.other[i] += p.Size
			}
		}
	}
	r := Result{Suite: plan.Suite, Scenario: plan.Name, CC: cc, Backend: backend, Seed: seed}
	o.measure(&r)
	r.judge(plan.Targets)
	return r, o.series(), nil
}

// meter replays a recording into the meter that an exact run has.
func (f FlowRecording) meter(start, end time.Duration) *meter {
	m := newMeter(start, end)
	for _, t := range f.Targets {
		m.target(min(max(t.At, 0), end), t.Rate)
	}
	m.target(end, m.latest)
	m.overhead = f.overhead(end)
	for i, r := range f.Packets {
		if r.Sent < 0 || r.Sent >= end {
			continue
		}
		p := packet{class: video, size: r.Size, number: int64(i), sent: r.Sent, waited: r.Waited}
		if r.Voice {
			p.class = voice
		}
		m.sent(&p)
		switch {
		case r.Drop != link.None:
			m.dropped(&p, r.Drop)
		case r.Arrived < end:
			m.arrived(r.Arrived, &p)
		}
	}
	for _, r := range f.Reports {
		if r.Sent >= 0 && r.Sent < end {
			m.reported(r.Size)
		}
	}
	return m
}
