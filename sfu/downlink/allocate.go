package downlink

import (
	"cmp"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
)

const (
	// ratesDelay gathers the new rates of all slots into one allocation;
	// raiseDelay gathers the small steps of a rising estimate.
	ratesDelay = 50 * time.Millisecond
	raiseDelay = 200 * time.Millisecond
	// meterInterval is how often rates are measured and the history expires.
	meterInterval = 500 * time.Millisecond
	// historyAge is how long a packet may be asked for again: three round
	// trips, within these bounds.
	minHistoryAge = time.Second
	maxHistoryAge = 4 * time.Second
	// lowDataRate is the most that data mode Low spends, reserve included.
	lowDataRate = 300 * units.Kbps
	// allTemporal stands for every temporal layer of a source whose rates are
	// not known yet.
	allTemporal = 7
)

// assumedRate is the wire rate of a layer that was not measured yet, by its
// height: about what browsers choose for simulcast.
func assumedRate(i LayerInfo) units.Rate {
	switch h := min(i.Width, i.Height); {
	case h == 0:
		return 200 * units.Kbps << min(2*max(i.Spatial, 0), 8)
	case h <= 180:
		return 150 * units.Kbps
	case h <= 360:
		return 500 * units.Kbps
	case h <= 720:
		return 1500 * units.Kbps
	}
	return 3000 * units.Kbps
}

// Tick lets time pass: the controller's, the allocation's, the history's. It
// is called when Next has come; calling it more often does no harm.
func (d *Downlink) Tick(now time.Time) {
	d.clock = now
	d.apply(now, d.bwe.OnTick(now))
	if due(now, d.meterAt) {
		d.measure(now)
		d.judgeProtection()
	}
	d.closeGroups(now)
	for i := range d.slots {
		s := &d.slots[i]
		d.tickStill(now, s)
		if due(now, s.keyframe.retryAt) {
			d.wantKeyframe(now, s)
		}
		d.tickVoice(now, s)
		d.closeHole(now, s)
		if due(now, s.owedAt) {
			d.payOwed(now, s)
		}
	}
	if due(now, d.allocateAt) {
		d.allocate(now)
	}
}

// allocateSoon has the next Tick after a delay allocate.
func (d *Downlink) allocateSoon(now time.Time, delay time.Duration) {
	d.allocateAt = earlier(d.allocateAt, now.Add(delay))
}

// meterSoon starts the measuring of rates.
func (d *Downlink) meterSoon(now time.Time) {
	if d.meterAt.IsZero() {
		d.meterAt, d.meteredAt = now.Add(meterInterval), now
	}
}

// measure takes the rates of voice and retransmission and expires the history.
func (d *Downlink) measure(now time.Time) {
	elapsed := now.Sub(d.meteredAt)
	d.meteredAt, d.meterAt = now, time.Time{}
	age := min(max(3*d.roundTrip(), minHistoryAge), maxHistoryAge)
	busy := false
	for i := range d.slots {
		s := &d.slots[i]
		s.history.expire(d.since(now) - max(age, s.waits()+holeLife)) // what is forgotten is given up
		busy = busy || s.source.ID != 0 || s.history.any
		if s.sound != nil && s.source.ID != 0 && s.sound.measure(now, elapsed, d.budget) {
			d.allocateSoon(now, 0)
		}
	}
	was := d.repair.rate
	d.repair.rate = (was + d.repair.meter.Over(elapsed)) / 2
	d.repair.meter = 0
	if busy {
		d.meterAt = now.Add(meterInterval)
		// Voice that falls silent frees its share a little at a time.
		d.allocateSoon(now, raiseDelay)
	}
}

