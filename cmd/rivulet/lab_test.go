package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// labs runs one command line of the lab.
func labs(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	var cmd labCommand
	parser, err := kong.New(&cmd, kong.Bind(&console{out: &o, err: &e, args: append([]string{"lab"}, args...)}), kong.BindTo(t.Context(), (*context.Context)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	err = parsed.Run()
	return o.String(), err
}

func TestLabRunWritesEverything(t *testing.T) {
	dir := t.TempDir()
	jsonFile, page, board := filepath.Join(dir, "a.json"), filepath.Join(dir, "a.html"), filepath.Join(dir, "a.md")
	table := filepath.Join(dir, "a.csv")
	out, err := labs(t, "run", "--scenario", "udp-on-off", "--scenario", "feedback-50k", "--seeds", "1", "--no-fail",
		"--json", jsonFile, "--html", page, "--markdown", board, "--csv", table)
	if err != nil || !strings.Contains(out, "udp-on-off") || !strings.Contains(out, "feedback-50k") {
		t.Fatalf("%v:\n%s", err, out)
	}
	text, err := os.ReadFile(jsonFile)
	if err != nil {
		t.Fatal(err)
	}
	var results []map[string]any
	if err := json.Unmarshal(text, &results); err != nil || len(results) != 2 || results[0]["pass"] != true || results[1]["cc"] != "rivulet" {
		t.Errorf("%v: %s", err, text)
	}
	for path, want := range map[string]string{page: "<!doctype html>", board: "| feedback-50k | rivulet | 1 |", table: "\nfeedback-50k,rivulet,1,0.2,50,"} {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %q: %v", path, want, err)
		}
	}
	if text, err := os.ReadFile(board); err != nil || !strings.HasPrefix(string(text), "`rivulet lab run --scenario udp-on-off ") {
		t.Errorf("the scoreboard does not begin with its command: %v:\n%s", err, text)
	}
	if out, err := labs(t, "compare", jsonFile, jsonFile); err != nil || !strings.Contains(out, "0 figures better, 0 worse, 2 scenarios the same") {
		t.Errorf("compare with itself: %v:\n%s", err, out)
	}
	out, err = labs(t, "run", "--scenario", "rfc8867-6.2", "--backend", "full", "--no-fail")
	if err != nil || !strings.Contains(out, "not built  rfc8867-6.2: ") || !strings.Contains(out, "0 met, 0 missed, 1 not built") {
		t.Errorf("what is not built: %v:\n%s", err, out)
	}
	if _, err := labs(t, "run", "--scenario", "rfc8867-6.2", "--backend", "full"); !errors.Is(err, errMissed) {
		t.Errorf("what is not built: %v, want %v", err, errMissed)
	}
}

func TestLabRunOverOnesOwn(t *testing.T) {
	trace := write(t, "train.csv", "time,kbit/s\n0,300\n5,200\n")
	network := write(t, "mine.yaml", "name: mine\ndown: {trace: "+trace+", queue: {delay: 300ms}, delay: 40ms}\nup: {delay: 40ms}\n")
	for _, args := range [][]string{{"--trace", trace}, {"--profile", network}, {"--profile", "gprs"}} {
		out, err := labs(t, append([]string{"run", "--seeds", "1", "--duration", "8s"}, args...)...)
		if err != nil || !strings.Contains(out, "0 met, 0 missed, 0 not built, 1 without a target") {
			t.Errorf("%v: %v:\n%s", args, err, out)
		}
	}
}

func TestLabSaysWhatIsWrong(t *testing.T) {
	broken := write(t, "broken.csv", "0,300\n1,-5\n")
	empty, unsorted := write(t, "empty.csv", ""), write(t, "unsorted.csv", "0,300\n5,200\n3,100\n")
	binary := write(t, "binary.csv", "\x7fELF\x02\x01\x01\x00")
	absurd := write(t, "absurd.yaml", "name: x\ndown:\n  rate: 1e99M\nup: {}\n")
	lost := write(t, "lost.yaml", "name: x\ndown:\n  trace: gone.csv\nup: {}\n")
	unknown := write(t, "unknown.yaml", "name: x\ndown: {}\nup: {}\ncolour: red\n")
	for _, c := range []struct {
		want string
		args []string
	}{
		{`no suite "best"`, []string{"run", "--suite", "best"}},
		{`no scenario "x" in suite core: there are steady-1m`, []string{"run", "--suite", "core", "--scenario", "x"}},
		{`no suite "best"`, []string{"run", "--suite", "core,best"}},
		{`no scenario "x" in suite core,rfc8867: there are steady-1m`, []string{"run", "--suite", "core,rfc8867", "--scenario", "x"}},
		{`no profile "5g": there are 2g-rural`, []string{"run", "--profile", "5g"}},
		{"no such file", []string{"run", "--profile", "./none.yaml"}},
		{`unknown.yaml:4:1: unknown field "colour"`, []string{"run", "--profile", unknown}},
		{"broken.csv: trace: line 2: rate: -5 is negative", []string{"run", "--trace", broken}},
		{"empty.csv: trace: line 1: the trace is empty", []string{"run", "--trace", empty}},
		{"unsorted.csv: trace: line 3: 3 s does not come after 5 s: not sorted", []string{"run", "--trace", unsorted}},
		{"binary.csv: trace: line 1: byte 0x7f is not text", []string{"run", "--trace", binary}},
		{"/dev/zero: trace: line 1: longer than 200 bytes, this is no trace", []string{"run", "--trace", "/dev/zero"}},
		{"/dev/zero: longer than 1048576 bytes", []string{"run", "--profile", "/dev/zero"}},
		{"absurd.yaml:3:9: 1e99M is negative or absurdly large", []string{"run", "--profile", absurd}},
		{"lost.yaml:3:3: down: trace: open ", []string{"run", "--profile", lost}},
		{"none.csv: no such file", []string{"run", "--trace", "none.csv"}},
		{"--cc must be one of", []string{"run", "--cc", "googcc"}},
		{"--backend full only", []string{"run", "--cc", "pion-gcc"}},
		{"outside 1 to 1000", []string{"run", "--seeds=5000"}},
		{"duration 1ns is outside", []string{"run", "--profile", "gprs", "--duration", "1ns"}},
		{"not results of", []string{"compare", broken, broken}},
		{"outside 1 to 100", []string{"freezes", "--seeds", "0"}},
		{`no scenario "loss-10" in suite calls`, []string{"freezes", "--scenario", "loss-10"}},
	} {
		if _, err := labs(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want one with %q", c.args, err, c.want)
		}
	}
}

func TestLabProfilesNamesSources(t *testing.T) {
	out, err := labs(t, "profiles")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gprs", "50.0 kbit/s / 20.0 kbit/s", "240.0 kbit/s..120.0 kbit/s", "Meta Augmented Traffic Control"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
}

// TestLabNeedsItsFolderFirst: a file that cannot be written is said before
// anything is run, and --repair only with figures that make sense.
func TestLabNeedsItsFolderFirst(t *testing.T) {
	out, err := labs(t, "run", "--scenario", "feedback-50k", "--json", filepath.Join(t.TempDir(), "none", "a.json"))
	if err == nil || !strings.Contains(err.Error(), "make the folder first") || out != "" {
		t.Errorf("%v after %q", err, out)
	}
	if out, err := labs(t, "run", "--scenario", "feedback-50k", "--html", t.TempDir()); err == nil || !strings.Contains(err.Error(), "it is a folder") || out != "" {
		t.Errorf("%v after %q", err, out)
	}
	if out, err := labs(t, "run", "--scenario", "loss-10", "--seeds", "1", "--repair", "200ms", "--no-fail"); err != nil || !strings.Contains(out, "left %") {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, args := range [][]string{{"--repair", "1h"}, {"--repair", "-1s"}, {"--repair", "1s", "--backend", "full"}} {
		if _, err := labs(t, append([]string{"run", "--scenario", "loss-10"}, args...)...); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
