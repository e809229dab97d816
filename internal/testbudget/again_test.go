package main

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"
)

// Events of a package with failed tests whose test binary said last in the end.
func failing(pkg, last string, tests ...string) []string {
	var events []string
	for _, test := range tests {
		events = append(events, `{"Action":"fail","Package":"`+pkg+`","Test":"`+test+`"}`)
	}
	return append(events,
		`{"Action":"output","Package":"`+pkg+`","Output":"`+last+`\n"}`,
		`{"Action":"fail","Package":"`+pkg+`","Elapsed":1}`)
}

func judgeOf(t *testing.T, events []string) *judge {
	t.Helper()
	j := newJudge(&bytes.Buffer{}, limits(t, "pure total 100\npure * 2\n"))
	if err := j.read(bufio.NewReader(strings.NewReader(strings.Join(events, "\n")))); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestSecondTry(t *testing.T) {
	first := []string{"go", "test", "-json", "-p", "1", "m/a", "m/b"}
	passed := []string{`{"Action":"pass","Package":"m/a","Test":"TestA"}`, `{"Action":"pass","Package":"m/a","Elapsed":1}`}
	skipped := []string{`{"Action":"skip","Package":"m/a","Test":"TestA"}`, `{"Action":"pass","Package":"m/a","Elapsed":1}`}
	nothing := []string{`{"Action":"pass","Package":"m/a","Elapsed":1}`}
	tests := []struct {
		name    string
		events  []string
		second  []string
		command []string // of the second try
		says    string   // the error
		prints  string
	}{
		{"holds then", failing("m/a", "FAIL", "TestA/one", "TestA"), passed, []string{"go", "test", "-json", "-p", "1", "-run", "^(TestA)$", "m/a"}, "", "SHAKY: m/a TestA"},
		{"fails twice", failing("m/a", "FAIL", "TestA"), failing("m/a", "FAIL", "TestA"), []string{"go", "test", "-json", "-p", "1", "-run", "^(TestA)$", "m/a"}, "failed twice: m/a", ""},
		{"skips then", failing("m/a", "FAIL", "TestA"), skipped, []string{"go", "test", "-json", "-p", "1", "-run", "^(TestA)$", "m/a"}, "failed twice", ""},
		{"does not run then", failing("m/a", "FAIL", "TestA"), nothing, []string{"go", "test", "-json", "-p", "1", "-run", "^(TestA)$", "m/a"}, "failed twice", ""},
		{"a panic", failing("m/a", "FAIL m/a 0.1s", "TestA"), passed, nil, "did not end by failed tests alone", ""},
		{"a build error", []string{`{"Action":"fail","Package":"m/a","Elapsed":0}`}, passed, nil, "did not end by failed tests alone", ""},
		{"a failure outside of a test", failing("m/a", "FAIL"), passed, nil, "did not end by failed tests alone", ""},
		{"too many", failing("m/a", "FAIL", "TestA", "TestB", "TestC", "TestD"), passed, nil, "4 tests failed", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			var ran []string
			err := tryAgain(&out, judgeOf(t, append(test.events, `{"Action":"pass","Package":"m/b","Test":"TestB"}`)), first, func(command []string) (*judge, error) {
				ran = command
				return judgeOf(t, test.second), nil
			})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
			if !slices.Equal(ran, test.command) {
				t.Errorf("ran %q, want %q", ran, test.command)
			}
			if !strings.Contains(out.String(), test.prints) {
				t.Errorf("no %q in %q", test.prints, out.String())
			}
		})
	}
}