// allocate divides the estimate among the slots.
func (d *Downlink) allocate(now time.Time) {
	d.allocateAt = time.Time{}
	reserve := d.reserve()
	limit := d.limit(now)
	target := d.calm(now)
	d.budget = max(min(target, limit)-reserve, 0)
	d.thrifty = limit < target
	for i := range d.slots {
		d.demands[i] = d.demand(now, &d.slots[i])
	}
	previous := d.grants
	d.keepModes(previous)
	d.grants = allocator.Allocate(d.budget, d.demands, previous, d.spare)
	d.spare = previous
	needs := allocator.Wants(d.demands, d.grants)
	if d.voiceWish > 0 {
		// Thinner voices stand in for what would be sent if the path carried it.
		more := needs.Spent - needs.Voice + d.voiceWish
		needs.Full = max(needs.Full, more)
		if needs.Next <= needs.Spent {
			needs.Next = max(more, needs.Spent)
		}
	}
	d.bridge(needs.Spent - max(d.decision.Target-reserve, 0))
	for i := range d.grants {
		d.grants[i].Reason = d.reason(&d.slots[i], d.grants[i])
		d.grant(now, &d.slots[i], d.grants[i])
	}
	d.measureRooms()
	d.granted = needs.Spent + reserve
	if needs.Next > limit-reserve { // there is no use in finding out
		needs.Next, needs.Full = needs.Spent, needs.Spent
	}
	needs.Full = min(needs.Full, max(limit-reserve, needs.Spent))
	d.bwe.SetLadder(now, bwe.Ladder{
		Base: needs.Voice + reserve, Next: needs.Next + reserve, Full: needs.Full + reserve,
	})
	d.wishes++
	d.apply(now, d.bwe.Decision())
	if d.recorder != nil {
		d.recorder.Granted(now, d.budget, d.grants)
	}
}

// reserve is what is spent beside media: retransmissions as measured, and sender
// reports as often as they are sent.
func (d *Downlink) reserve() units.Rate {
	report := units.Size(0)
	for i := range d.slots {
		if d.slots[i].report.pending {
			report += 28 // RFC 3550 §6.4.1
		}
	}
	if report > 0 {
		report += d.overhead + 4 // the SRTCP index
	}
	return min(d.repair.rate, d.decision.Target.Scale(repairShare)) + report.Over(d.clocks.interval())
}

// demand is what a slot could use.
func (d *Downlink) demand(now time.Time, s *slot) allocator.Demand {
	a := allocator.Demand{
		Slot: s.index, Kind: allocator.Voice, Priority: s.view.Priority,
		Width: s.view.Width, Height: s.view.Height, Muted: s.source.Muted,
	}
	s.layers = s.layers[:0]
	if s.source.ID == 0 || s.unsupported {
		if s.sound != nil {
			s.sound.steps = s.sound.steps[:0]
		}
		return a
	}
	if s.cfg.Kind == Audio {
		d.voiceLayers(now, s)
		a.Layers = s.layers
		return a
	}
	a.Kind = allocator.Video
	if s.source.Screen {
		a.Kind = allocator.Screen
	}
	if s.view.Hidden || d.mode == VoiceOnly {
		return a
	}
	d.operatingPoints(s)
	a.Layers, a.Rests = s.layers, s.rests(now)
	if d.stills && d.decision.State != bwe.Startup {
		a.Still = s.stillRate()
	}
	return a
}

// operatingPoints fills s.layers with what the source sends, or is assumed to
// send, and the subscriber may have.
func (d *Downlink) operatingPoints(s *slot) {
	limit := d.maxSpatial(s)
	for _, r := range s.rates {
		if r.Spatial < 0 || r.Spatial > limit || r.Temporal < 0 {
			continue
		}
		l := allocator.Layer{
			Spatial: r.Spatial, Temporal: r.Temporal, Rate: max(r.Rate, 0),
			Most: max(r.Most, 0), Held: r.Held, FrameRate: r.FrameRate, MostFrameRate: r.MostFrameRate,
		}
		for _, i := range s.infos {
			if i.Spatial == r.Spatial {
				l.Width, l.Height = i.Width, i.Height
			}
		}
		s.layers = append(s.layers, l)
	}
	for _, i := range s.infos {
		if i.Spatial >= 0 && i.Spatial <= limit {
			s.assume(i)
		}
	}
	if len(s.infos) == 0 && len(s.rates) == 0 {
		s.assume(LayerInfo{})
	}
	slices.SortFunc(s.layers, func(a, b allocator.Layer) int {
		return cmp.Or(cmp.Compare(a.Spatial, b.Spatial), cmp.Compare(a.Temporal, b.Temporal))
	})
}

