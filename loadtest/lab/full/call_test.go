package full_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// calling runs a call of two over a network of one of them, and answers what
// they noticed.
func calling(t *testing.T, d time.Duration, change func(c *lab.Call), networks ...lab.Network) (map[string]lab.Number, lab.CallRecording) {
	t.Helper()
	free := link.Config{Delay: 10 * time.Millisecond}
	c := &lab.Call{People: []lab.Person{
		{Name: "far", Networks: []lab.Network{{Down: free, Up: free}}, Voice: &lab.Voice{}},
		{Name: "thin", Networks: networks, Join: time.Second, Voice: &lab.Voice{}},
	}}
	if change != nil {
		change(c)
	}
	s := lab.Scenario{Suite: "calls", Name: "test", Duration: d, Call: c}
	p, err := full.FromCall(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := full.RunCall(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	r, series, err := lab.JudgeCall(s, "full", 1, rec)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("%v, %v", err, r.Problems)
	}
	if len(series.People) != len(c.People) {
		t.Errorf("a series of %d people", len(series.People))
	}
	return r.More, rec
}

// between fails where a metric is out of a range; "not measured" is.
func between(t *testing.T, m map[string]lab.Number, name string, low, high float64) {
	t.Helper()
	if v, ok := m[name]; !ok || !(float64(v) >= low && float64(v) <= high) {
		t.Errorf("%s is %v, want %v to %v", name, v, low, high)
	}
}

func wide(loss float64) lab.Network {
	l := link.Config{
		Capacity: link.Constant(units.Mbps), Delay: 50*time.Millisecond + 101, Queue: link.Queue{Delay: 300 * time.Millisecond},
		Loss: link.Loss{Random: loss},
	}
	return lab.Network{Down: l, Up: l}
}

// TestCallIsHeardAndSeen is a call over a good network: what is measured is what
// the network does, and nothing is missed.
func TestCallIsHeardAndSeen(t *testing.T) {
	m, rec := calling(t, 25*time.Second, func(c *lab.Call) {
		for i := range c.People {
			c.People[i].Camera, c.People[i].Slots = 640, 1
		}
		c.Windows = []lab.Window{{Name: "end", Spans: []lab.Span{{From: 10 * time.Second, To: 25 * time.Second}}}}
	}, wide(0))
	for _, who := range []string{"thin", "far"} {
		between(t, m, who+".first_sound_s", 0.2, 2)
		between(t, m, who+".hole", 0, 1)
		between(t, m, who+".unheard", 0, 1)
		between(t, m, who+".gap_ms", 0, 200)
		// 60 ms of propagation, 20 ms of packet, what the jitter buffer adds.
		between(t, m, who+".delay_ms_p50.end", 80, 300)
		between(t, m, who+".mos", 2, 4.5)
		between(t, m, who+".fps.end", 10, 31)
		between(t, m, who+".height.end", 180, 360)
		between(t, m, who+".freeze_s.end", 0, 0.5)
		between(t, m, who+".ended", 0, 0)
	}
	between(t, m, "thin.rate_down_kbps", 100, 1000)
	// The client's own count is that of an app: it must agree.
	for i, p := range rec.People {
		hole := float64(m[[]string{"far", "thin"}[i]+".hole"])
		if diff := 100*p.Hole - hole; diff < -1 || diff > 1 {
			t.Errorf("person %d: the client says %.2f %% hole, the lab %.2f", i, 100*p.Hole, hole)
		}
		if len(p.States) < 100 || len(p.Told) == 0 {
			t.Errorf("person %d: %d states, %d messages on pictures", i, len(p.States), len(p.Told))
		}
	}
}

// TestCallLosesWhatTheLinkLoses loses a fifth of the packets, on the way down
// alone: only who is there misses anything, and most of it is sent again in time.
// Which packets of sound those are hangs on every byte sent before, so it is tried
// with several fifths, and judged by their mean.
func TestCallLosesWhatTheLinkLoses(t *testing.T) {
	const fifths = 5
	var unheard, hole lab.Number
	for first := range uint64(fifths) {
		n := wide(0)
		n.Down.Loss.Packets = everyFifth(60 + first)
		m, _ := calling(t, 30*time.Second, nil, n)
		between(t, m, "far.unheard", 0, 0.5)
		t.Logf("from %d: unheard %.2f %%, hole %.2f %%", 60+first, m["thin.unheard"], m["thin.hole"])
		unheard += m["thin.unheard"] / fifths
		hole += m["thin.hole"] / fifths
	}
	mean := map[string]lab.Number{"unheard": unheard, "hole": hole}
	between(t, mean, "unheard", 0, 5)
	between(t, mean, "hole", 0, 5)
}

// everyFifth lists a fifth of the packets after the first ones.
func everyFifth(from uint64) (all []uint64) {
	for n := from; n < 4000; n += 5 {
		all = append(all, n)
	}
	return all
}

// TestCallMovesToAnotherNetwork takes another address in the middle.
func TestCallMovesToAnotherNetwork(t *testing.T) {
	second := wide(0)
	second.From, second.Change = 10*time.Second, lab.Restarted
	m, _ := calling(t, 20*time.Second, func(c *lab.Call) {
		c.Windows = []lab.Window{{Name: "moved", Spans: []lab.Span{{From: 10 * time.Second, To: 20 * time.Second}}}}
	}, wide(0), second)
	for _, who := range []string{"thin", "far"} {
		between(t, m, who+".fresh_voice_ms.moved", 100, 3000)
		between(t, m, who+".gap_ms.moved", 40, 3000)
	}
}

// TestCallInSilence has nobody say anything after the first seconds: that is no
// hole, and next to nothing is sent.
func TestCallInSilence(t *testing.T) {
	m, _ := calling(t, 40*time.Second, func(c *lab.Call) {
		for i := range c.People {
			c.People[i].Voice.Turns = []lab.Span{{From: 0, To: 10 * time.Second}}
		}
		c.Windows = []lab.Window{{Name: "silence", Spans: []lab.Span{{From: 15 * time.Second, To: 40 * time.Second}}}}
	}, wide(0))
	for _, who := range []string{"thin", "far"} {
		between(t, m, who+".hole", 0, 1)
	}
	between(t, m, "thin.rate_down_kbps.silence", 0.1, 8)
	between(t, m, "thin.voice_down_kbps.silence", 0.1, 3)
}

// TestCallPlansTravel writes every plan of the suite down and reads it again.
func TestCallPlansTravel(t *testing.T) {
	all, err := lab.Suite("calls")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range all {
		if s.Call == nil {
			continue
		}
		n++
		p, err := full.FromCall(s, 7)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back full.CallPlan
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(b) {
			t.Errorf("%s does not come back as it was: %v", s.Name, err)
		}
		if d := back.Call.People[0].Networks[0].Down; d.Seed != 7*1024+1 || !reflect.DeepEqual(d, p.Call.People[0].Networks[0].Down) {
			t.Errorf("%s: %+v", s.Name, d)
		}
	}
	if n < 10 {
		t.Errorf("%d calls", n)
	}
	var p full.CallPlan
	if err := json.Unmarshal([]byte(`{"Call":{"People":[{"Networks":[{}]}]}}`), &p); err == nil {
		t.Error("a plan without its capacities is taken")
	}
}

// TestCallInChild runs a row of the suite as the command does.
func TestCallInChild(t *testing.T) {
	s := find(t, "voice-wifi-lossy-20", 0)
	s.Duration = 15 * time.Second
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, childArgument) }
	out, err := full.Backend{Command: child}.Run(t.Context(), s, full.Rivulet, 1)
	if err != nil {
		t.Fatal(err)
	}
	if out.Result.Pass == nil || out.Result.Backend != "full" || out.Series == nil || len(out.Series.People) != 2 {
		t.Errorf("%+v", out.Result)
	}
	if !slices.ContainsFunc(out.Result.Targets, func(t lab.Target) bool { return t.Metric == "thin.hole" }) {
		t.Errorf("targets %v", out.Result.Targets)
	}
	between(t, out.Result.More, "thin.hole", 0, 30)
}

