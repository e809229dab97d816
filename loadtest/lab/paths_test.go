package lab

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestUDPOnAndOff: traffic that is on for 2 s and off for 3 sends its rate in
// each of the first and nothing in the others.
func TestUDPOnAndOff(t *testing.T) {
	w := &world{}
	forward, err := links([]link.Config{{}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	u := newUDP(w, UDP{Start: time.Second, Stop: 12 * time.Second, Rate: units.Mbps, On: 2 * time.Second, Off: 3 * time.Second}, carriers(forward), 201)
	w.run(20 * time.Second)
	for second := range 20 {
		got := sum(u.series[10*second : 10*second+10]).Over(time.Second)
		want := 0.0
		if second >= 1 && second < 12 && (second-1)%5 < 2 {
			want = 1e6
		}
		if math.Abs(float64(got)-want) > 10_000 {
			t.Errorf("second %d: %v, want %v", second, got, units.Rate(want))
		}
	}
}

// TestTrafficIsChecked: traffic that makes no sense is refused.
func TestTrafficIsChecked(t *testing.T) {
	for _, u := range []UDP{
		{}, {Rate: -1}, {Rate: 2 * units.Gbps}, {Rate: 1, Start: -1}, {Rate: 1, On: -1}, {Rate: 1, Off: time.Second},
	} {
		s := besideUDP()[0]
		s.UDP = []UDP{u}
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "udp-steady: traffic") {
			t.Errorf("%+v: %v", u, err)
		}
	}
}

// TestRestIsWhatTrafficLeaves: a flow beside traffic that takes half of the link
// is judged by the other half.
func TestRestIsWhatTrafficLeaves(t *testing.T) {
	s := besideUDP()[0]
	s.UDP[0] = UDP{Rate: units.Mbps}
	s.Duration = 40 * time.Second
	r, series, err := Run(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if rest := float64(r.More[metricRest]); rest < 90 || rest > 101 || math.Abs(float64(r.Utilization)-rest/2) > 1 || math.Abs(float64(r.More[metricUDP])-1000) > 10 {
		t.Errorf("%.1f %% of the rest, %.1f %% of the link, %.0f kbit/s of traffic", rest, r.Utilization, r.More[metricUDP])
	}
	if len(series.Other) != len(series.Rate) || math.Abs(series.Other[100]-1000) > 60 {
		t.Errorf("%d points of traffic, %v at 20 s", len(series.Other), series.Other[100])
	}
}

// TestParametersOfRFC8868: the rows have the delays, queues and jitter that it
// asks for, and every basic case of RFC 8867 stands with marks, too.
func TestParametersOfRFC8868(t *testing.T) {
	delays, queues := map[time.Duration]bool{}, map[time.Duration]bool{}
	for _, s := range parameters() {
		l := s.Forward[0]
		delays[l.Delay], queues[l.Queue.Delay] = true, true
		if l.Jitter.Deviation != 5*ms || s.Flows[0].Repair == 0 {
			t.Errorf("%s: jitter of %v, repair within %v", s.Name, l.Jitter.Deviation, s.Flows[0].Repair)
		}
	}
	for _, d := range []time.Duration{1, 50, 150, 300} {
		if !delays[d*ms] {
			t.Errorf("no path of %d ms", d)
		}
	}
	for _, d := range []time.Duration{70, 300, 500, 1000, 2000} {
		if !queues[d*ms] {
			t.Errorf("no queue of %d ms", d)
		}
	}
	marked := map[string]bool{}
	for _, s := range marking() {
		marked[s.Name] = s.Forward[0].Queue.Mark > 0 && s.Flows[0].Reports == ByStream
	}
	for _, name := range []string{"6.2", "6.2-5.2", "6.2-5.3", "6.2-5.4", "6.2-5.5", "6.2-5.8"} {
		if !marked["rfc8867-"+name] {
			t.Errorf("no marks in %s", name)
		}
	}
}

// TestWeightsAreJudged: what a flow is off is told by its weight, and a weight
// that the controller does not have is refused.
func TestWeightsAreJudged(t *testing.T) {
	s := priority()
	r, _, err := Run(s, 4)
	if err != nil {
		t.Fatal(err)
	}
	if off := float64(r.More[metricWeighted]); !(off <= 25) || r.Pass == nil || !*r.Pass {
		t.Errorf("%.0f %% off 2:1:1, missed %v", off, r.Missed)
	}
	s.Flows[0].Weight, s.Duration = 0, 70*time.Second
	if r, _, err = Run(s, 4); err != nil {
		t.Fatal(err)
	}
	if _, told := r.More[metricWeighted]; told {
		t.Error("flows without weights are judged by them")
	}
	s.Flows[0].Weight = 5
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "weight 5") {
		t.Errorf("a weight of 5: %v", err)
	}
}
