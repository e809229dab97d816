// Package webtest runs tests written in TypeScript in a real headless
// Chromium: the file is bundled in memory, evaluated on an empty page, and each
// of its tests becomes a subtest. Such a file imports test/harness.ts and
// registers its tests there.
package webtest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/evanw/esbuild/pkg/api"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// limit bounds one file with all its tests, the browser's start included.
const limit = 60 * time.Second

// result is what the harness answers for one test.
type result struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// Run runs the tests of a file. It skips aloud where no browser is allowed.
func Run(t *testing.T, file string) {
	t.Helper()
	browser := testenv.Browser(t)
	script := bundle(t, file)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ctx, stop := chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(
		chromedp.ExecPath(browser), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("use-fake-device-for-media-stream", "fps=30"), chromedp.Flag("use-fake-ui-for-media-stream", true),
	))
	defer stop()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("open a page: %v", err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script+"\nharness.run()", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("run %s: %v", file, err)
	}
	var results []result
	if err := json.Unmarshal([]byte(text), &results); err != nil {
		t.Fatalf("read the results: %v", err)
	}
	if len(results) == 0 {
		t.Fatalf("%s registered no test", file)
	}
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) {
			if r.Error != "" {
				t.Error(r.Error)
			}
		})
	}
}

// bundle builds a file into one script that leaves a global harness.
func bundle(t *testing.T, file string) string {
	t.Helper()
	built := api.Build(api.BuildOptions{
		EntryPoints: []string{file}, Bundle: true, Format: api.FormatIIFE, GlobalName: "harness",
		Target: api.ES2022, LogLevel: api.LogLevelSilent, Loader: map[string]api.Loader{".txt": api.LoaderText, ".css": api.LoaderText},
	})
	for _, message := range built.Errors {
		t.Fatalf("bundle %s: %s", file, message.Text)
	}
	return string(built.OutputFiles[0].Contents)
}
