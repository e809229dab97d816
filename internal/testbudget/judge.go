package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json` (test2json's TestEvent, and BuildEvent).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// key names one test, or with an empty test a whole package.
type key struct{ pkg, test string }

// tally counts the tests of one package.
type tally struct{ passed, failed, skipped int }

// judge follows one run.
type judge struct {
	out    io.Writer
	limits budgets

	said    map[key][]string
	tallies map[string]*tally
	reasons map[string]int // why tests were skipped
	failed  []string
	broken  map[string]map[string]bool // top-level tests that failed, by package
	cut     map[string]bool            // packages that ended in another way than by a failed test
	slow    []string
	long    map[string][]string // tests of a package that took long, with their seconds
}

// longTest is from how long on a test is listed: where a package nears its
// budget one wants to know what of it takes the time.
const longTest = 8 // seconds

func newJudge(out io.Writer, limits budgets) *judge {
	return &judge{out: out, limits: limits, said: map[key][]string{}, tallies: map[string]*tally{}, reasons: map[string]int{},
		broken: map[string]map[string]bool{}, cut: map[string]bool{}, long: map[string][]string{}}
}

// read follows events to their end. What is no event is passed on.
func (j *judge) read(events *bufio.Reader) error {
	for {
		line, err := events.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				j.take(e)
			} else {
				fmt.Fprintf(j.out, "%s", line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (j *judge) take(e event) {
	at := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(j.out, e.Output)
	case "output":
		j.said[at] = append(j.said[at], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			j.ended(e)
		} else {
			j.tested(at, e.Action)
			if e.Elapsed >= longTest && !strings.Contains(e.Test, "/") {
				j.long[e.Package] = append(j.long[e.Package], fmt.Sprintf("%14.2f s  %s\n", e.Elapsed, e.Test))
			}
		}
		delete(j.said, at)
	}
}

// tested counts one test and prints what a failed one said.
func (j *judge) tested(at key, action string) {
	t := j.tallies[at.pkg]
	if t == nil {
		t = &tally{}
		j.tallies[at.pkg] = t
	}
	switch action {
	case "pass":
		t.passed++
	case "skip":
		t.skipped++
		j.reasons[reason(j.said[at])]++
	case "fail":
		t.failed++
		if j.broken[at.pkg] == nil {
			j.broken[at.pkg] = map[string]bool{}
		}
		top, _, _ := strings.Cut(at.test, "/")
		j.broken[at.pkg][top] = true
		fmt.Fprintf(j.out, "--- FAIL %s %s\n%s", at.pkg, at.test, strings.Join(j.said[at], ""))
	}
}

// reason is what a skipped test said, without its place in the source.
func reason(said []string) string {
	for _, line := range said {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		if place, text, found := strings.Cut(line, ": "); found && strings.Contains(place, ".go:") {
			return text
		}
		return line
	}
	return "no reason given"
}

// ended prints a package's line and holds it to its budget.
func (j *judge) ended(e event) {
	t := j.tallies[e.Package]
	if t == nil {
		t = &tally{}
	}
	if e.Action == "fail" {
		j.failed = append(j.failed, e.Package)
		// A test binary that ran to its end with failed tests says FAIL last of all;
		// after a panic or at its time limit it says nothing more.
		j.cut[e.Package] = !slices.Contains(j.said[key{e.Package, ""}], "FAIL\n")
		if t.failed == 0 { // it did not build, or panicked, or exited
			fmt.Fprint(j.out, strings.Join(j.said[key{e.Package, ""}], ""))
		}
	}
	if e.Action == "skip" {
		return // no test files
	}
	took := time.Duration(e.Elapsed * float64(time.Second))
	limit := j.limits.of(e.Package)
	note := ""
	if took > limit {
		note = fmt.Sprintf("   TOO SLOW: at most %v", limit)
		j.slow = append(j.slow, e.Package)
	}
	fmt.Fprintf(j.out, "%8.2f s  %-4s  %s  %s%s\n", took.Seconds(), e.Action, e.Package, t, note)
	fmt.Fprint(j.out, strings.Join(j.long[e.Package], ""))
}

func (t *tally) String() string {
	text := fmt.Sprintf("(%d passed", t.passed)
	if t.failed > 0 {
		text += fmt.Sprintf(", %d failed", t.failed)
	}
	if t.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", t.skipped)
	}
	return text + ")"
}

// verdict sums up, and answers which packages failed, or nil.
func (j *judge) verdict() error {
	var sum tally
	for _, t := range j.tallies {
		sum.passed, sum.failed, sum.skipped = sum.passed+t.passed, sum.failed+t.failed, sum.skipped+t.skipped
	}
	fmt.Fprintf(j.out, "            %d packages, %v\n", len(j.tallies), &sum)
	for _, why := range slices.Sorted(maps.Keys(j.reasons)) {
		fmt.Fprintf(j.out, "            skipped %d: %s\n", j.reasons[why], why)
	}
	if len(j.failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(j.failed, ", "))
	}
	return nil
}

// tooSlow answers which packages were over their budgets, or nil.
func (j *judge) tooSlow() error {
	if len(j.slow) > 0 {
		return fmt.Errorf("over their budget: %s", strings.Join(j.slow, ", "))
	}
	return nil
}

// inAll prints what the whole run took, and holds it to its budget.
func inAll(out io.Writer, limits budgets, took time.Duration) error {
	fmt.Fprintf(out, "%8.2f s  in all, of at most %v\n", took.Seconds(), limits.total)
	if took > limits.total {
		return fmt.Errorf("the run took %v, at most %v is allowed", took.Round(time.Second), limits.total)
	}
	return nil
}
