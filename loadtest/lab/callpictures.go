package lab

import (
	"math"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// frozen is how long a picture must not change to be called frozen.
const frozen = 500 * time.Millisecond

// pictures measures what was seen in a window. Frames a second are the mean of
// all whose pictures were seen; a freeze is that of the worst.
func (m *personMeter) pictures(all map[string]Number, window string, w *Window) {
	var heights []int
	shown := map[int][]time.Duration{} // by who is seen
	for _, s := range m.rec.Seen {
		if w.holds(s.At) {
			heights = append(heights, s.Height)
			shown[s.From] = append(shown[s.From], s.At)
		}
	}
	slices.Sort(heights)
	height, fps := 0.0, 0.0
	if len(heights) > 0 {
		height = float64(heights[len(heights)/2])
		fps = float64(len(heights)) / w.length().Seconds() / float64(max(1, len(shown)))
	}
	paused, excused := m.pauses(w)
	longest, total, count := m.freezes(w, shown, excused)
	m.put(all, "fps", window, fps)
	m.put(all, "height", window, height)
	m.put(all, "freeze_s", window, longest.Seconds())
	m.put(all, "frozen_s", window, total.Seconds())
	m.put(all, "freezes_per_minute", window, float64(count)/w.length().Minutes())
	m.put(all, "paused_s", window, paused.Seconds())
	m.put(all, "switches_per_minute", window, m.switches(w))
	m.put(all, "of_oracle", window, m.oracle(w))
	if window != "" && m.spec.Networks[0].Down.Capacity.Limited() {
		m.put(all, "up_s", window, m.settled(w))
		m.put(all, "down_s", window, m.yielded(w))
	}
}

// pauses are the times in a window in which the server said that a picture is
// paused, and why.
func (m *personMeter) pauses(w *Window) (total time.Duration, spans []Span) {
	since := map[int]time.Duration{}
	end := m.call.plan.Duration
	pause := func(slot int, to time.Duration) {
		from, paused := since[slot]
		if !paused {
			return
		}
		delete(since, slot)
		spans = append(spans, Span{from, to})
		for _, part := range w.Spans {
			total += max(0, min(to, part.To)-max(from, part.From))
		}
	}
	for _, t := range m.rec.Told {
		_, was := since[t.Slot]
		switch {
		case t.Paused && t.Reason != "" && !was:
			since[t.Slot] = t.At
		case !t.Paused:
			pause(t.Slot, t.At)
		}
	}
	for slot := range since {
		pause(slot, end)
	}
	return total, spans
}

// freezes finds the times without a new picture, between the first and the end
// of the window, that were not announced.
func (m *personMeter) freezes(w *Window, shown map[int][]time.Duration, excused []Span) (longest, total time.Duration, count int) {
	consider := func(from, to time.Duration) {
		length := to - from
		for _, e := range excused {
			length -= max(0, min(to, e.To)-max(from, e.From))
		}
		longest = max(longest, length)
		if length > frozen {
			count++
			total += length
		}
	}
	for _, part := range w.Spans {
		any := false
		for _, times := range shown {
			last := never
			for _, at := range times {
				if at < part.From || at >= part.To {
					continue
				}
				if last != never {
					consider(last, at)
				} else if part.From > 0 {
					consider(part.From, at)
				}
				last = at
			}
			if last != never {
				any = true
				consider(last, part.To)
			}
		}
		if !any {
			consider(max(part.From, m.rec.Connected), part.To)
		}
	}
	return longest, total, count
}

// picturesBack measures how pictures come back: the first, and one as large as
// before.
func (m *personMeter) picturesBack(all map[string]Number, window string, begin time.Duration) {
	first, full := math.NaN(), math.NaN()
	before := m.usual(begin)
	for _, s := range m.rec.Seen {
		if s.At < begin {
			continue
		}
		if math.IsNaN(first) {
			first = milliseconds(s.At - begin)
		}
		if before > 0 && s.Height >= before {
			full = (s.At - begin).Seconds()
			break
		}
	}
	m.put(all, "picture_back_ms", window, first)
	m.put(all, "full_picture_s", window, full)
}

// usual is the largest picture that was seen for a second and more before a
// time.
func (m *personMeter) usual(before time.Duration) (height int) {
	counts := map[int]int{}
	for _, s := range m.rec.Seen {
		if s.At < before {
			counts[s.Height]++
		}
	}
	for h, n := range counts {
		if n >= 30 {
			height = max(height, h)
		}
	}
	return height
}

// compare measures what was kept of the pictures, in pixels a second, per cent
// of those in another window.
func (m *personMeter) compare(all map[string]Number, window string, w *Window) {
	i := slices.IndexFunc(m.call.plan.Call.Windows, func(o Window) bool { return o.Name == w.Against })
	if i < 0 || m.spec.Slots == 0 {
		return
	}
	before, now := m.pixels(&m.call.plan.Call.Windows[i]), m.pixels(w)
	m.put(all, "pictures_kept", window, 100*now/before) // NaN where there were none
}

// pixels are those seen in a second.
func (m *personMeter) pixels(w *Window) (sum float64) {
	for _, s := range m.rec.Seen {
		if w.holds(s.At) {
			sum += float64(s.Width * s.Height)
		}
	}
	return sum / w.length().Seconds()
}

// switches are how often the size of what is shown changed, with pauses, each
// minute: of the worst slot.
func (m *personMeter) switches(w *Window) float64 {
	height, count := map[int]int{}, map[int]int{}
	worst := 0
	for _, s := range m.rec.Seen {
		if !w.holds(s.At) {
			continue
		}
		if before, known := height[s.Slot]; known && before != s.Height {
			count[s.Slot]++
		}
		height[s.Slot] = s.Height
	}
	paused := map[int]bool{}
	for _, t := range m.rec.Told {
		if w.holds(t.At) && t.Paused && !paused[t.Slot] {
			count[t.Slot]++
		}
		paused[t.Slot] = t.Paused
	}
	for _, n := range count {
		worst = max(worst, n)
	}
	return float64(worst) / w.length().Minutes()
}

// oracle compares what was granted with what would have been if the capacity
// had been known, per cent. NaN without a limit.
func (m *personMeter) oracle(w *Window) float64 {
	var granted, possible units.Rate
	for _, s := range m.rec.States {
		if w.holds(s.At) && s.Oracle > 0 {
			granted += s.Granted
			possible += s.Oracle
		}
	}
	return 100 * float64(granted) / float64(possible)
}

// settled is how many seconds after the beginning of each part of a window at
// least a share of the oracle's grant was granted for a second; the longest.
func (m *personMeter) settled(w *Window) float64 {
	const share, need = 0.9, int(time.Second / StateStep)
	worst := 0.0
	for _, part := range w.Spans {
		took, run := math.NaN(), 0
		for _, s := range m.rec.States {
			if s.At < part.From || s.At >= part.To {
				continue
			}
			if run++; s.Oracle == 0 || float64(s.Granted) < share*float64(s.Oracle) {
				run = 0
			}
			if run == need {
				took = (s.At - time.Duration(need-1)*StateStep - part.From).Seconds()
				break
			}
		}
		worst = max(worst, took) // NaN stays NaN
	}
	return worst
}

// yielded is how many seconds after the beginning of each part of a window what
// is sent down fits the link for a second; the longest.
func (m *personMeter) yielded(w *Window) float64 {
	const grain = 100 * time.Millisecond
	need := int(time.Second / grain)
	sent := make([]units.Size, int(m.call.plan.Duration/grain)+1)
	for _, p := range m.rec.Down {
		sent[min(max(int(p.Sent/grain), 0), len(sent)-1)] += p.Size
	}
	capacity := m.spec.Networks[0].Down.Capacity
	worst := 0.0
	for _, part := range w.Spans {
		took := math.NaN()
		rate, _ := capacity.At(part.From)
		for i := int(part.From / grain); i+need < len(sent) && time.Duration(i)*grain < part.To; i++ {
			var sum units.Size
			for _, n := range sent[i : i+need] {
				sum += n
			}
			if sum.Over(time.Second) <= rate {
				took = (time.Duration(i)*grain - part.From).Seconds()
				break
			}
		}
		worst = max(worst, took)
	}
	return worst
}
