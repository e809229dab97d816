package emulate

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// maxTracked is the longest time that a spread tells from longer ones; the
// longest queue there may be is 5 minutes.
const maxTracked = 10 * time.Minute

// spread is the distribution of a time, in steps of a microsecond with three
// digits.
type spread struct{ histogram *hdrhistogram.Histogram }

func newSpread() spread {
	return spread{hdrhistogram.New(1, maxTracked.Microseconds(), 3)}
}

// add counts a time; negative ones count as 0.
func (s spread) add(d time.Duration) {
	us := min(max(0, d.Microseconds()), maxTracked.Microseconds())
	// The value lies within the bounds, so there is no error.
	_ = s.histogram.RecordValue(us)
}

// at answers a percentile, 0 of nothing.
func (s spread) at(percentile float64) time.Duration {
	if s.histogram.TotalCount() == 0 {
		return 0
	}
	return time.Duration(s.histogram.ValueAtPercentile(percentile)) * time.Microsecond
}

func (s spread) max() time.Duration {
	if s.histogram.TotalCount() == 0 {
		return 0
	}
	return time.Duration(s.histogram.Max()) * time.Microsecond
}

func (s spread) count() uint64 { return uint64(s.histogram.TotalCount()) }

// meter counts one direction.
type meter struct {
	offered   link.Count
	delivered link.Count // duplicates included
	dropped   [link.Reasons]link.Count
	marked    uint64
	copied    uint64
	unsent    uint64 // arrived, but the system did not take them
	refused   uint64 // no room in memory, or no room for another client
	missed    uint64 // the system lost them before they were read
	waited    spread

	second  units.Size // delivered in this second
	busiest units.Size // of all whole seconds
}

func newMeter() *meter { return &meter{waited: newSpread()} }

// offer counts the fate of a packet that was offered to the link.
func (m *meter) offer(size units.Size, fate link.Fate) {
	m.offered.Packets++
	m.offered.Bytes += size
	switch fate.Drop {
	case link.Policed, link.Overflowed:
		// Never came to wait.
	default:
		m.waited.add(fate.Waited)
	}
	if fate.Drop != link.None {
		m.dropped[fate.Drop].Packets++
		m.dropped[fate.Drop].Bytes += size
		return
	}
	if fate.Marked {
		m.marked++
	}
	if !fate.Copy.IsZero() {
		m.copied++
	}
}

// deliver counts a packet that was written.
func (m *meter) deliver(size units.Size) {
	m.delivered.Packets++
	m.delivered.Bytes += size
	m.second += size
}

// drops is how many packets the link dropped, for all reasons.
func (m *meter) drops() (n uint64) {
	for _, c := range m.dropped {
		n += c.Packets
	}
	return n
}

// lost is how many packets the emulator itself failed to carry.
func (m *meter) lost() uint64 { return m.unsent + m.refused + m.missed }
