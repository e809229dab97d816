package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// A target is in a dip while it is at least deepDip of what it was, for
	// longestDip at the most: a drain takes a round trip or two.
	deepDip    = 0.6
	longestDip = 700 * time.Millisecond
	// followers is what may always wait of frames that others refer to: on a thin
	// path two or three of them.
	followers units.Size = 3600
	// A slot is crowded from so much on that waits in the pacer until so little.
	crowded   = 250 * time.Millisecond
	uncrowded = 100 * time.Millisecond
	// moving is how many frames a second are left in any case.
	moving = 3.0
)

// calm is the target without the dips of a moment in which the controller
// empties a queue: the pacer keeps to them, and what it holds back for that long
// is no reason to take a picture away. A target that falls far is no dip.
func (d *Downlink) calm(now time.Time) units.Rate {
	target, p := d.decision.Target, &d.dip
	if d.decision.State != bwe.Drain || target < p.before.Scale(deepDip) {
		*p = dip{before: target}
		return target
	}
	if p.since.IsZero() {
		p.since = now
	}
	if left := p.since.Add(longestDip).Sub(now); left > 0 {
		d.allocateSoon(now, left)
		return max(target, p.before)
	}
	p.before = target
	return target
}

// bridge saves as much during a dip by temporal layers, which come back without
// a key frame: those of the last slots first.
func (d *Downlink) bridge(excess units.Rate) {
	for i := len(d.grants) - 1; i >= 0; i-- {
		s, g := &d.slots[i], &d.grants[i]
		s.bridged = false
		if d.dip.since.IsZero() || excess <= 0 || s.cfg.Kind == Audio || !g.Active() || g.Still {
			continue
		}
		for _, l := range d.demands[i].Layers {
			if l.Spatial == g.Spatial && l.Rate > 0 && l.Temporal >= s.leastMoving() { // its lowest temporal layer
				s.bridged = l.Temporal < g.Temporal
				excess -= max(g.Rate-l.Rate, 0)
				break
			}
		}
	}
}

// dip is the target before the controller began to empty a queue.
type dip struct {
	before units.Rate
	since  time.Time // zero while it does not
}

// noticeCrowd forwards only frames that others refer to while more waits than the
// pacer holds of the others: it would drop them, and each number spent on a frame
// that never leaves is asked for. As a rule it is behind a key frame.
func (d *Downlink) noticeCrowd(s *slot) {
	delay := d.queue.Delay()
	switch {
	case s.crowded && delay < uncrowded:
		s.crowded = false
	case !s.crowded && delay > crowded:
		s.crowded = true
	default:
		return
	}
	if !s.grant.Active() || s.grant.Still || s.selector.Target() == layer.Paused {
		return
	}
	s.selector.SetTarget(s.target())
}

// target is the layer to pass on of what is granted: for a moment it may be the
// base of it only.
func (s *slot) target() layer.Target {
	t := layer.Target{Spatial: s.grant.Spatial, Temporal: s.grant.Temporal}
	if s.bridged || s.crowded {
		t.Temporal = min(t.Temporal, s.leastMoving())
	}
	return t
}

// leastMoving is the lowest temporal layer of the layer granted that still moves:
// a quarter of 5 frames a second is a frozen picture.
func (s *slot) leastMoving() int8 {
	least := int8(0)
	for _, r := range s.rates {
		if r.Spatial != s.grant.Spatial || r.Rate <= 0 || r.FrameRate <= 0 {
			continue
		}
		if least = r.Temporal; r.FrameRate >= moving {
			break
		}
	}
	return least
}

// level is how little others need the packet's frame.
func level(p *packet.Packet) uint8 {
	switch {
	case p.Info.Temporal > 0:
		return uint8(p.Info.Temporal)
	case p.Info.Discardable:
		return 1
	}
	return 0
}
