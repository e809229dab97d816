package lab

import (
	"encoding/json"
	"math"
)

// Number is a measured value; NaN (it could not be measured) is null in JSON.
type Number float64

// MarshalJSON writes a number with no more digits than mean something.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(math.Round(f*1000) / 1000)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Result is one run of a scenario. Shares are per cent, rates kbit/s on the
// wire. It covers all media flows of ours together.
type Result struct {
	Suite    string `json:"suite"`
	Scenario string `json:"scenario"`
	CC       string `json:"cc"` // congestion control: "rivulet"
	Backend  string `json:"backend"`
	Seed     uint64 `json:"seed"`
	// Utilization is delivered / capacity from when the run had settled.
	Utilization Number `json:"utilization"`
	// The queue is every packet's wait in the bottleneck, its own
	// serialisation and slot excluded, over the whole run.
	QueueP50 Number `json:"queue_ms_p50"`
	QueueP95 Number `json:"queue_ms_p95"`
	// Loss is the share of packets that did not arrive, AddedLoss the part
	// that the link did not lose by itself.
	Loss      Number `json:"loss"`
	AddedLoss Number `json:"added_loss"`
	// Ramp is when, from the first flow's start, 90 % of what is possible is
	// carried for a second; Recover the longest such time from a rise.
	Ramp     Number `json:"ramp_s"`
	Recover  Number `json:"recover_s"`
	Feedback Number `json:"feedback_kbps"`
	Rate     Number `json:"rate_kbps"`
	// More are metrics of some scenarios only.
	More    map[string]Number `json:"more,omitempty"`
	Targets []Target          `json:"targets"`
	// Pass says that every target was met by this run; null without targets.
	Pass *bool `json:"pass"`
	// Missed names the targets that were not met; NotBuilt what is missing.
	Missed   []string `json:"missed,omitempty"`
	NotBuilt string   `json:"not_built,omitempty"`
	// People are those of a whole call, whose metrics are all in More.
	People []string `json:"people,omitempty"`
	// Problems are calls that ended early, and why.
	Problems []string `json:"problems,omitempty"`
}

// Metric answers a value by its name in JSON; false if there is none.
func (r *Result) Metric(name string) (float64, bool) {
	switch name {
	case "utilization":
		return float64(r.Utilization), true
	case "queue_ms_p50":
		return float64(r.QueueP50), true
	case "queue_ms_p95":
		return float64(r.QueueP95), true
	case "loss":
		return float64(r.Loss), true
	case "added_loss":
		return float64(r.AddedLoss), true
	case "ramp_s":
		return float64(r.Ramp), true
	case "recover_s":
		return float64(r.Recover), true
	case "feedback_kbps":
		return float64(r.Feedback), true
	case "rate_kbps":
		return float64(r.Rate), true
	}
	v, ok := r.More[name]
	return float64(v), ok
}

// judge fills in Pass and Missed.
func (r *Result) judge(targets []Target) {
	r.Targets = targets
	if r.Targets == nil {
		r.Targets = []Target{}
	}
	if len(targets) == 0 && r.NotBuilt == "" {
		return
	}
	pass := r.NotBuilt == ""
	for _, t := range targets {
		v, ok := r.Metric(t.Metric)
		if r.NotBuilt == "" && (!ok || !t.Met(v)) {
			pass = false
			r.Missed = append(r.Missed, t.String())
		}
	}
	r.Pass = &pass
}

// Series is a run over time, for drawing: one value for each Step.
type Series struct {
	Step     float64   `json:"step"` // seconds
	Capacity []float64 `json:"capacity"`
	Rate     []float64 `json:"rate"`   // arriving, all flows of ours
	Sent     []float64 `json:"sent"`   // all flows of ours
	Target   []float64 `json:"target"` // of all flows together
	Other    []float64 `json:"other,omitempty"`
	Queue    []float64 `json:"queue"` // longest wait, ms
	Loss     []float64 `json:"loss"`  // per cent of packets sent
	// Flows are the rates of each flow where there are several.
	Flows [][]float64 `json:"flows,omitempty"`
	// People are those of a whole call, which has nothing of the above but Step.
	People []PersonSeries `json:"people,omitempty"`
}
