package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// budgets are the limits of one phase.
type budgets struct {
	total time.Duration            // of the whole run, building included
	other time.Duration            // of a package that is not named
	named map[string]time.Duration // by path inside the module
}

// of answers the budget of a package by its import path.
func (b budgets) of(pkg string) time.Duration {
	for name, limit := range b.named {
		if pkg == name || strings.HasSuffix(pkg, "/"+name) {
			return limit
		}
	}
	return b.other
}

// readBudgets reads lines of "phase package seconds"; package is a path inside
// the module, * for those that have no line, or total for the whole phase.
// Empty lines and what follows # mean nothing.
func readBudgets(r io.Reader, phase string) (budgets, error) {
	b := budgets{named: map[string]time.Duration{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 {
			return b, fmt.Errorf("line %d: want: phase package seconds", n)
		}
		seconds, err := strconv.ParseFloat(fields[2], 64)
		if err != nil || !(seconds > 0) || seconds > 86400 {
			return b, fmt.Errorf("line %d: %q is no number of seconds", n, fields[2])
		}
		if fields[0] != phase {
			continue
		}
		limit := time.Duration(seconds * float64(time.Second))
		switch fields[1] {
		case "total":
			b.total = limit
		case "*":
			b.other = limit
		default:
			b.named[fields[1]] = limit
		}
	}
	if err := lines.Err(); err != nil {
		return b, err
	}
	if b.total == 0 || b.other == 0 {
		return b, fmt.Errorf("phase %q needs a line for total and one for *", phase)
	}
	return b, nil
}
