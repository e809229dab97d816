package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	meterStep    = 50 * time.Millisecond
	meterBuckets = 20
)

// meter measures a rate over the last second in steps of 50 ms.
type meter struct {
	bytes [meterBuckets]int64
	sum   int64
	step  int64 // number of the newest bucket
	first int64 // number of the first since the start
	begun bool
}

func (m *meter) reset() { *m = meter{} }

// advance forgets what is older than a second. Time that goes back is ignored.
func (m *meter) advance(now int64) {
	step := now / int64(meterStep)
	if !m.begun {
		m.begun, m.step, m.first = true, step, step
	}
	if step <= m.step {
		return
	}
	if step-m.step >= meterBuckets {
		m.bytes = [meterBuckets]int64{}
		m.sum = 0
	} else {
		for s := m.step + 1; s <= step; s++ {
			b := &m.bytes[index(s)]
			m.sum -= *b
			*b = 0
		}
	}
	m.step = step
}

func (m *meter) add(now, size int64) {
	m.advance(now)
	m.bytes[index(m.step)] += size
	m.sum += size
}

// rate is the mean over the last second, or over what there is of it once
// that is a quarter; the bucket being filled does not count.
func (m *meter) rate() units.Rate {
	n := min(m.step-m.first, meterBuckets-1)
	if !m.begun || n < 5 {
		return 0
	}
	return units.Size(m.sum - m.bytes[index(m.step)]).Over(time.Duration(n) * meterStep)
}

func index(step int64) int { return int(uint64(step) % meterBuckets) }
