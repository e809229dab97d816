package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func limits(t *testing.T, text string) budgets {
	t.Helper()
	b, err := readBudgets(strings.NewReader(text), "pure")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// judged answers what was printed and the verdict on a run of the given events.
func judged(t *testing.T, took time.Duration, events ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	j := newJudge(&out, limits(t, "pure total 100\npure * 2\npure sfu/peer 10.5 # sockets\nreal * 1\n"))
	if err := j.read(bufio.NewReader(strings.NewReader(strings.Join(events, "\n")))); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(j.verdict(), j.tooSlow(), inAll(&out, j.limits, took))
	return out.String(), err
}

func TestGoodRun(t *testing.T) {
	out, err := judged(t, 99*time.Second,
		`{"Action":"start","Package":"m/sfu/peer"}`,
		`{"Action":"run","Package":"m/sfu/peer","Test":"TestA"}`,
		`{"Action":"output","Package":"m/sfu/peer","Test":"TestA","Output":"quiet words\n"}`,
		`{"Action":"pass","Package":"m/sfu/peer","Test":"TestA","Elapsed":10}`,
		`{"Action":"output","Package":"m/sfu/peer","Test":"TestB","Output":"=== RUN   TestB\n"}`,
		`{"Action":"output","Package":"m/sfu/peer","Test":"TestB","Output":"    a_test.go:7: needs a browser: run make\n"}`,
		`{"Action":"skip","Package":"m/sfu/peer","Test":"TestB","Elapsed":0}`,
		`{"Action":"pass","Package":"m/sfu/peer","Elapsed":10.25}`,
		`{"Action":"skip","Package":"m/empty","Elapsed":0}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.25 s  pass  m/sfu/peer  (1 passed, 1 skipped)\n         10.00 s  TestA\n", "skipped 1: needs a browser: run make\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "quiet words") || strings.Contains(out, "m/empty") {
		t.Errorf("printed what nobody needs:\n%s", out)
	}
}

func TestBadRuns(t *testing.T) {
	tests := []struct {
		name   string
		took   time.Duration
		events []string
		says   string
		prints string
	}{
		{"a test fails", time.Second, []string{
			`{"Action":"output","Package":"m/a","Test":"TestA","Output":"it broke\n"}`,
			`{"Action":"fail","Package":"m/a","Test":"TestA"}`,
			`{"Action":"fail","Package":"m/a","Elapsed":1}`,
		}, "failed: m/a", "it broke\n"},
		{"a package panics", time.Second, []string{
			`{"Action":"output","Package":"m/a","Output":"panic: no\n"}`,
			`{"Action":"fail","Package":"m/a","Elapsed":1}`,
		}, "failed: m/a", "panic: no\n"},
		{"a package does not build", time.Second, []string{
			`{"ImportPath":"m/a","Action":"build-output","Output":"a.go:1:1: expected\n"}`,
			`{"Action":"fail","Package":"m/a","Elapsed":0}`,
		}, "failed: m/a", "a.go:1:1: expected\n"},
		{"over its own budget", time.Second, []string{`{"Action":"pass","Package":"m/sfu/peer","Elapsed":10.6}`}, "over their budget: m/sfu/peer", "TOO SLOW: at most 10.5s"},
		{"over everybody's budget", time.Second, []string{`{"Action":"pass","Package":"m/a","Elapsed":2.1}`}, "over their budget: m/a", "TOO SLOW: at most 2s"},
		{"over the total", 101 * time.Second, []string{`{"Action":"pass","Package":"m/a","Elapsed":1}`}, "the run took 1m41s", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, err := judged(t, test.took, test.events...)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("verdict %v, want %q", err, test.says)
			}
			if !strings.Contains(out, test.prints) {
				t.Errorf("no %q in\n%s", test.prints, out)
			}
		})
	}
}

func TestBudgetsAreStrict(t *testing.T) {
	for _, text := range []string{
		"pure total\n", "pure total x\n", "pure total -1\n", "pure total NaN\n", "pure total 1\n", "pure * 1\n", "",
	} {
		if _, err := readBudgets(strings.NewReader(text), "pure"); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// The committed file has both phases of `make test`, within twelve minutes.
func TestCommittedBudgets(t *testing.T) {
	var sum time.Duration
	for _, phase := range []string{"pure", "real"} {
		f, err := os.Open(filepath.Join("..", "..", "scripts", "test-budgets.txt"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := readBudgets(f, phase)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		sum += b.total
	}
	if sum > 12*time.Minute {
		t.Errorf("both phases may take %v, at most 12 minutes are allowed", sum)
	}
}
