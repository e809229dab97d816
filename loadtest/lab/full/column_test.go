package full_test

import (
	"context"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
)

// column are the rows of docs/measurements/pion-gcc.md, by its first cell, and
// the scenarios that repeat them. What is not about utilisation and the queue is
// not here: feedback's cost has no row of one scenario.
var column = []struct{ row, scenario string }{
	{"steady 1 Mbit/s", "steady-1m"},
	{"steady 300 k", "steady-300k"},
	{"steady 150 k", "steady-150k"},
	{"steady 80 k", "steady-80k"},
	{"GPRS 50 k", "gprs"},
	{"EDGE 120-240 k", "edge"},
	{"3G 300-700 k", "3g"},
	{"RFC 8867 5.1", "rfc8867-5.1"},
	{"2.5 -> 0.6 -> 2.5 M", "drop-2.5m-0.6m"},
	{"loss 5 % on 1 M", "loss-5"},
	{"loss 10 %", "loss-10"},
	{"loss 20 %", "loss-20"},
	{"loss 40 %", "loss-40"},
	{"burst loss 4.5 %", "loss-bursts"},
	{"outage 2 s", "outage-2s"},
	{"handover 3 s", "handover-3s"},
	{"policer 500 k", "policer-500k"},
	{"jitter sd 15 ms", "jitter-15ms"},
	{"40 ms slots", "slots-40ms"},
}

const (
	// columnPoints of utilisation and columnShare of the queue's 95th percentile
	// are what a row may differ by without an explanation; columnMilliseconds is
	// nothing, of a queue.
	columnPoints       = 5
	columnShare        = 0.25
	columnMilliseconds = 5
	// columnSeeds is how many runs a row is the median of that is a matter of
	// chance by the document; others are one run, for they hardly differ.
	columnSeeds = 3
)

// figures are a cell of the document: utilisation % / queue p95 ms; a queue that
// the document has none of is not a number.
type figures struct{ utilization, queue float64 }

func (f figures) String() string {
	return strconv.FormatFloat(f.utilization, 'f', 1, 64) + " / " + strconv.FormatFloat(f.queue, 'f', 0, 64)
}

func readFigures(t *testing.T, cell string) figures {
	t.Helper()
	parts := strings.Split(strings.Split(cell, ",")[0], "/")
	read := func(i int) float64 {
		if i >= len(parts) || strings.TrimSpace(parts[i]) == "-" {
			return math.NaN()
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		if err != nil {
			t.Fatalf("%q is no cell of figures: %v", cell, err)
		}
		return v
	}
	return figures{read(0), read(1)}
}

// near says whether figures agree.
func (f figures) near(o figures) bool {
	if math.Abs(f.utilization-o.utilization) > columnPoints {
		return false
	}
	apart := math.Abs(f.queue - o.queue)
	return !(apart > columnMilliseconds && apart > columnShare*min(f.queue, o.queue)) // NaN: not compared
}

// documented is one row of the document.
type documented struct {
	before, lab figures
	// least and most are the range of the queue over seeds, where it is told.
	least, most float64
	chance      bool
	verdict     string
}

// document reads the table and the numbers of the explanations below it.
func document(t *testing.T) (rows map[string]documented, notes []string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/measurements/pion-gcc.md")
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string]documented{}
	note, span := regexp.MustCompile(`^(\d+)\. \*\*`), regexp.MustCompile(`queue (\d+)-(\d+)`)
	for line := range strings.Lines(string(text)) {
		if m := note.FindStringSubmatch(line); m != nil {
			notes = append(notes, m[1])
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name := strings.TrimSpace(cells[0])
		if len(cells) != 5 || !slices.ContainsFunc(column, func(c struct{ row, scenario string }) bool { return c.row == name }) {
			continue
		}
		d := documented{before: readFigures(t, cells[1]), lab: readFigures(t, cells[2]), verdict: strings.TrimSpace(cells[4])}
		d.chance = strings.TrimSpace(cells[3]) != ""
		if m := span.FindStringSubmatch(cells[3]); m != nil {
			d.least, _ = strconv.ParseFloat(m[1], 64)
			d.most, _ = strconv.ParseFloat(m[2], 64)
		}
		rows[name] = d
	}
	return rows, notes
}

// TestPionColumn holds the lab to what was measured of pion's gcc before it
// existed, by other means: each row is repeated within 5 points of utilisation and
// a quarter of the queue's 95th percentile, or is explained in the document by a
// numbered note; and the document's own figures are those that come out today.
func TestPionColumn(t *testing.T) {
	rows, notes := document(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var plans []lab.Scenario
	for _, c := range column {
		s := find(t, c.scenario, 0)
		if s.Seeds = 1; rows[c.row].chance {
			s.Seeds = columnSeeds
		}
		plans = append(plans, s)
	}
	b := full.Backend{Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, childArgument) }}
	outcomes, err := b.RunAll(t.Context(), plans, []full.Controller{full.PionGCC}, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var results []lab.Result
	for _, o := range outcomes {
		results = append(results, o.Result)
	}
	explained := regexp.MustCompile(`see (\d+)`)
	for i, v := range lab.Verdicts(results) {
		row := column[i].row
		d, told := rows[row]
		if !told {
			t.Errorf("%s: no such row in the document", row)
			continue
		}
		now := figures{float64(v.Median.Utilization), float64(v.Median.QueueP95)}
		m := explained.FindStringSubmatch(d.verdict)
		switch {
		case m != nil && !slices.Contains(notes, m[1]):
			t.Errorf("%s: note %s is not there", row, m[1])
		case m == nil && !now.near(d.before):
			t.Errorf("%s: %v, measured before %v, and nothing explains it", row, now, d.before)
		}
		if inRange := d.least > 0 && now.queue >= d.least && now.queue <= d.most; inRange {
			now.queue = math.NaN() // chance, and told
		}
		if !now.near(d.lab) {
			t.Errorf("%s: %v, the document says %v", row, now, d.lab)
		}
	}
}
