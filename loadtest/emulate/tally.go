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
	kinds     kinds // udp: of what was offered

	second units.Size // delivered since the last report of progress
	busy   window
}

const (
	tenths    = 10
	windowTen = time.Second / tenths
)

// window finds the second, in steps of a tenth, in which most arrived.
type window struct {
	parts   [tenths]units.Size
	last    int64 // number of the newest part
	sum     units.Size
	busiest units.Size
}

// add counts bytes at a time since the start. What is older than the newest part
// counts there.
func (w *window) add(at time.Duration, size units.Size) {
	part := int64(at / windowTen)
	for n := w.last + 1; n <= min(part, w.last+tenths); n++ {
		w.sum -= w.parts[n%tenths]
		w.parts[n%tenths] = 0
	}
	w.last = max(w.last, part)
	w.parts[w.last%tenths] += size
	w.sum += size
	w.busiest = max(w.busiest, w.sum)
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

// deliver counts a packet that was written, and arrived at a time since the
// start.
func (m *meter) deliver(at time.Duration, size units.Size) {
	m.delivered.Packets++
	m.delivered.Bytes += size
	m.second += size
	m.busy.add(at, size)
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
