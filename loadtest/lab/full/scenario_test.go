package full_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
)

// find answers a scenario of the suites, shortened.
func find(t *testing.T, name string, d time.Duration) lab.Scenario {
	t.Helper()
	all, err := lab.Suite("all")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s lab.Scenario) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no scenario %q", name)
	}
	s := all[i]
	if d > 0 {
		s.Duration, s.Settled = d, d/3
	}
	return s
}

// run runs a scenario with one controller.
func run(t *testing.T, s lab.Scenario, c full.Controller) (full.Plan, full.Record) {
	t.Helper()
	p, err := full.FromScenario(s, c, 1)
	if err != nil {
		t.Fatal(err)
	}
	record, err := full.Run(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	return p, record
}

// judged runs a scenario with one controller, and judges it.
func judged(t *testing.T, s lab.Scenario, c full.Controller) (full.Record, lab.Result, *lab.Series) {
	t.Helper()
	_, record := run(t, s, c)
	got, series, err := lab.Judge(s, string(c), "full", 1, record.Recording())
	if err != nil {
		t.Fatal(err)
	}
	return record, got, series
}

// TestAgreesWithExact runs scenarios on both back ends: cores alone, and
// everything around them. The figures differ by what the real stack adds, and
// not by more.
func TestAgreesWithExact(t *testing.T) {
	for _, test := range []struct {
		name string
		// tolerances: points of utilisation, milliseconds of queue, points of loss
		utilization, queue, loss float64
	}{
		{"steady-1m", 3, 40, 1},
		{"loss-20", 8, 60, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := find(t, test.name, 30*time.Second)
			exact, _, err := lab.Run(s, 1)
			if err != nil {
				t.Fatal(err)
			}
			_, got, series := judged(t, s, full.Rivulet)
			t.Logf("utilisation %.1f and %.1f %%, queue p95 %.0f and %.0f ms, loss %.1f and %.1f %%",
				exact.Utilization, got.Utilization, exact.QueueP95, got.QueueP95, exact.Loss, got.Loss)
			for _, d := range []struct {
				what               string
				exact, full, limit float64
			}{
				{"utilisation", float64(exact.Utilization), float64(got.Utilization), test.utilization},
				{"queue", float64(exact.QueueP95), float64(got.QueueP95), test.queue},
				{"loss", float64(exact.Loss), float64(got.Loss), test.loss},
			} {
				if !(math.Abs(d.exact-d.full) <= d.limit) {
					t.Errorf("%s: %.1f exact, %.1f full, want within %v", d.what, d.exact, d.full, d.limit)
				}
			}
			if len(series.Rate) != len(series.Target) || len(series.Rate) < 100 {
				t.Errorf("a series of %d rates and %d targets", len(series.Rate), len(series.Target))
			}
			if got.Backend != "full" || got.CC != "rivulet" {
				t.Errorf("result of %s on %s", got.CC, got.Backend)
			}
		})
	}
}

// TestEncoderModel: both controllers carry what a real encoder makes, voice
// beside it, in both directions.
func TestEncoderModel(t *testing.T) {
	s := find(t, "rfc8867-5.3", 15*time.Second)
	for _, c := range full.Controllers() {
		p, record := run(t, s, c)
		for i, f := range record.Flows {
			voice, video := 0, 0
			for _, k := range f.Packets {
				if k.Voice {
					voice++
				} else {
					video++
				}
			}
			if seconds := int(p.Duration / time.Second); voice < 49*seconds-15 /* merged until the path is measured */ || voice > 51*seconds || video < 20*seconds {
				t.Errorf("%s: flow %d sent %d packets of voice and %d others in %d s", c, i, voice, video, seconds)
			}
		}
	}
}

