package lab

import (
	"math"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/quality"
)

// tail is how long before the end what is spoken need not be heard any more.
const tail = 3 * time.Second

// sound measures what was heard in a window.
//
// Two measures of the same: hole is what the player had to make up, of all that
// should have sounded; unheard is what was spoken and never played. gap is the
// longest stretch of either.
func (m *personMeter) sound(all map[string]Number, window string, w *Window) {
	hole, gap := m.hole(w)
	unheard, run, losses := m.unheard(w)
	delays := m.delays(w)
	m.put(all, "hole", window, hole)
	m.put(all, "unheard", window, unheard)
	longest := milliseconds(max(gap, run))
	if gap < 0 {
		longest = math.NaN()
	}
	m.put(all, "gap_ms", window, longest)
	p50, p95 := math.NaN(), math.NaN()
	if len(delays) > 0 {
		p50, p95 = milliseconds(quantile(delays, 0.5)), milliseconds(quantile(delays, 0.95))
	}
	m.put(all, "delay_ms_p50", window, p50)
	m.put(all, "delay_ms_p95", window, p95)
	mos, loss := math.NaN(), math.NaN()
	if codec, ok := m.codec(w); ok && len(delays) > 0 {
		path := losses.Path(quantile(delays, 0.5))
		path.Loss = max(path.Loss, hole/100) // whichever is worse
		mos = quality.Estimate(codec, path).MOS()
		loss = quality.Estimate(codec, quality.Path{Delay: path.Delay}).MOS() - mos
	}
	m.put(all, "mos", window, mos)
	m.put(all, "mos_lost", window, loss)
}

// hole is the share of what the player made up, in per cent, and the longest
// stretch of it; both count from the first word on.
func (m *personMeter) hole(w *Window) (share float64, gap time.Duration) {
	var played, missing time.Duration
	type missed struct{ end, length time.Duration }
	open := map[int]missed{}
	for _, h := range m.rec.Heard {
		if h.At < m.first || !w.holds(h.At) {
			continue
		}
		switch h.Kind {
		case HeardVoice:
			played += h.Length
		case HeardConcealed, HeardNothing:
			missing += h.Length
			s := open[h.Slot]
			if s.end != h.At {
				s.length = 0
			}
			s.end, s.length = h.At+h.Length, s.length+h.Length
			open[h.Slot] = s
			gap = max(gap, s.length)
		}
	}
	if m.first == never {
		for i := range m.call.people {
			if other := &m.call.people[i]; other != m && len(other.rec.Spoken) > 0 && other.rec.Spoken[0].Voice {
				return math.NaN(), m.call.plan.Duration
			}
		}
		return math.NaN(), -1 // nobody said anything
	}
	return percent(float64(missing), float64(missing+played)), gap
}

// unheard is the share of what others spoke, since they were first heard and
// media could flow, that was never played, in per cent, with the longest stretch.
// Voice that the server made anew counts by how much of it was played. NaN without
// anybody who can be recognised.
func (m *personMeter) unheard(w *Window) (share float64, gap time.Duration, losses quality.Losses) {
	var spoken, lost time.Duration
	for from := range m.call.people {
		if m.heard[from] == nil {
			continue
		}
		run, unknown := time.Duration(0), m.unknown()
		for n, s := range m.call.people[from].rec.Spoken {
			if n < m.since[from] || s.At < m.rec.Connected || !s.Voice || s.At > m.call.plan.Duration-tail {
				run = 0
				continue
			}
			missed := !m.heard[from][n] && !unknown.take(s)
			if !w.holds(s.At) {
				run = 0
				continue
			}
			spoken += s.Length
			losses.Add(missed)
			if !missed {
				run = 0
				continue
			}
			lost += s.Length
			run += s.Length
			gap = max(gap, run)
		}
	}
	if spoken == 0 {
		return math.NaN(), 0, losses
	}
	return percent(float64(lost), float64(spoken)), gap, losses
}

// delays are the ways of words from mouth to ear, sorted: from when a packet's
// sound began to when it was played. Of a packet of several frames the first tells.
func (m *personMeter) delays(w *Window) (all []time.Duration) {
	from, number := -1, -1
	for _, h := range m.rec.Heard {
		if h.Kind != HeardVoice || h.From < 0 || !w.holds(h.At) || h.From == from && h.Number == number {
			continue
		}
		from, number = h.From, h.Number
		if s := m.spoken(h); s.Voice {
			all = append(all, h.At-(s.At-s.Length))
		}
	}
	slices.Sort(all)
	return all
}

func (m *personMeter) spoken(h HeardRecord) SpokenRecord {
	return m.call.people[h.From].rec.Spoken[h.Number]
}

// codec is how the words that were heard in a window were coded.
func (m *personMeter) codec(w *Window) (quality.Codec, bool) {
	var size units.Size
	var length time.Duration
	var toc opuspkt.TOC
	for _, h := range m.rec.Heard {
		if h.Kind != HeardVoice || h.From < 0 || !w.holds(h.At) {
			continue
		}
		if s := m.spoken(h); s.Voice {
			size += s.Size
			length += s.Length
			toc = opuspkt.TOC(s.TOC)
		}
	}
	if length == 0 {
		return quality.Codec{}, false
	}
	return quality.Opus(toc.Bandwidth(), size.Over(length), false), true
}

// returning measures how what was interrupted comes back when a window begins.
func (m *personMeter) returning(all map[string]Number, window string, w *Window) {
	begin := w.begin()
	any, fresh, stale := math.NaN(), math.NaN(), time.Duration(0)
	for _, h := range m.rec.Heard {
		if h.Kind != HeardVoice || h.From < 0 || h.At < begin || !m.spoken(h).Voice {
			continue
		}
		after := milliseconds(h.At - begin)
		if math.IsNaN(any) {
			any = after
		}
		if m.spoken(h).At >= begin {
			if math.IsNaN(fresh) {
				fresh = after
			}
		} else {
			stale += h.Length
		}
	}
	m.put(all, "voice_back_ms", window, any)
	m.put(all, "fresh_voice_ms", window, fresh)
	m.put(all, "stale_voice_ms", window, milliseconds(stale))
	if m.spec.Slots > 0 {
		m.picturesBack(all, window, begin)
	}
}
