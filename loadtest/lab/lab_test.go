package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
)

var update = flag.Bool("update", false, "rewrite golden results")

// The same link serves the network in memory.
var _ memnet.Link = (*link.Link)(nil)

// TestGolden runs every core scenario with one seed and compares all its
// figures, bit for bit. It does not judge them: that is for `rivulet lab run`.
// A change of the controller shows here; rewrite with -update and read the
// difference.
func TestGolden(t *testing.T) {
	outcomes, err := RunAll(context.Background(), core(), Options{Seeds: 1})
	if err != nil {
		t.Fatal(err)
	}
	var results []Result
	for _, o := range outcomes {
		results = append(results, o.Result)
	}
	got, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "testdata/core.json"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	var before []Result
	if err := json.Unmarshal(want, &before); err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		now, _ := json.Marshal(r)
		if i >= len(before) {
			t.Errorf("new: %s", now)
			continue
		}
		if was, _ := json.Marshal(before[i]); !bytes.Equal(was, now) {
			t.Errorf("%s has changed\n was %s\n now %s", r.Scenario, was, now)
		}
	}
	t.Fatalf("%s differs; if that is meant, run go test ./loadtest/lab -update and read the difference", path)
}

// TestRepeats runs one scenario with everything in it twice.
func TestRepeats(t *testing.T) {
	plan := twoBottlenecks()
	plan.Duration = 40 * time.Second
	plan.TCP = []TCP{{}, {Law: Cubic, Start: time.Second}, {Short: true}}
	plan.UDP = []UDP{{Rate: 100 * units.Kbps}}
	var texts []string
	for range 2 {
		r, s, err := Run(plan, 3)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal([]any{r, s})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Error("two runs of one seed differ")
	}
}

// TestReportsByStream runs some rows with the reports of RFC 8888: they cost no
// more than others, the controller holds as much, and what packets save is there
// for media.
func TestReportsByStream(t *testing.T) {
	rows := map[string]Scenario{}
	for _, s := range core() {
		rows[s.Name] = s
	}
	for _, name := range []string{"steady-300k", "gprs", "edge", "feedback-50k", "outage-2s"} {
		plain, _, err := Run(rows[name], 1)
		if err != nil {
			t.Fatal(err)
		}
		streams, _, err := Run(rows[name].WithReports(ByStream), 1)
		if err != nil {
			t.Fatal(err)
		}
		if streams.Utilization < plain.Utilization-2 || streams.QueueP95 > plain.QueueP95*1.3+20 || streams.Feedback > plain.Feedback*1.1+0.1 {
			t.Errorf("%s: utilisation %.1f, queue %.0f, feedback %.2f by stream; %.1f, %.0f, %.2f transport-wide", name,
				streams.Utilization, streams.QueueP95, streams.Feedback, plain.Utilization, plain.QueueP95, plain.Feedback)
		}
	}
	// A voice of 30 kbit/s in packets of 20 ms fits on GPRS without the numbers
	// alone: 51.2 kbit/s with them, 48 without.
	voice, _, err := Run(rows["gprs-voice"].WithReports(ByStream), 1)
	if err != nil {
		t.Fatal(err)
	}
	if voice.QueueP95 > 200 || voice.AddedLoss > 0 {
		t.Errorf("voice without numbers on GPRS: queue %.0f ms, %.2f %% lost", voice.QueueP95, voice.AddedLoss)
	}
}

// TestMarksAreReported holds the marks of a queue to lower the rate before
// anything is lost, where reports tell them.
func TestMarksAreReported(t *testing.T) {
	plan := over("marks", "marks", link.Config{Capacity: link.Constant(units.Mbps), Queue: link.Queue{Delay: room, Mark: 5 * time.Millisecond}})
	with, _, err := Run(plan.WithReports(ByStream), 1)
	if err != nil {
		t.Fatal(err)
	}
	without, _, err := Run(plan, 1)
	if err != nil {
		t.Fatal(err)
	}
	if with.QueueP50 > without.QueueP50-4 || with.Utilization < 60 {
		t.Errorf("marked from 5 ms: queue %.1f ms and utilisation %.1f; %.1f ms when nobody tells", with.QueueP50, with.Utilization, without.QueueP50)
	}
}