// TestDown: our server sends a viewer on a thin link what fits, without a
// queue, and its voice whole.
func TestDown(t *testing.T) {
	p := over(full.RivuletDown, 400*units.Kbps, 20*time.Second)
	p.Flows = []full.Flow{{Voice: 24 * units.Kbps}}
	r, err := full.Run(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	f := r.Flows[0]
	rate := arrived(f, 10*time.Second, p.Duration).Over(10 * time.Second)
	voice := 0
	for _, k := range f.Packets {
		if k.Voice {
			voice++
		}
	}
	t.Logf("%v, target %v, queue of at most %v, %d packets of voice", rate, f.Targets[len(f.Targets)-1].Rate, longest(f, 10*time.Second), voice)
	if rate < 150*units.Kbps || rate > 400*units.Kbps {
		t.Errorf("%v of 400 kbit/s", rate)
	}
	if wait := longest(f, 10*time.Second); wait > 200*time.Millisecond {
		t.Errorf("waited %v", wait)
	}
	if voice < 950 {
		t.Errorf("%d packets of voice in 20 s", voice)
	}
	if n := len(f.Targets); n < 5 {
		t.Errorf("%d targets", n)
	}
}

// TestNotBuilt: what cannot be run is said, and passes nothing.
func TestNotBuilt(t *testing.T) {
	for _, name := range []string{"rfc8867-6.2", "voice-gprs"} {
		s := find(t, name, 0)
		if _, err := full.FromScenario(s, full.Rivulet, 1); !errors.Is(err, full.ErrNotBuilt) {
			t.Errorf("%s: %v", name, err)
		}
		o, err := full.Backend{}.Run(t.Context(), s, full.PionGCC, 1)
		if err != nil || o.Result.NotBuilt == "" || o.Result.Pass == nil || *o.Result.Pass {
			t.Errorf("%s: %+v, %v", name, o.Result, err)
		}
	}
}

// TestEverythingElseIsBuilt: every other scenario of the suites has a plan.
func TestEverythingElseIsBuilt(t *testing.T) {
	all, err := lab.Suite("all")
	if err != nil {
		t.Fatal(err)
	}
	built := 0
	for _, s := range all {
		for _, c := range full.Controllers() {
			switch _, err := full.FromScenario(s, c, 1); {
			case err == nil:
				built++
			case !errors.Is(err, full.ErrNotBuilt):
				t.Errorf("%s with %s: %v", s.Name, c, err)
			}
		}
	}
	if built < 200 {
		t.Errorf("%d plans, want 200 and more", built)
	}
}

// TestBesideTCP: what TCP is offered to the links and carried by them is the
// exact back end's model, in the bubble's time. It fills what a call leaves, and
// both together fill the link.
func TestBesideTCP(t *testing.T) {
	for _, c := range []full.Controller{full.Rivulet, full.PionGCC} {
		// In half a minute a call that begins beside TCP has found its share in some
		// of the runs only.
		s := find(t, "tcp-cubic-2m-300ms", time.Minute)
		record, got, series := judged(t, s, c)
		tcp := float64(got.More["tcp_kbps"])
		t.Logf("%s: %.0f kbit/s beside %.0f of TCP, queue p95 %.0f ms", c, got.Rate, tcp, got.QueueP95)
		if sum := tcp + float64(got.Rate); sum < 1900 || sum > 2000 || tcp < 400 || got.Rate < 300 {
			t.Errorf("%s: %.0f and %.0f kbit/s of 2000", c, got.Rate, tcp)
		}
		offered := uint64(len(record.Flows[0].Packets) + len(record.Other))
		if offered != record.Forward[0].Offered.Packets || len(series.Other) == 0 {
			t.Errorf("%s: %d packets recorded, %d offered; %d points of other traffic", c, offered, record.Forward[0].Offered.Packets, len(series.Other))
		}
	}
}

// TestPictureComesBesideTCP: a call that begins where a transfer has filled a
// queue of a second has no room for a picture at first, and must find out that
// it could have more although it only speaks: it stayed at voice for ever.
func TestPictureComesBesideTCP(t *testing.T) {
	s := find(t, "tcp-cubic-2m-1000ms", 90*time.Second)
	s.Settled = 50 * time.Second
	_, got, _ := judged(t, s, full.Rivulet)
	t.Logf("%.1f %% of the link after 50 s", got.Utilization)
	if got.Utilization < 20 {
		t.Errorf("%.1f %% of the link after 50 s, want 20 and more", got.Utilization)
	}
}

// TestRowOfLinks: flows over links of their own: one crosses all three, one each
// the first and the last (RFC 8867 §6.3).
func TestRowOfLinks(t *testing.T) {
	for _, c := range []full.Controller{full.Rivulet, full.PionGCC} {
		s := find(t, "rfc8867-6.3", 20*time.Second)
		_, record := run(t, s, c)
		sent := func(i int) uint64 { return uint64(len(record.Flows[i].Packets)) }
		if first := record.Forward[0].Offered.Packets; first != sent(0)+sent(1) {
			t.Errorf("%s: the first link was offered %d packets, want %d and %d", c, first, sent(0), sent(1))
		}
		// What is under way at the end has not come to the others.
		if middle := record.Forward[1].Offered.Packets; middle > sent(0) || middle < sent(0)-100 {
			t.Errorf("%s: the second link was offered %d packets of %d", c, middle, sent(0))
		}
		for i, least := range []time.Duration{180 * time.Millisecond, 100 * time.Millisecond, 40 * time.Millisecond} {
			k := record.Flows[i].Packets[0]
			if took := k.Arrived - k.Sent; took < least-20*time.Millisecond || took > least+60*time.Millisecond {
				t.Errorf("%s: flow %d's first packet took %v, want about %v", c, i, took, least)
			}
		}
	}
}

// TestBackend runs a scenario in a child and judges it.
func TestBackend(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := full.Backend{Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, childArgument) }}
	s := find(t, "steady-300k", 30*time.Second)
	o, err := b.Run(t.Context(), s, full.Rivulet, 2)
	if err != nil {
		t.Fatal(err)
	}
	r := o.Result
	if r.Utilization < 90 || r.Utilization > 101 || r.Seed != 2 || r.Backend != "full" || len(r.Targets) != len(s.Targets) || r.Pass == nil || o.Series == nil {
		t.Errorf("%+v", r)
	}
	down, err := b.Run(t.Context(), s, full.RivuletDown, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range down.Result.Targets {
		if target.Metric == "utilization" {
			t.Error("a server that sends layers is asked to fill the link")
		}
	}
}

