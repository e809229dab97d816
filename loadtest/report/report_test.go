package report

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/bundle"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// outcome answers a run with one target, on the queue.
func outcome(scenario string, seed uint64, utilization, p95 float64) lab.Outcome {
	limit := lab.Number(50)
	pass := p95 <= 50
	r := lab.Result{
		Suite: "core", Scenario: scenario, CC: "rivulet", Backend: "exact", Seed: seed,
		Utilization: lab.Number(utilization), QueueP95: lab.Number(p95), Recover: lab.Number(math.NaN()),
		Targets: []lab.Target{{Metric: "queue_ms_p95", Most: &limit}}, Pass: &pass,
	}
	return lab.Outcome{Result: r, Series: &lab.Series{
		Step: 0.2, Capacity: []float64{1, 2}, Rate: []float64{1, 1}, Target: []float64{1, 1}, Queue: []float64{0, 5}, Loss: []float64{0, 0},
	}}
}

func results(all ...lab.Outcome) []lab.Result {
	var r []lab.Result
	for _, o := range all {
		r = append(r, o.Result)
	}
	return r
}

func TestJSONHasTheNamedFields(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, results(outcome("a", 1, 98, 40), outcome("a", 2, 97, 60))); err != nil {
		t.Fatal(err)
	}
	var raw []map[string]any
	if err := json.Unmarshal(b.Bytes(), &raw); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("scenario cc seed utilization queue_ms_p50 queue_ms_p95 loss added_loss ramp_s recover_s feedback_kbps rate_kbps targets pass") {
		if _, ok := raw[0][name]; !ok {
			t.Errorf("no field %s", name)
		}
	}
	if raw[0]["recover_s"] != nil || raw[0]["pass"] != true || raw[1]["pass"] != false {
		t.Errorf("written %v", raw)
	}
	back, err := ReadJSON("x.json", &b)
	if err != nil || len(back) != 2 || !math.IsNaN(float64(back[0].Recover)) || back[1].QueueP95 != 60 {
		t.Errorf("read %+v, %v", back, err)
	}
}

func TestReadJSONSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":             "x.json: not results",
		`{"a":1}`:      "x.json: not results",
		`[]`:           "x.json: no results",
		`[{"seed":1}]`: "x.json: result 1 names no scenario",
	} {
		if _, err := ReadJSON("x.json", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func TestTableNamesWhatWasMissed(t *testing.T) {
	missing := lab.Outcome{Result: lab.Result{Suite: "calls", Scenario: "c", CC: "rivulet", NotBuilt: "no engine"}}
	verdicts := lab.Verdicts(results(outcome("a", 1, 98, 40), outcome("b", 1, 97, 70), outcome("b", 2, 97, 80), outcome("b", 3, 97, 20), missing))
	var b bytes.Buffer
	if err := Table(&b, verdicts); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"MISSED     b (rivulet): queue_ms_p95 <= 50, was 70.00", "not built  c: no engine", "1 met, 1 missed, 1 not built, 0 without a target",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Markdown(&b, "From here.", verdicts); err != nil || !strings.Contains(b.String(), "| b | rivulet | 3 | 97.0 |") || !strings.HasPrefix(b.String(), "From here.\n\n## core") {
		t.Errorf("markdown %v:\n%s", err, b.String())
	}
}

func TestCompare(t *testing.T) {
	var b bytes.Buffer
	broken, err := Compare(&b,
		results(outcome("same", 1, 98, 40), outcome("worse", 1, 98, 40), outcome("better", 1, 80, 90), outcome("gone", 1, 1, 1)),
		results(outcome("same", 1, 98.2, 42), outcome("worse", 1, 90, 70), outcome("better", 1, 95, 30), outcome("new", 1, 1, 1)))
	if err != nil || broken != 1 {
		t.Errorf("broken %d, %v", broken, err)
	}
	for _, want := range []string{
		"WORSE   worse (rivulet): ok -> MISSED", "WORSE   worse (rivulet): utilization 98.00 -> 90.00", "better  better (rivulet): MISSED -> ok",
		"better  better (rivulet): queue_ms_p95 90.00 -> 30.00", "new     new", "gone    gone", "2 figures better, 2 worse, 1 scenarios the same, 1 no longer met",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
}

func TestPageStandsAlone(t *testing.T) {
	evil := outcome(`</script><script>alert(1)</script>`, 1, 98, 60)
	var b bytes.Buffer
	if err := HTML(&b, "The lab", []lab.Outcome{outcome("a", 1, 98, 40), evil}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if regexp.MustCompile(`(src|href)\s*=|https?://|@import`).MatchString(page) {
		t.Error("the page asks for something else")
	}
	if strings.Contains(page, "alert(1)</script>") {
		t.Error("a name has become a script")
	}
	if !strings.Contains(page, `"missed":["queue_ms_p95 \u003c= 50, was 60.00"]`) || strings.Count(page, `"missed":`) != 1 {
		t.Error("the plots do not tell what their run missed")
	}
	if strings.Count(page, "<script>") != 1 || !strings.Contains(page, `data-plot="1"`) || !strings.Contains(page, `"capacity":[1,2]`) {
		t.Error("the page lacks its plots")
	}
}

// TestScriptIsFresh rebuilds the page's script from its sources.
func TestScriptIsFresh(t *testing.T) {
	committed, err := files.ReadFile("page/page.js")
	if err != nil {
		t.Fatal(err)
	}
	bundle.Fresh(t, "html.go", "page/page.js", committed)
}

// call answers a run of a whole call.
func call(hole float64) lab.Outcome {
	o := outcome("voice-x", 1, math.NaN(), math.NaN())
	r := &o.Result
	limit := lab.Number(1)
	pass := hole <= 1
	r.Suite, r.People, r.Pass = "calls", []string{"ann", "bob"}, &pass
	r.Targets = []lab.Target{{Metric: "ann.hole", Most: &limit}}
	r.More = map[string]lab.Number{"ann.hole": lab.Number(hole), "ann.first_sound_s": 1.5, "bob.hole": 0.25, "bob.gap_ms": 40}
	return o
}

// TestCallsHaveAScoreboardOfTheirOwn: one line for each person, and verdicts
// like any other scenario.
func TestCallsHaveAScoreboardOfTheirOwn(t *testing.T) {
	missing := lab.Outcome{Result: lab.Result{Suite: "calls", Scenario: "not-yet", CC: "rivulet", NotBuilt: "no engine"}}
	outcomes := []lab.Outcome{outcome("a", 1, 98, 40), call(7.5), missing}
	verdicts := lab.Verdicts(results(outcomes...))
	var table, markdown, page bytes.Buffer
	if err := Table(&table, verdicts); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&markdown, "", verdicts); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&page, "x", outcomes); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ text, want string }{
		"verdict":   {table.String(), "MISSED     voice-x (rivulet): ann.hole <= 1, was 7.50"},
		"sum":       {table.String(), "1 met, 1 missed, 1 not built, 0 without a target"},
		"not built": {markdown.String(), "| not-yet | 1 | - | - |"},
		"markdown":  {markdown.String(), "| voice-x | 1 | ann | 1.5 | 7.5 | - | - |"},
		"second":    {markdown.String(), "|  |  | bob | - | 0.2 | - | 40 |"},
		"page":      {page.String(), "<td>ann<br>bob<br><td class=\"n\">1.5<br>-<br>"},
	} {
		if !strings.Contains(c.text, c.want) {
			t.Errorf("%s lacks %q:\n%s", what, c.want, c.text[:min(len(c.text), 3000)])
		}
	}
	if n := strings.Count(markdown.String(), "## calls"); n != 1 {
		t.Errorf("%d headings of one suite:\n%s", n, markdown.String())
	}
	if strings.Count(table.String(), "bob") != 1 {
		t.Errorf("not one line for bob:\n%s", table.String())
	}
	// Without any call the page has no table of them, and without flows none of those.
	page.Reset()
	if err := HTML(&page, "x", outcomes[:1]); err != nil || strings.Contains(page.String(), "what each person noticed") {
		t.Errorf("a page without calls: %v", err)
	}
}
