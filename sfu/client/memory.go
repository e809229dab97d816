package client

import (
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// mostNetworks is how many networks a Memory knows at once.
	mostNetworks = 64
	// memoryLasts is how long what a network carried is believed.
	memoryLasts = time.Hour
	// rememberEvery is how often it is written down.
	rememberEvery = 5 * time.Second
)

// Memory is what networks carried in the calls of one device, so that the next
// call need not find out again. It is shared by calls, and safe for concurrent
// use. The zero Memory knows nothing.
type Memory struct {
	mu       sync.Mutex
	networks map[string]carried
}

type carried struct {
	rate units.Rate
	at   time.Time
}

// recall answers what a network carried lately; 0 when that is not known.
func (m *Memory) recall(now time.Time, network string) units.Rate {
	if m == nil || network == "" {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.networks[network]; now.Sub(c.at) < memoryLasts {
		return c.rate
	}
	return 0
}

// keep notes what a network carries; one more than there is room for takes the
// place of the oldest.
func (m *Memory) keep(now time.Time, network string, rate units.Rate) {
	if m == nil || network == "" || rate <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.networks == nil {
		m.networks = make(map[string]carried)
	}
	if _, known := m.networks[network]; !known && len(m.networks) == mostNetworks {
		oldest := ""
		for name, c := range m.networks {
			if oldest == "" || c.at.Before(m.networks[oldest].at) {
				oldest = name
			}
		}
		delete(m.networks, oldest)
	}
	m.networks[network] = carried{rate, now}
}
