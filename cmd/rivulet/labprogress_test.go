package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// TestProgressOfSeveralParts: a line for each tenth, of the second part as of
// the first.
func TestProgressOfSeveralParts(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b)
	for range 2 {
		for i := range 20 {
			p.tell(i+1, 20, lab.Result{Scenario: "x", Seed: 1})
		}
	}
	if n := strings.Count(b.String(), "\n"); n != 20 {
		t.Errorf("%d lines, want 20:\n%s", n, b.String())
	}
}
