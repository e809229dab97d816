// Package report shows what the lab has measured: a table for a terminal, JSON
// for programs, one HTML page with plots for people, and what changed between
// two runs.
//
// It decides how figures are shown, not what they mean: verdicts are the lab's.
// In: results and series of loadtest/lab. Out: text. The JSON is an array with
// one object per scenario, controller and seed; shares are per cent, rates
// kbit/s of IP packets; what could not be measured is null.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// maxJSON bounds a file of results in bytes.
const maxJSON = 256 << 20

// WriteJSON writes results, one object a line.
func WriteJSON(w io.Writer, results []lab.Result) error {
	var b strings.Builder
	b.WriteString("[")
	for i, r := range results {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write results: %w", err)
		}
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n")
		b.Write(line)
	}
	b.WriteString("\n]\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// ReadJSON reads what WriteJSON wrote. name is for errors.
func ReadJSON(name string, r io.Reader) ([]lab.Result, error) {
	limited := &io.LimitedReader{R: r, N: maxJSON}
	d := json.NewDecoder(limited)
	var results []lab.Result
	if err := d.Decode(&results); err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("longer than %d bytes", maxJSON)
		}
		return nil, fmt.Errorf("%s: not results of `rivulet lab run --json` (byte %d): %w", name, d.InputOffset(), err)
	}
	for i, r := range results {
		if r.Scenario == "" {
			return nil, fmt.Errorf("%s: result %d names no scenario", name, i+1)
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%s: %w", name, errors.New("no results"))
	}
	return results, nil
}

// Verdict is one word on a scenario.
func verdictOf(r lab.Result) string {
	switch {
	case r.NotBuilt != "":
		return "not built"
	case r.Pass == nil:
		return "-"
	case *r.Pass:
		return "ok"
	}
	return "MISSED"
}

// Table writes a line for each verdict: medians over the runs.
func Table(w io.Writer, verdicts []lab.Verdict) error {
	flows, calls := divide(verdicts)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(flows) > 0 {
		fmt.Fprintln(t, "scenario\tcc\truns\tutil %\tqueue p50\tp95 ms\tloss %\tadded %\tleft %\tramp s\trecover s\tfeedback\trate kbit/s\tverdict\t")
	}
	for _, v := range flows {
		m := v.Median
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Scenario, m.CC, v.Runs,
			number(m.Utilization, 1), number(m.QueueP50, 0), number(m.QueueP95, 0), number(m.Loss, 2), number(m.AddedLoss, 2),
			repaired(m), number(m.Ramp, 1), number(m.Recover, 1), number(m.Feedback, 2), number(m.Rate, 0), verdictOf(m))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := callTable(w, calls); err != nil {
		return err
	}
	var passed, missed, missing, none int
	for _, v := range verdicts {
		m := v.Median
		switch verdictOf(m) {
		case "ok":
			passed++
		case "MISSED":
			missed++
			fmt.Fprintf(w, "MISSED     %s (%s): %s\n", m.Scenario, m.CC, strings.Join(reasons(m), "; "))
		case "not built":
			missing++
			fmt.Fprintf(w, "not built  %s: %s\n", m.Scenario, m.NotBuilt)
		default:
			none++
		}
	}
	for _, v := range verdicts {
		for _, s := range v.Short {
			fmt.Fprintf(w, "WORST SEED %s: %v\n", v.Median.Scenario, s)
		}
	}
	_, err := fmt.Fprintf(w, "%d met, %d missed, %d not built, %d without a target\n", passed, missed, missing, none)
	return err
}

// reasons says of each missed target what was measured.
func reasons(m lab.Result) []string {
	var all []string
	for _, t := range m.Targets {
		v, _ := m.Metric(t.Metric)
		if !t.Met(v) {
			all = append(all, fmt.Sprintf("%v, was %s", t, number(lab.Number(v), 2)))
		}
	}
	return all
}

// repaired is the loss that repair left; "-" where nothing is repaired.
func repaired(m lab.Result) string {
	if v, told := m.Metric("loss_after_repair"); told {
		return number(lab.Number(v), 2)
	}
	return "-"
}

// number prints a value; "-" where there is none.
func number(n lab.Number, digits int) string {
	if math.IsNaN(float64(n)) {
		return "-"
	}
	return strconv.FormatFloat(float64(n), 'f', digits, 64)
}

// Markdown writes the scoreboard for docs/measurements, a table for each suite.
// origin says in a line where the figures are from.
func Markdown(w io.Writer, origin string, verdicts []lab.Verdict) error {
	var b strings.Builder
	b.WriteString(origin + "\n")
	suite := ""
	flows, calls := divide(verdicts)
	for _, v := range flows {
		m := v.Median
		if m.Suite != suite {
			suite = m.Suite
			fmt.Fprintf(&b, "\n## %s\n\n| scenario | cc | runs | utilisation %% | queue p50 / p95 ms | loss / added / after repair %% | ramp / recover s | feedback kbit/s | rate kbit/s | verdict |\n|---|---|---|---|---|---|---|---|---|---|\n", suite)
		}
		verdict := verdictInWords(m)
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s / %s | %s / %s / %s | %s / %s | %s | %s | %s |\n", m.Scenario, m.CC, v.Runs,
			number(m.Utilization, 1), number(m.QueueP50, 0), number(m.QueueP95, 0), number(m.Loss, 2), number(m.AddedLoss, 2), repaired(m),
			number(m.Ramp, 1), number(m.Recover, 1), number(m.Feedback, 2), number(m.Rate, 0), verdict)
	}
	shortMarkdown(&b, flows)
	callMarkdown(&b, calls)
	_, err := io.WriteString(w, b.String())
	return err
}

// shortMarkdown lists worst seeds, of scenarios that ran several times.
func shortMarkdown(b *strings.Builder, flows []lab.Verdict) {
	var lines []string
	compared := 0
	for _, v := range flows {
		if _, told := lab.PionGCC(v.Median.Scenario); told && v.Runs > 1 && v.Median.Pass != nil {
			compared++
		}
		for _, s := range v.Short {
			lines = append(lines, fmt.Sprintf("- %s: %v\n", v.Median.Scenario, s))
		}
	}
	if compared == 0 {
		return
	}
	fmt.Fprintf(b, "\n### Worst seeds\n\nOf the %d rows that pion's gcc was measured on, seeds that lost more than half of a target's margin over it (targets that it meets have none): %d.\n\n", compared, len(lines))
	b.WriteString(strings.Join(lines, ""))
}

// verdictInWords is the verdict with its reasons, for Markdown.
func verdictInWords(m lab.Result) string {
	switch {
	case m.NotBuilt != "":
		return verdictOf(m) + ": " + m.NotBuilt
	case m.Pass != nil && !*m.Pass:
		return "**missed**: " + strings.Join(reasons(m), "; ")
	}
	return verdictOf(m)
}