// TestRunAll: outcomes come in order whoever was faster, a series with the
// first seed of each, what is not built once; and a run that fails ends all.
func TestRunAll(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := full.Backend{Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, childArgument) }}
	plans := []lab.Scenario{find(t, "steady-1m", 6*time.Second), find(t, "rfc8867-6.2", 6*time.Second), find(t, "steady-80k", 3*time.Second)}
	told := 0
	outcomes, err := b.RunAll(t.Context(), plans, []full.Controller{full.Rivulet, full.PionGCC}, lab.Options{
		Seeds: 2, Progress: func(done, total int, _ lab.Result) {
			if told++; done != told || total != 10 {
				t.Errorf("told of %d of %d as number %d", done, total, told)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range outcomes {
		got = append(got, fmt.Sprint(o.Result.Scenario, " ", o.Result.CC, " ", o.Result.Seed, " ", o.Series != nil))
	}
	want := []string{
		"steady-1m rivulet 1 true", "steady-1m rivulet 2 false", "steady-1m pion-gcc 1 true", "steady-1m pion-gcc 2 false",
		"rfc8867-6.2 rivulet 1 false", "rfc8867-6.2 pion-gcc 1 false",
		"steady-80k rivulet 1 true", "steady-80k rivulet 2 false", "steady-80k pion-gcc 1 true", "steady-80k pion-gcc 2 false",
	}
	if !slices.Equal(got, want) || told != len(want) {
		t.Errorf("got %q", got)
	}
	plans[1].Forward[0].Queue.Mark, plans[1].Duration = 0, time.Millisecond
	if _, err := b.RunAll(t.Context(), plans, []full.Controller{full.PionGCC}, lab.Options{Seeds: 1}); err == nil || !strings.Contains(err.Error(), "duration") {
		t.Errorf("a plan that is wrong: %v", err)
	}
}
