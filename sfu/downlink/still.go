package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/encoding"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// A still picture is refreshed as often as its share of the path allows,
	// within these bounds.
	soonestStill = 3 * time.Second
	latestStill  = 15 * time.Second
	// usualStill is how often the share is reckoned for; leastStill and
	// mostStill bound it.
	usualStill = 4 * time.Second
	leastStill = 8 * units.Kbps
	mostStill  = 20 * units.Kbps
	// assumedStill is a key frame of 320x180 that was not seen yet.
	assumedStill units.Size = 5000
)

// still is a picture of which only key frames are passed on, now and then.
//
//	off ──granted──> wanting ──key frame begins──> passing ──next frame──> waiting
//	                    ^                                                    │
//	                    └──────────────────── its time ──────────────────────┘
type still struct {
	state     stillState
	at        time.Time  // when the next one is wanted; zero unless waiting
	timestamp uint32     // of the one that is passing
	size      units.Size // of the one that is passing, so far
	last      units.Size // of the last whole one, 0 = none yet
	rate      units.Rate // its share of the path
}

type stillState uint8

const (
	stillOff stillState = iota
	stillWanting
	stillPassing
	stillWaiting
)

// stillRate is what a still picture of the slot would cost.
func (s *slot) stillRate() units.Rate {
	return min(max(s.still.whole().Over(usualStill), leastStill), mostStill)
}

// whole is what a key frame weighs.
func (p *still) whole() units.Size {
	if p.last > 0 {
		return p.last
	}
	return assumedStill
}

// interval is how long its share takes to pay for one picture.
func (p *still) interval() time.Duration {
	if p.rate <= 0 {
		return latestStill
	}
	return min(max(p.whole().At(p.rate), soonestStill), latestStill)
}

// standStill answers the target of a slot that is granted g, which is target
// unless the picture stands still and none is due.
func (s *slot) standStill(now time.Time, g allocator.Grant, target layer.Target) layer.Target {
	p := &s.still
	if !g.Still {
		if p.state != stillOff {
			*p = still{last: p.last}
		}
		return target
	}
	p.rate = g.Rate
	switch p.state {
	case stillOff:
		p.state = stillWanting
		if s.selector.Current().Spatial >= 0 {
			// One was just seen moving: it stands still as it is for a while.
			p.wait(now)
			return layer.Paused
		}
	case stillWaiting:
		return layer.Paused
	}
	return target
}

// wait has the next picture come after a while.
func (p *still) wait(now time.Time) {
	p.state, p.at = stillWaiting, now.Add(p.interval())
}

// tickStill wants the next picture when its time has come.
func (d *Downlink) tickStill(now time.Time, s *slot) {
	if !due(now, s.still.at) {
		return
	}
	s.still.state, s.still.at = stillWanting, time.Time{}
	s.selector.SetTarget(layer.Target{Spatial: s.grant.Spatial, Temporal: 0})
	d.wantKeyframe(now, s)
}

// passStill looks at a packet before the selector does: what follows the key
// frame is not passed on.
func (d *Downlink) passStill(now time.Time, s *slot, p *packet.Packet) {
	switch s.still.state {
	case stillWanting:
		if p.Info.Keyframe && p.Info.FrameStart && int8(p.Layer) <= s.selector.Target().Spatial {
			s.still.state, s.still.timestamp, s.still.size = stillPassing, p.Timestamp, 0
		}
	case stillPassing:
		if int8(p.Layer) == s.selector.Current().Spatial && p.Timestamp != s.still.timestamp {
			s.still.last = s.still.size
			s.still.wait(now)
			s.selector.SetTarget(layer.Paused)
			return
		}
	}
	if s.still.state == stillPassing && p.Timestamp == s.still.timestamp && int8(p.Layer) <= s.selector.Target().Spatial {
		s.still.size += d.wireSize(len(p.Payload), false, p.HasOrientation, p.Descriptor)
	}
}

// Wish is what the publisher of a slot's source should know of this subscriber.
// generation changes whenever any slot's wish may have.
func (d *Downlink) Wish(index int) encoding.Wish {
	s := d.slot(index)
	if s == nil || s.cfg.Kind != Video || s.source.ID == 0 {
		return encoding.Wish{Spatial: encoding.None, Current: encoding.None}
	}
	return encoding.Wish{
		Spatial: s.grant.Spatial, Current: s.selector.Current().Spatial,
		Room: s.grant.Room, Part: s.part(), Still: s.grant.Still,
	}
}

// part says whether only some of the frames are granted of the layer that is.
func (s *slot) part() bool {
	for _, r := range s.rates {
		if r.Spatial == s.grant.Spatial && r.Temporal > s.grant.Temporal && r.Rate > 0 {
			return s.grant.Active() && !s.grant.Still
		}
	}
	return false
}

// Wishes counts the changes of what Wish answers, so that nobody asks in vain.
func (d *Downlink) Wishes() uint64 { return d.wishes }