// assume adds a layer of which no rate was measured.
func (s *slot) assume(i LayerInfo) {
	for _, r := range s.rates {
		if r.Spatial == i.Spatial {
			return
		}
	}
	s.layers = append(s.layers, allocator.Layer{
		Spatial: i.Spatial, Temporal: allTemporal, Rate: assumedRate(i), Width: i.Width, Height: i.Height,
	})
}

// maxSpatial is the highest spatial layer that the subscriber may have.
func (d *Downlink) maxSpatial(s *slot) int8 {
	if d.mode == Low {
		return 0
	}
	if s.view.MaxSpatial >= 0 {
		return s.view.MaxSpatial
	}
	return 127
}

// reason is what the subscriber is told: what the allocator cannot know comes
// before what it decided.
func (d *Downlink) reason(s *slot, g allocator.Grant) allocator.Reason {
	switch {
	case s.source.ID == 0:
		return allocator.NoSource
	case s.unsupported:
		return allocator.CodecNotSupported
	case s.source.Muted || s.cfg.Kind == Audio:
		return g.Reason
	case s.view.Hidden:
		return allocator.NotViewed
	case d.mode == VoiceOnly:
		return allocator.DataMode
	case g.Reason == allocator.Full && d.trims(s):
		if d.mode == Low {
			return allocator.DataMode
		}
		return allocator.FitsView
	case g.Reason == allocator.Full && s.lacks():
		return allocator.Publisher
	case d.thrifty && (g.Reason == allocator.Bandwidth || g.Reason == allocator.PausedBandwidth):
		if d.mode == Low && !d.overspent() {
			return allocator.DataMode
		}
		return allocator.DataBudget
	}
	return g.Reason
}

// lacks says whether the source announces a better layer than its publisher can
// send now.
func (s *slot) lacks() bool {
	best := int8(-1)
	for _, r := range s.rates {
		if r.Rate > 0 {
			best = max(best, r.Spatial)
		}
	}
	for _, r := range s.rates {
		if r.Spatial > best && best >= 0 {
			return true
		}
	}
	return false
}

// trims says whether the source has better layers than the subscriber may have.
func (d *Downlink) trims(s *slot) bool {
	limit := d.maxSpatial(s)
	for _, r := range s.rates {
		if r.Spatial > limit && r.Rate > 0 {
			return true
		}
	}
	for _, i := range s.infos {
		if i.Spatial > limit && len(s.rates) == 0 {
			return true
		}
	}
	return false
}

// grant puts a grant into force.
func (d *Downlink) grant(now time.Time, s *slot, g allocator.Grant) {
	was := s.grant
	s.grant = g
	d.noticeGrant(s, was, g)
	d.noticeRest(now, s, was, g)
	if s.cfg.Kind == Audio {
		s.sound.obey(now, g, d.budget, d.mode == Low)
		return
	}
	target := layer.Paused
	if g.Active() {
		target = s.target()
	}
	if target = s.standStill(now, g, target); target != s.selector.Target() {
		s.selector.SetTarget(target)
	}
	if was.Active() && !was.Still && (!g.Active() || g.Still) {
		d.flush(s)
	}
	d.noticeLayer(s)
	d.wantKeyframe(now, s)
}

// flush throws away what still waits of a slot that is paused: on a path that
// carries no picture, the rest of one would only hold voice back.
func (d *Downlink) flush(s *slot) {
	d.queue.Clear(s.index)
	if s.lost != nil {
		s.selector.FrameLost(s.lost)
		s.lost.Release()
		s.lost = nil
	}
}
