package lab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// JudgeCall measures and judges a recording of a whole call. Its metrics are in
// Result.More, by names such as "thin.hole" or, in a window, "thin.hole.later";
// docs/lab.md lists them.
func JudgeCall(plan Scenario, backend string, seed uint64, rec CallRecording) (Result, *Series, error) {
	if err := plan.Validate(); err != nil {
		return Result{}, nil, err
	}
	plan = plan.withDefaults()
	if plan.Call == nil || len(rec.People) != len(plan.Call.People) {
		return Result{}, nil, fmt.Errorf("lab: %s: a recording of %d people", plan.Name, len(rec.People))
	}
	nan := Number(math.NaN())
	r := Result{
		Suite: plan.Suite, Scenario: plan.Name, CC: rivuletCC, Backend: backend, Seed: seed, More: map[string]Number{},
		Utilization: nan, QueueP50: nan, QueueP95: nan, Loss: nan, AddedLoss: nan, Ramp: nan, Recover: nan, Feedback: nan, Rate: nan,
	}
	c := newCallMeter(plan, rec)
	whole := Window{Spans: []Span{{0, plan.Duration}}}
	for i := range c.people {
		m := &c.people[i]
		r.People = append(r.People, m.spec.Name)
		m.joining(r.More)
		m.measure(r.More, "", &whole)
		for j := range plan.Call.Windows {
			w := &plan.Call.Windows[j]
			m.measure(r.More, "."+w.Name, w)
			m.returning(r.More, "."+w.Name, w)
			m.compare(r.More, "."+w.Name, w)
		}
		if why := m.rec.Failed; why != "" {
			r.Problems = append(r.Problems, m.spec.Name+": "+why)
		}
	}
	r.judge(plan.Targets)
	return r, c.series(), nil
}

// callMeter measures a call.
type callMeter struct {
	plan   Scenario
	people []personMeter
}

// personMeter measures what one person noticed.
type personMeter struct {
	call *callMeter
	spec Person
	rec  *PersonRecording
	// first is when the first word was heard; never = not at all.
	first time.Duration
	// heard are the numbers of the packets that were played, by who spoke;
	// since is the first of them. Nil: his voice could not be recognised.
	heard []map[int]bool
	since []int
}

func newCallMeter(plan Scenario, rec CallRecording) *callMeter {
	c := &callMeter{plan: plan}
	for i := range rec.People {
		m := personMeter{call: c, spec: plan.Call.People[i], rec: &rec.People[i], first: never}
		m.heard, m.since = make([]map[int]bool, len(rec.People)), make([]int, len(rec.People))
		for j := range m.rec.Heard {
			h := &m.rec.Heard[j]
			if h.Kind != HeardVoice {
				continue
			}
			if h.From < 0 || h.From >= len(rec.People) {
				continue
			}
			spoken := rec.People[h.From].Spoken
			if h.Number = numbered(spoken, h.Number, h.At); h.Number < 0 {
				h.From = -1
				continue
			}
			if spoken[h.Number].Voice {
				m.first = min(m.first, h.At)
			}
			if m.heard[h.From] == nil {
				m.heard[h.From], m.since[h.From] = map[int]bool{}, h.Number
			}
			m.heard[h.From][h.Number] = true
		}
		c.people = append(c.people, m)
	}
	return c
}

// numbered answers the newest packet with these 16 bits that was spoken before a
// time; -1 if there is none.
func numbered(spoken []SpokenRecord, low int, before time.Duration) int {
	if low < 0 || len(spoken) == 0 {
		return -1
	}
	n := (len(spoken)-1-low)/65536*65536 + low
	for ; n >= 0; n -= 65536 {
		if n < len(spoken) && spoken[n].At <= before {
			return n
		}
	}
	return -1
}

func (m *personMeter) put(all map[string]Number, name, window string, v float64) {
	all[m.spec.Name+"."+name+window] = Number(v)
}