// TestSuitesAreWhole checks that every plan is valid and has a name of its own.
func TestSuitesAreWhole(t *testing.T) {
	all, err := Suite("all")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		key := s.Suite + "/" + s.Name
		if seen[key] || s.Suite == "" || s.Title == "" {
			t.Errorf("%s: twice, or without a title", key)
		}
		seen[key] = true
		for _, target := range s.Targets {
			if (target.Least == nil) == (target.Most == nil) {
				t.Errorf("%s: %s has not one bound", key, target.Metric)
			}
		}
		if s.Suite == "core" && len(s.Targets) == 0 {
			t.Errorf("%s has no targets", key)
		}
	}
	for i, raw := range [][]Scenario{core(), rfc8867(), thin(), calls()} {
		name := Suites()[i]
		if part, err := Suite(name); err != nil || len(part) != len(raw) || len(part) == 0 {
			t.Errorf("suite %s: %d scenarios of %d, %v: a name is there twice?", name, len(part), len(raw), err)
		}
	}
	both, err := Suite("core", "rfc8867")
	if want := len(core()) + len(rfc8867()) - 1; err != nil || len(both) != want { // 5.1 is a row of both
		t.Errorf("two suites: %d scenarios, want %d; %v", len(both), want, err)
	}
	if _, err := Suite("none"); err == nil {
		t.Error("there is a suite that is not")
	}
}

// TestTargetsAreMeasured checks that every target names a metric that the
// scenario's result has: a name with a slip of the pen would never be met.
func TestTargetsAreMeasured(t *testing.T) {
	all, err := Suite("all")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.NotBuilt != "" || s.Suite == "core" { // golden results cover these
			continue
		}
		var r Result
		if s.Call != nil { // one in which nobody came
			r, _, err = JudgeCall(s, "full", 1, CallRecording{People: make([]PersonRecording, len(s.Call.People))})
		} else {
			latest := time.Duration(0)
			for _, f := range s.Flows {
				latest = max(latest, f.Start)
			}
			s.Duration, s.Settled = min(s.withDefaults().Duration, latest+10*time.Second), 2*time.Second
			r, _, err = Run(s, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range s.Targets {
			if _, ok := r.Metric(target.Metric); !ok && target.Metric != metricFairness && target.Metric != metricWeighted { // those take longer
				t.Errorf("%s: no metric %s", s.Name, target.Metric)
			}
		}
	}
}

func TestNotBuiltNeverPasses(t *testing.T) {
	outcomes, err := RunAll(context.Background(), []Scenario{{Name: "a", NotBuilt: "x"}, {Name: "b", NotBuilt: "y"}}, Options{})
	if err != nil || len(outcomes) != 2 {
		t.Fatalf("%d outcomes, %v", len(outcomes), err)
	}
	for _, v := range Verdicts([]Result{outcomes[0].Result, outcomes[1].Result}) {
		if v.Median.Pass == nil || *v.Median.Pass || v.Median.NotBuilt == "" || v.Passed != 0 {
			t.Errorf("%+v", v)
		}
	}
}

func TestRunAllTellsProgressAndStops(t *testing.T) {
	p, _ := profile.Find("gprs")
	plan := Over(p)
	plan.Duration, plan.Settled = 5*time.Second, time.Second
	var told []int
	outcomes, err := RunAll(context.Background(), []Scenario{plan, plan}, Options{Seeds: 2, Progress: func(done, total int, r Result) {
		if total != 4 || r.Scenario != "gprs" {
			t.Errorf("told of %s, %d of %d", r.Scenario, done, total)
		}
		told = append(told, done)
	}})
	if err != nil || len(outcomes) != 4 || len(told) != 4 || told[3] != 4 {
		t.Errorf("%d outcomes, told %v, %v", len(outcomes), told, err)
	}
	if outcomes[0].Series == nil || outcomes[1].Series != nil || outcomes[1].Result.Seed != 2 {
		t.Error("series of the first seed only, in order of seeds")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := RunAll(ctx, []Scenario{plan}, Options{}); err == nil {
		t.Error("ran on although it was told to stop")
	}
	plan.Flows = nil
	if _, err := RunAll(context.Background(), []Scenario{plan}, Options{}); err == nil || !strings.Contains(err.Error(), "no flow") {
		t.Errorf("a plan without a flow: %v", err)
	}
}

func TestMedians(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 2, 3}, 2.5},
		{[]float64{nan, 1, 2}, 2},
		{[]float64{nan, nan, 2}, nan},
	} {
		if got := float64(median(c.values)); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
	if least("utilization", 5).Met(nan) || most("ramp_s", 5).Met(nan) {
		t.Error("what could not be measured met a target")
	}
}
