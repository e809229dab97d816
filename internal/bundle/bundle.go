// Package bundle tests that a committed bundle of scripts is as new as its sources.
package bundle

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/evanw/esbuild/pkg/cli"
)

// Fresh runs the line "//go:generate go tool esbuild ... --outfile=outfile" of a Go
// file of the tested package in memory, and fails where the result is not what is
// committed.
func Fresh(t *testing.T, goFile, outfile string, committed []byte) {
	t.Helper()
	built := build(t, goFile, "outfile="+outfile)
	if len(built) != 1 {
		t.Fatalf("esbuild wrote %d files, want 1", len(built))
	}
	if string(committed) != string(built[0].Contents) {
		t.Errorf("%s is older than its sources: run `go generate` for this package and commit the result", outfile)
	}
}

// FreshAll does so for a line that writes a folder: no script in it may be older
// than its sources, nor be there without any.
func FreshAll(t *testing.T, goFile, outdir string) {
	t.Helper()
	left := make(map[string]bool)
	present, err := filepath.Glob(filepath.Join(outdir, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range present {
		left[filepath.Base(name)] = true
	}
	for _, file := range build(t, goFile, "outdir="+outdir) {
		name := filepath.Base(file.Path)
		delete(left, name)
		committed, err := os.ReadFile(filepath.Join(outdir, name))
		if err != nil || string(committed) != string(file.Contents) {
			t.Errorf("%s is older than its sources, or missing (%v): run `go generate` for this package and commit the result", name, err)
		}
	}
	for name := range left {
		t.Errorf("%s/%s is made of nothing any longer: remove it", outdir, name)
	}
}

// build runs esbuild in memory as the line does that writes there.
func build(t *testing.T, goFile, out string) []api.OutputFile {
	t.Helper()
	source, err := os.ReadFile(goFile)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^//go:generate go tool esbuild (.*--` + regexp.QuoteMeta(out) + `)$`).FindSubmatch(source)
	if line == nil {
		t.Fatalf("%s has no go:generate line for esbuild with --%s", goFile, out)
	}
	options, err := cli.ParseBuildOptions(strings.Fields(string(line[1])))
	if err != nil {
		t.Fatal(err)
	}
	options.Write = false
	options.LogLevel = api.LogLevelSilent
	result := api.Build(options)
	for _, message := range result.Errors {
		t.Errorf("esbuild: %s", message.Text)
	}
	return result.OutputFiles
}
