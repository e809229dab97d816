package downlink

import (
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"slices"
	"time"
)

// RTT is the smoothed round-trip time that receiver reports tell, 0 while it
// is not known.
func (d *Downlink) RTT() time.Duration { return d.rtt }

// SuggestRTT tells a round-trip time that somebody else has measured, as that of
// ICE checks; what receiver reports tell goes before it.
func (d *Downlink) SuggestRTT(now time.Time, rtt time.Duration) {
	if d.rtt == 0 && rtt > 0 && rtt <= maxRTT {
		d.rtt = rtt
		d.allocateSoon(now, 0)
	}
}

// SuggestRate tells what the path carried before, of a call a short while ago: it
// begins with that, as long as nothing was sent on it; 0 tells nothing.
func (d *Downlink) SuggestRate(now time.Time, rate units.Rate) {
	if d.bwe.SetKnown(now, rate) {
		d.apply(now, d.bwe.Decision())
		d.allocateSoon(now, 0)
	}
}

// Stats is everything an operator may want to see. It allocates and is not for
// the packet path.
func (d *Downlink) Stats() Stats {
	st := Stats{
		Slots:         make([]SlotStats, len(d.slots)),
		Path:          d.bwe.Stats(),
		Decision:      d.decision,
		RTT:           d.roundTrip(),
		Queued:        d.queue.Backlog(),
		QueuedDelay:   d.queue.Delay(),
		Budget:        d.budget,
		Heard:         d.heard,
		VoiceOverhead: d.wireSize(0, false, d.audioLevel, nil),
		Packets:       d.packets,
		Bytes:         d.bytes,
		PaddingBytes:  d.paddingBytes,
		Failed:        d.failed,
		DataMode:      d.mode,
		VoiceLoss:     d.voiceLoss(),
		Demands:       slices.Clone(d.demands),
	}
	for i := range st.Demands { // the downlink goes on using its own
		st.Demands[i].Layers = slices.Clone(st.Demands[i].Layers)
	}
	for i := range d.slots {
		s := &d.slots[i]
		v := &st.Slots[i]
		*v = s.stats
		v.Kind = s.cfg.Kind
		v.Source = s.source.ID
		v.Codec = s.source.Kind
		if s.codec != nil {
			v.Codec = s.codec.Kind
		}
		v.Spatial, v.Temporal = s.current.Spatial, s.current.Temporal
		if v.Spatial < 0 {
			v.Temporal = -1
		}
		v.Grant = s.grant
		st.History += s.history.len()
		if s.sound != nil {
			v.Voice = d.voiceStats(s)
			st.Voice += v.Voice.Rate
		}
	}
	return st
}
