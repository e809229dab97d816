package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// mostAgain is how many failed tests get a second try in one run. More of them
// are no matter of chance.
const mostAgain = 3

// second is one `go test` of failed tests of one package.
type second struct {
	pkg   string
	tests []string // top-level names, sorted
}

// again plans the second tries of a run, or answers why there are none: too many
// tests failed, or a package ended in another way than by failed tests (a panic,
// a time limit, a build error), so that nobody knows what else would have failed.
func (j *judge) again() ([]second, error) {
	var plan []second
	tests := 0
	for _, pkg := range slices.Sorted(slices.Values(j.failed)) {
		names := slices.Sorted(maps.Keys(j.broken[pkg]))
		if len(names) == 0 || j.cut[pkg] {
			return nil, fmt.Errorf("%s did not end by failed tests alone", pkg)
		}
		tests += len(names)
		plan = append(plan, second{pkg, names})
	}
	if tests > mostAgain {
		return nil, fmt.Errorf("%d tests failed, a second try is for at most %d", tests, mostAgain)
	}
	return plan, nil
}

// command answers the command that runs s alone: first's flags, without the
// packages that the first run reported.
func (s second) command(first []string, reported map[string]*tally) []string {
	command := slices.DeleteFunc(slices.Clone(first), func(arg string) bool { return arg == "./..." || reported[arg] != nil })
	quoted := make([]string, len(s.tests))
	for i, name := range s.tests {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return append(command, "-run", "^("+strings.Join(quoted, "|")+")$", s.pkg)
}

// tryAgain gives what failed in first one more try, by go, which runs a command
// and answers its judge. It answers nil where everything held then; a test that
// needed it is named at the end of the output, for whoever mends it.
func tryAgain(out io.Writer, first *judge, command []string, run func([]string) (*judge, error)) error {
	plan, err := first.again()
	if err != nil {
		return fmt.Errorf("no second try: %w", err)
	}
	for _, s := range plan {
		fmt.Fprintf(out, "second try: %s %s\n", s.pkg, strings.Join(s.tests, ", "))
		judge, err := run(s.command(command, first.tallies))
		if err != nil {
			return err
		}
		held := judge.tallies[s.pkg]
		if len(judge.failed) > 0 || held == nil || held.passed < len(s.tests) {
			return fmt.Errorf("failed twice: %s", s.pkg)
		}
	}
	for _, s := range plan {
		for _, name := range s.tests {
			fmt.Fprintf(out, "            SHAKY: %s %s held at the second try only\n", s.pkg, name)
		}
	}
	return nil
}
