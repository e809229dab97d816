package bwe

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each pair of state and event is either a line of the table or no change.
func TestOnlyTheTableChangesStates(t *testing.T) {
	for from := range numStates {
		for on := range numEvents {
			var line *transition
			for i := range transitions {
				l := &transitions[i]
				if !l.from.has(uint8(from)) || !l.on.has(uint8(on)) {
					continue
				}
				if line != nil {
					t.Errorf("%v: event %d has two lines: %q and %q", from, on, line.reason, l.reason)
				}
				line = l
			}
			m := machine{state: from, reason: "before"}
			did := m.apply(on)
			switch {
			case line == nil && (did || m.state != from || m.reason != "before"):
				t.Errorf("%v: event %d has no line and led to %v", from, on, m.state)
			case line != nil && (!did || m.state != line.to || m.reason != line.reason):
				t.Errorf("%v: event %d led to %v (%s), and not to %v (%s)", from, on, m.state, m.reason, line.to, line.reason)
			case line != nil && line.to == from:
				t.Errorf("%v: event %d leads where it came from", from, on)
			}
		}
	}
}

// Whatever the state, what is found leads to the state for it in at most two
// changes; what waits for something to happen waits.
func TestEachConditionHasItsState(t *testing.T) {
	for e, home := range map[event]State{
		unlimited: Startup, probed: Probing, queued: Drain, foreign: Compete, unused: AppLimited, steady: Track,
	} {
		for from := range numStates {
			m := machine{state: from}
			n := 0
			for m.apply(e) {
				if n++; n > 2 {
					t.Fatalf("from %v event %d leads in a circle", from, e)
				}
			}
			want := home
			switch {
			case from == Blackout || from == Coarse:
				want = from
			case from == Startup && e == steady:
				want = Track
			}
			if m.state != want {
				t.Errorf("from %v event %d leads to %v, want %v", from, e, m.state, want)
			}
		}
	}
}

// No other line of the package writes a state.
func TestOneFunctionWritesTheState(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	writes := regexp.MustCompile(`(machine|\bm)(\.state\b[^=!<>\n]*=[^=]| = machine\{)`)
	var found []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range writes.FindAllString(string(b), -1) {
			found = append(found, f.Name()+": "+w)
		}
	}
	if len(found) != 1 || !strings.HasPrefix(found[0], "states.go: m.state") {
		t.Errorf("the state is written at %q", found)
	}
}

// The drawings show the table, no less and no more.
func TestDrawings(t *testing.T) {
	drawn := regexp.MustCompile(`(?m)^(//\t)?[A-Z][A-Za-z ]+ -- [^\n]+> [A-Z][A-Za-z]+$`)
	for name, indent := range map[string]string{"bwe.go": "//\t", "../docs/bwe.md": ""} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for l := range strings.Lines(Drawing()) {
			want.WriteString(indent + l)
		}
		if !strings.Contains(string(b), want.String()) || len(drawn.FindAll(b, -1)) != len(transitions) {
			t.Errorf("%s does not show the table of states:\n%s", name, want.String())
		}
	}
}
