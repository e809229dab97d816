package report

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

//go:generate go tool esbuild src/page.ts --bundle --minify --format=iife --target=es2022 --charset=utf8 --legal-comments=inline --outfile=page/page.js

//go:embed page uplot/uPlot.min.css
var files embed.FS

// row is one line of the page's scoreboard.
type row struct {
	Suite, Scenario, CC, Verdict         string
	Runs, Passed                         int
	Util, P50, P95, Loss, Added, Left    string
	Ramp, Recover, Feedback, Rate, Class string
	Why                                  []string
	Plot                                 int // index into the series, -1 without
	// People and Lines are those of a whole call: for each figure what each
	// person noticed.
	People []string
	Lines  [][]string
}

// plot is what the page draws of one run.
type plot struct {
	Title string `json:"title"`
	// Missed are the targets that this run missed, More its other metrics.
	Missed []string              `json:"missed,omitempty"`
	More   map[string]lab.Number `json:"more,omitempty"`
	*lab.Series
}

// HTML writes one page that needs nothing else: a scoreboard, and for the first
// seed of each scenario its capacity, rate, target, queue and loss over time.
func HTML(w io.Writer, title string, outcomes []lab.Outcome) error {
	page, err := template.ParseFS(files, "page/page.html")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	theirs, err := files.ReadFile("uplot/uPlot.min.css")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	style, err := files.ReadFile("page/page.css")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	script, err := files.ReadFile("page/page.js")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	rows, plots := rowsOf(outcomes)
	flows, calls := rows[:0:0], rows[:0:0]
	for _, r := range rows {
		if len(r.People) > 0 {
			calls = append(calls, r)
		} else {
			flows = append(flows, r)
		}
	}
	titles := make([]string, len(figures))
	for i, f := range figures {
		titles[i] = f.title
	}
	data, err := json.Marshal(plots) // escapes <, > and &
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return page.Execute(w, map[string]any{
		"Title": title, "Rows": flows, "Calls": calls, "Figures": titles,
		"Style": template.CSS(theirs) + template.CSS(style), "Script": template.JS(script), "Data": template.JS(data),
	})
}

func rowsOf(outcomes []lab.Outcome) ([]row, []plot) {
	var results []lab.Result
	plots := []plot{}
	at := map[string]int{}
	for _, o := range outcomes {
		results = append(results, o.Result)
		key := o.Result.Scenario + "\x00" + o.Result.CC
		if _, drawn := at[key]; o.Series != nil && !drawn {
			at[key] = len(plots)
			own := plot{Title: fmt.Sprintf("%s, %s, seed %d", o.Result.Scenario, o.Result.CC, o.Result.Seed), Series: o.Series}
			if len(o.Result.People) == 0 { // theirs are in the table
				own.More = o.Result.More
			}
			if o.Result.NotBuilt == "" {
				own.Missed = reasons(o.Result)
			}
			plots = append(plots, own)
		}
	}
	var rows []row
	for _, v := range lab.Verdicts(results) {
		m := v.Median
		r := row{
			Suite: m.Suite, Scenario: m.Scenario, CC: m.CC, Verdict: verdictOf(m), Runs: v.Runs, Passed: v.Passed,
			Util: number(m.Utilization, 1), P50: number(m.QueueP50, 0), P95: number(m.QueueP95, 0),
			Loss: number(m.Loss, 2), Added: number(m.AddedLoss, 2), Left: repaired(m), Ramp: number(m.Ramp, 1), Recover: number(m.Recover, 1),
			Feedback: number(m.Feedback, 2), Rate: number(m.Rate, 0), Plot: -1,
		}
		switch r.Verdict {
		case "ok":
			r.Class = "ok"
		case "MISSED":
			r.Class, r.Why = "missed", reasons(m)
		case "not built":
			r.Class, r.Why = "missing", []string{m.NotBuilt}
		}
		if i, ok := at[m.Scenario+"\x00"+m.CC]; ok {
			r.Plot = i
		}
		r.People, r.Lines = people(m), lines(m)
		rows = append(rows, r)
	}
	return rows, plots
}
