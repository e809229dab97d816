package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// noticed is one figure of what a person noticed.
type noticed struct {
	metric string
	title  string
	digits int
}

// figures are the columns of a call's scoreboard, one line for each person.
var figures = []noticed{
	{"first_sound_s", "first sound s", 1},
	{"hole", "hole %", 1},
	{"unheard", "unheard %", 1},
	{"gap_ms", "gap ms", 0},
	{"delay_ms_p50", "delay ms", 0},
	{"mos", "MOS", 1},
	{"rate_down_kbps", "down kbit/s", 0},
	{"queue_down_ms_p95", "queue p95 ms", 0},
	{"rate_up_kbps", "up kbit/s", 0},
	{"queue_up_ms_p95", "queue p95 ms", 0},
	{"fps", "fps", 1},
	{"height", "height", 0},
	{"freeze_s", "freeze s", 1},
	{"paused_s", "paused s", 0},
}

// divide parts whole calls from the rest: their figures are others.
func divide(verdicts []lab.Verdict) (flows, calls []lab.Verdict) {
	for _, v := range verdicts {
		if len(people(v.Median)) > 0 {
			calls = append(calls, v)
		} else {
			flows = append(flows, v)
		}
	}
	return flows, calls
}

// people are those of a whole call; of one that did not run a dash stands for
// them, so that it is listed among its like.
func people(m lab.Result) []string {
	if len(m.People) == 0 && m.Suite == "calls" {
		return []string{"-"}
	}
	return m.People
}

// line is what one person of a call noticed.
func line(m lab.Result, person string) (cells []string) {
	for _, f := range figures {
		v, ok := m.More[person+"."+f.metric]
		if !ok {
			v = lab.Number(math.NaN())
		}
		cells = append(cells, number(v, f.digits))
	}
	return cells
}

// lines answers, for each figure, what each person noticed.
func lines(m lab.Result) (all [][]string) {
	if len(people(m)) == 0 {
		return nil
	}
	all = make([][]string, len(figures))
	for _, person := range people(m) {
		for i, cell := range line(m, person) {
			all[i] = append(all[i], cell)
		}
	}
	return all
}

// callTable writes the scoreboard of calls for a terminal.
func callTable(w io.Writer, calls []lab.Verdict) error {
	if len(calls) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "call\truns\tperson\t")
	for _, f := range figures {
		fmt.Fprintf(t, "%s\t", f.title)
	}
	fmt.Fprintln(t, "verdict\t")
	for _, v := range calls {
		for i, person := range people(v.Median) {
			name, runs, verdict := v.Median.Scenario, fmt.Sprint(v.Runs), verdictOf(v.Median)
			if i > 0 {
				name, runs, verdict = "", "", ""
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", name, runs, person, strings.Join(line(v.Median, person), "\t"), verdict)
		}
	}
	return t.Flush()
}

// callMarkdown writes it for docs/measurements.
func callMarkdown(b *strings.Builder, calls []lab.Verdict) {
	suite := ""
	for _, v := range calls {
		m := v.Median
		if m.Suite != suite {
			suite = m.Suite
			fmt.Fprintf(b, "\n## %s\n\n| call | runs | person |", suite)
			for _, f := range figures {
				fmt.Fprintf(b, " %s |", f.title)
			}
			fmt.Fprintf(b, " verdict |\n|%s\n", strings.Repeat("---|", len(figures)+4))
		}
		for i, person := range people(m) {
			name, runs, verdict := m.Scenario, fmt.Sprint(v.Runs), verdictInWords(m)
			if i > 0 {
				name, runs, verdict = "", "", ""
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, runs, person, strings.Join(line(m, person), " | "), verdict)
		}
	}
}
