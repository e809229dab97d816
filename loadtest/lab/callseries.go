package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// PersonSeries is one person's part of a call over time, one value for each
// Step of the Series.
type PersonSeries struct {
	Name string    `json:"name"`
	Down Direction `json:"down"`
	Up   Direction `json:"up"`
	// Hole is the share of sound that was made up, per cent; Delay the way from
	// mouth to ear in ms, 0 where nothing was heard.
	Hole  []float64 `json:"hole"`
	Delay []float64 `json:"delay"`
	// FPS and Height are of the pictures that were seen.
	FPS    []float64 `json:"fps,omitempty"`
	Height []float64 `json:"height,omitempty"`
	// Modes and Layers are what the server decided.
	Modes  []string `json:"modes,omitempty"`
	Layers []string `json:"layers,omitempty"`
}

// Direction is one link over time: kbit/s and ms.
type Direction struct {
	Capacity []float64 `json:"capacity,omitempty"`
	Rate     []float64 `json:"rate"`
	Voice    []float64 `json:"voice"`
	Target   []float64 `json:"target"`
	Queue    []float64 `json:"queue"`
}

// callStep is the step of a call's series.
const callStep = 500 * time.Millisecond

// series draws the call.
func (c *callMeter) series() *Series {
	s := &Series{Step: callStep.Seconds()}
	n := int(c.plan.Duration / callStep)
	for i := range c.people {
		s.People = append(s.People, c.people[i].series(n))
	}
	return s
}

func (m *personMeter) series(n int) PersonSeries {
	s := PersonSeries{Name: m.spec.Name, Hole: make([]float64, n), Delay: make([]float64, n)}
	s.Down = direction(m.rec.Down, n, m.spec.Networks, func(n Network) link.Config { return n.Down })
	s.Up = direction(m.rec.Up, n, m.spec.Networks, func(n Network) link.Config { return n.Up })
	m.drawSound(&s, n)
	if m.spec.Slots > 0 {
		s.FPS, s.Height = make([]float64, n), make([]float64, n)
		for _, p := range m.rec.Seen {
			if i := int(p.At / callStep); i < n {
				s.FPS[i] += 1 / callStep.Seconds()
				s.Height[i] = max(s.Height[i], float64(p.Height))
			}
		}
	}
	s.Down.Target, s.Up.Target = make([]float64, n), make([]float64, n)
	s.Modes, s.Layers = make([]string, n), make([]string, n)
	for _, st := range m.rec.States {
		if i := int(st.At / callStep); i < n {
			s.Down.Target[i], s.Up.Target[i] = float64(st.Down)/1000, float64(st.Up)/1000
			s.Modes[i], s.Layers[i] = st.Mode, st.Layers
		}
	}
	return s
}

func (m *personMeter) drawSound(s *PersonSeries, n int) {
	all, missing := make([]time.Duration, n), make([]time.Duration, n)
	for _, h := range m.rec.Heard {
		i := int(h.At / callStep)
		if i >= n || h.Kind == HeardSilence || h.At < m.first {
			continue
		}
		all[i] += h.Length
		if h.Kind != HeardVoice {
			missing[i] += h.Length
		} else if h.From >= 0 {
			spoken := m.spoken(h)
			s.Delay[i] = max(s.Delay[i], milliseconds(h.At-(spoken.At-spoken.Length)))
		}
	}
	for i := range all {
		s.Hole[i] = percent(float64(missing[i]), float64(all[i]))
	}
}

func direction(packets []PacketRecord, n int, networks []Network, pick func(Network) link.Config) Direction {
	d := Direction{Rate: make([]float64, n), Voice: make([]float64, n), Queue: make([]float64, n)}
	for _, p := range packets {
		if i := int(p.Sent / callStep); i < n {
			d.Queue[i] = max(d.Queue[i], milliseconds(p.Waited))
		}
		if i := int(p.Arrived / callStep); p.Drop == link.None && i < n {
			rate := 8 * float64(p.Size) / callStep.Seconds() / 1000
			d.Rate[i] += rate
			if p.Voice {
				d.Voice[i] += rate
			}
		}
	}
	for i := range n {
		at := time.Duration(i) * callStep
		net := networks[0]
		for _, other := range networks {
			if other.From <= at {
				net = other
			}
		}
		if c := pick(net).Capacity; c.Limited() {
			rate, _ := c.At(at - net.From)
			d.Capacity = append(d.Capacity, float64(rate)/1000)
		}
	}
	return d
}
