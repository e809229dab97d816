package lab

import (
	"math"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// bin is how finely a run is measured.
const bin = 100 * time.Millisecond

// wait is one packet's wait in all queues.
type wait struct {
	sent   time.Duration
	waited time.Duration
	// delay is from its sending to its arrival; 0: it did not arrive.
	delay time.Duration
}

// meter measures one flow. Rates are counted where packets arrive.
type meter struct {
	begin    time.Duration // of the flow
	end      time.Duration // of the run
	waits    []wait
	packets  uint64 // sent
	lost     uint64 // by the link itself
	ours     uint64 // by full queues, policers, outages
	refused  uint64 // reports that could not be read
	got      []units.Size
	good     units.Size   // media that arrived, without headers and padding
	bytesIn  []units.Size // sent
	sentIn   []uint32     // packets, by when they were sent
	lostIn   []uint32
	spoken   []uint32 // voice packets
	heard    []uint32
	targets  []units.Rate // the last of each bin
	waitIn   []time.Duration
	feedback units.Size
	reports  uint64
	latest   units.Rate // target
	repair   *repair    // nil: the flow repairs nothing
	overhead *overhead  // nil but in the full back end
}

func newMeter(begin, end time.Duration) *meter {
	n := int(end/bin) + 1
	return &meter{
		begin: begin, end: end,
		got: make([]units.Size, n), bytesIn: make([]units.Size, n), sentIn: make([]uint32, n), lostIn: make([]uint32, n), spoken: make([]uint32, n),
		heard: make([]uint32, n), targets: make([]units.Rate, n), waitIn: make([]time.Duration, n),
	}
}

func (m *meter) at(t time.Duration) int { return max(0, min(int(t/bin), len(m.got)-1)) }

func (m *meter) sent(p *packet) {
	i := m.at(p.sent)
	m.packets++
	m.sentIn[i]++
	m.bytesIn[i] += p.size
	if p.class == voice {
		m.spoken[i]++
	}
	if m.repair != nil && p.class < padding {
		m.repair.media++
	}
	if p.class == again {
		m.repair.resent += p.size
	}
}

func (m *meter) dropped(p *packet, why link.Reason) {
	if why == link.Lost {
		m.lost++
	} else {
		m.ours++
	}
	m.lostIn[m.at(p.sent)]++
	if m.repair != nil && p.class < padding {
		m.repair.gone[p.number] = p.sent
	}
	if why == link.Lost { // it has waited like any other
		m.waited(p, 0)
	}
}

func (m *meter) arrived(now time.Duration, p *packet) {
	m.got[m.at(now)] += p.size
	if p.class == voice {
		m.heard[m.at(p.sent)]++
	}
	if p.class < padding || p.class == again && m.repair.came(now, p.original) {
		m.good += max(0, p.size-headers)
	}
	m.waited(p, now-p.sent)
}

func (m *meter) waited(p *packet, delay time.Duration) {
	m.waits = append(m.waits, wait{p.sent, p.waited, delay})
	i := m.at(p.sent)
	m.waitIn[i] = max(m.waitIn[i], p.waited)
}

// delays are those of the packets that arrived.
func (m *meter) delays() []time.Duration {
	var all []time.Duration
	for _, w := range m.waits {
		if w.delay > 0 {
			all = append(all, w.delay)
		}
	}
	return all
}

func (m *meter) reported(size units.Size) {
	m.feedback += size
	m.reports++
}

// target notes the target; it is the same until it is told again.
func (m *meter) target(now time.Duration, r units.Rate) {
	i := m.at(now)
	for j := i; j >= 0 && m.targets[j] == 0; j-- {
		if j < i {
			m.targets[j] = m.latest
		}
	}
	m.targets[i] = r
	m.latest = r
}

// delivered is what arrived between two times.
func (m *meter) delivered(from, to time.Duration) (sum units.Size) {
	for i := int(from / bin); i < int(to/bin) && i < len(m.got); i++ {
		sum += m.got[i]
	}
	return sum
}

// queue is a percentile of the waits of packets sent between two times, in
// milliseconds; 0 when there were none.
func queue(meters []*meter, from, to time.Duration, percentiles ...float64) []float64 {
	var waits []time.Duration
	for _, m := range meters {
		for _, w := range m.waits {
			if w.sent >= from && w.sent < to {
				waits = append(waits, w.waited)
			}
		}
	}
	slices.Sort(waits)
	answers := make([]float64, len(percentiles))
	for i, p := range percentiles {
		if len(waits) > 0 {
			answers[i] = milliseconds(waits[int(p/100*float64(len(waits)-1))])
		}
	}
	return answers
}

// worstVoice is the least share of voice packets that arrived, of those sent
// in one second, in per cent; NaN without voice.
func (m *meter) worstVoice() float64 {
	const second = int(time.Second / bin)
	worst := math.NaN()
	for i := 0; i+second <= len(m.spoken)-1; i += second {
		var spoken, heard uint32
		for j := i; j < i+second; j++ {
			spoken += m.spoken[j]
			heard += m.heard[j]
		}
		// The last second's packets may still be under way.
		if spoken < 5 || time.Duration(i+second)*bin > m.end-3*time.Second {
			continue
		}
		if s := 100 * float64(heard) / float64(spoken); math.IsNaN(worst) || s < worst {
			worst = s
		}
	}
	return worst
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