// joining measures the time until the first word.
func (m *personMeter) joining(all map[string]Number) {
	// Nothing can be heard before somebody else has come, too.
	pressed := never
	for i := range m.call.people {
		if other := &m.call.people[i]; other != m && other.spec.Voice != nil {
			pressed = min(pressed, other.rec.Ready)
		}
	}
	pressed = max(m.rec.Ready, pressed)
	sound := math.NaN()
	if m.first != never {
		sound = (m.first - pressed).Seconds()
	}
	m.put(all, "first_sound_s", "", sound)
	stage := func(name string, at time.Duration) {
		s := math.NaN()
		if at > 0 {
			s = (at - m.rec.Ready).Seconds()
		}
		m.put(all, name, "", s)
	}
	stage("joined_s", m.rec.Joined)
	stage("connected_s", m.rec.Connected)
	ended := 0.0
	if m.rec.Failed != "" {
		ended = 1
	}
	m.put(all, "ended", "", ended)
	until := min(m.first, m.call.plan.Duration)
	for _, side := range m.sides() {
		var signalling, other units.Size
		for _, p := range side.packets {
			switch {
			case p.Sent < m.rec.Ready || p.Sent > until || p.Voice:
			case p.Stream:
				signalling += p.Size
			default:
				other += p.Size
			}
		}
		m.put(all, "join_signalling_"+side.name+"_kb", "", float64(signalling)/1000)
		m.put(all, "join_other_"+side.name+"_kb", "", float64(other)/1000)
	}
	n := m.spec.Networks[0]
	if n.Down.Capacity.Limited() && n.Up.Capacity.Limited() {
		// What had to be sent takes its time at the link's rate; the rest is
		// round trips.
		took := sound
		for _, side := range m.sides() {
			rate, _ := side.link.Capacity.At(0)
			took -= 8 * 1000 * float64(all[m.spec.Name+".join_signalling_"+side.name+"_kb"]+all[m.spec.Name+".join_other_"+side.name+"_kb"]) / float64(rate)
		}
		m.put(all, "first_sound_rtts", "", took/(n.Down.Delay+n.Up.Delay).Seconds())
	}
}

// side is one direction of a person's link.
type side struct {
	name    string
	packets []PacketRecord
	link    link.Config
}

func (m *personMeter) sides() []side {
	n := m.spec.Networks[0]
	return []side{{"down", m.rec.Down, n.Down}, {"up", m.rec.Up, n.Up}}
}

// measure measures everything that makes sense in a window.
func (m *personMeter) measure(all map[string]Number, window string, w *Window) {
	m.wire(all, window, w)
	m.sound(all, window, w)
	if m.spec.Slots > 0 {
		m.pictures(all, window, w)
	}
}

// wire counts what was on the links.
func (m *personMeter) wire(all map[string]Number, window string, w *Window) {
	for _, side := range m.sides() {
		var total, voice units.Size
		var waits []time.Duration
		sent, added := 0, 0
		for _, p := range side.packets {
			if !w.holds(p.Sent) {
				continue
			}
			sent++
			total += p.Size
			if p.Voice {
				voice += p.Size
			}
			switch p.Drop {
			case link.None, link.Lost:
				waits = append(waits, p.Waited)
			default:
				added++
			}
		}
		slices.Sort(waits)
		m.put(all, "rate_"+side.name+"_kbps", window, kbps(total, w))
		m.put(all, "voice_"+side.name+"_kbps", window, kbps(voice, w))
		m.put(all, "queue_"+side.name+"_ms_p50", window, milliseconds(quantile(waits, 0.50)))
		m.put(all, "queue_"+side.name+"_ms_p95", window, milliseconds(quantile(waits, 0.95)))
		m.put(all, "added_loss_"+side.name, window, percent(float64(added), float64(sent)))
	}
}

func kbps(size units.Size, w *Window) float64 { return float64(size.Over(w.length())) / 1000 }

func percent(part, of float64) float64 {
	if of == 0 {
		return 0
	}
	return 100 * part / of
}

// quantile of sorted values; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}