// TestRowsThatHold runs rows of the suite that hold, or the part of them that
// does. The targets are the table's; tolerance is what chance and the order of
// timers make of a figure, in its own unit.
func TestRowsThatHold(t *testing.T) {
	for row, metrics := range map[string]map[string]float64{
		"voice-gprs":               {"thin.hole": 1, "thin.unheard": 1, "far.unheard": 2, "far.hole": 2},
		"voice-2g-urban":           {"far.unheard.later": 1, "thin.unheard.later": 2, "thin.rate_up_kbps.later": 0, "far.mos_lost.later": 0},
		"voice-wifi-lossy-20":      {"thin.unheard": 2, "far.unheard": 2, "thin.rate_up_kbps": 0, "thin.rate_down_kbps": 0},
		"call-outage-3s":           {"thin.stale_voice_ms.back": 100, "far.stale_voice_ms.back": 100, "thin.picture_back_ms.back": 1000},
		"address-change-nat":       {"thin.fresh_voice_ms.moved": 60, "far.fresh_voice_ms.moved": 60},
		"address-change-continual": {"thin.fresh_voice_ms.moved": 60, "far.fresh_voice_ms.moved": 60},
		"address-change-restart":   {"thin.fresh_voice_ms.moved": 300, "far.fresh_voice_ms.moved": 300},
		"join-rtt-1300":            {"thin.first_sound_rtts": 0.5},
	} {
		t.Run(row, func(t *testing.T) {
			s := find(t, row, 0)
			p, err := full.FromCall(s, 1)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := full.RunCall(t, p, adapter)
			if err != nil {
				t.Fatal(err)
			}
			r, _, err := lab.JudgeCall(s, "full", 1, rec)
			if err != nil || len(r.Problems) > 0 {
				t.Fatalf("%v, %v", err, r.Problems)
			}
			for name, tolerance := range metrics {
				i := slices.IndexFunc(s.Targets, func(t lab.Target) bool { return t.Metric == name })
				if i < 0 {
					t.Fatalf("%s is no target of the row", name)
				}
				limit := float64(*s.Targets[i].Most)
				if v := float64(r.More[name]); !(v <= limit+tolerance) {
					t.Errorf("%s is %.2f, want at most %.2f and %.2f for chance", name, v, limit, tolerance)
				}
			}
		})
	}
}

// TestUnknownPathRaisesNobody: while nothing is known of the path of who comes, who
// is heard there makes no more sound for it than before. A publisher that rose to the
// best meanwhile filled the queue of a link of 20 kbit/s for five seconds.
func TestUnknownPathRaisesNobody(t *testing.T) {
	l := link.Config{Capacity: link.Constant(20 * units.Kbps), Delay: 650 * time.Millisecond, Queue: link.Queue{Delay: 2 * time.Second}}
	m, rec := calling(t, 20*time.Second, nil, lab.Network{Down: l, Up: l})
	between(t, m, "thin.first_sound_s", 1, 9)
	for _, s := range rec.People[0].Spoken {
		// 12 kbit/s with what varies; shorter packets of less cost its receiver nothing, they are merged.
		if rate := s.Size.Over(s.Length); rate > 17*units.Kbps {
			t.Fatalf("at %v a packet of %v in %d bytes: %v, want no more than 12 kbit/s", s.At, s.Length, s.Size, rate)
		}
	}
}
