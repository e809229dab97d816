package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// FreezeRun is all runs of one call in one way.
type FreezeRun struct {
	Way     string
	Call    lab.Scenario
	Results []lab.Result // one a seed
}

// freezesHead says what the table is of.
const freezesHead = `# How long pictures stand still

Times of more than 500 ms without a new picture that were not announced as a pause: how many a minute / how many seconds in all / how long the longest
was. Whole calls in virtual time with the same links and luck in each column, medians over the seeds. "Thin" is behind the link, "far" looks at what
comes up from there. Runs differ from one another by some seconds, not bit for bit the same: small differences say nothing.

`

// Freezes writes a Markdown table of how long pictures stood still in calls, a
// line for each who looks, a column for each way: freezes a minute, seconds in
// all and of the longest, medians over the seeds. The first run of a call has
// all ways' order.
func Freezes(w io.Writer, origin string, runs []FreezeRun) error {
	var ways []string
	var calls []lab.Scenario
	for _, r := range runs {
		if !slices.Contains(ways, r.Way) {
			ways = append(ways, r.Way)
		}
		if !slices.ContainsFunc(calls, func(s lab.Scenario) bool { return s.Name == r.Call.Name }) {
			calls = append(calls, r.Call)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, freezesHead+"%s\n\n| call | who looks | %s |\n|%s\n", origin, strings.Join(ways, " | "), strings.Repeat(" --- |", len(ways)+2))
	for _, c := range calls {
		for _, p := range c.Call.People {
			if p.Slots == 0 {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s |", c.Name, p.Name)
			for _, way := range ways {
				fmt.Fprintf(&b, " %s |", freezesOf(runs, way, c.Name, p.Name))
			}
			b.WriteString("\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// freezesOf is one cell.
func freezesOf(runs []FreezeRun, way, call, person string) string {
	for _, r := range runs {
		if r.Way == way && r.Call.Name == call {
			minute, total, longest := r.Median(person+".freezes_per_minute"), r.Median(person+".frozen_s"), r.Median(person+".freeze_s")
			return fmt.Sprintf("%.1f / %.1f / %.1f", minute, total, longest)
		}
	}
	return "-"
}

// Median is that of a figure over the seeds; 0 without any.
func (r FreezeRun) Median(metric string) float64 {
	var all []float64
	for _, one := range r.Results {
		if v, ok := one.More[metric]; ok {
			all = append(all, float64(v))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
