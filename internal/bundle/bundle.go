// Package bundle tests that a committed bundle of scripts is as new as its sources.
package bundle

import (
	"os"
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
	source, err := os.ReadFile(goFile)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^//go:generate go tool esbuild (.*--outfile=` + regexp.QuoteMeta(outfile) + `)$`).FindSubmatch(source)
	if line == nil {
		t.Fatalf("%s has no go:generate line for esbuild that writes %s", goFile, outfile)
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
	if len(result.OutputFiles) != 1 {
		t.Fatalf("esbuild wrote %d files, want 1", len(result.OutputFiles))
	}
	if string(committed) != string(result.OutputFiles[0].Contents) {
		t.Errorf("%s is older than its sources: run `go generate` for this package and commit the result", outfile)
	}
}
