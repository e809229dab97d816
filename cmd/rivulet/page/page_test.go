package page

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/bundle"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// TestBundleIsFresh rebuilds the scripts as the go:generate line of page.go does:
// the committed files cannot be older than their sources, the SDK's included.
func TestBundleIsFresh(t *testing.T) {
	bundle.FreshAll(t, "page.go", "files")
}

func TestHandler(t *testing.T) {
	handler := Handler()
	tests := []struct {
		method, path string
		status       int
		kind         string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/r/garden", 200, "text/html; charset=utf-8"},
		{"GET", "/r/caf%C3%A9%20two", 200, "text/html; charset=utf-8"},
		{"HEAD", "/app.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/chunk.min.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/phone.min.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/sdk/rivulet.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/sdk/compact.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/compact.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/sdk/rivulet.d.ts", 200, "text/plain; charset=utf-8"},
		{"GET", "/r/", 404, ""},
		{"GET", "/r/a/b", 404, ""},
		{"GET", "/files/index.html", 404, ""},
		{"GET", "/../page.go", 404, ""},
		{"POST", "/", 405, ""},
	}
	for _, test := range tests {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, nil))
		if recorder.Code != test.status {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, recorder.Code, test.status)
			continue
		}
		if test.status == 200 && recorder.Header().Get("Content-Type") != test.kind {
			t.Errorf("%s %s: type %q, want %q", test.method, test.path, recorder.Header().Get("Content-Type"), test.kind)
		}
		if test.method == "HEAD" && recorder.Body.Len() != 0 {
			t.Errorf("HEAD %s answered %d bytes of body", test.path, recorder.Body.Len())
		}
	}
}

func TestHandlerCompressesAndRevalidates(t *testing.T) {
	handler := Handler()
	request := httptest.NewRequest("GET", "/app.js", nil)
	request.Header.Set("Accept-Encoding", "br, gzip;q=0.9")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	if got := recorder.Header().Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding %q, want gzip", got)
	}
	// A page for thin links must itself be small: 32 kB are 5 s at 50 kbit/s.
	// What it is made of is asked for at once: the index names the second part.
	shared := httptest.NewRecorder()
	handler.ServeHTTP(shared, &http.Request{Method: "GET", URL: &url.URL{Path: "/chunk.min.js"}, Header: request.Header})
	t.Logf("%d + %d = %d of %d", recorder.Body.Len(), shared.Body.Len(), recorder.Body.Len()+shared.Body.Len(), 32<<10)
	if sum := recorder.Body.Len() + shared.Body.Len(); sum > 32<<10 || shared.Code != 200 {
		t.Errorf("app.js and chunk.min.js are %d and %d bytes compressed; at most %d are wanted of both", recorder.Body.Len(), shared.Body.Len(), 32<<10)
	}
	z, err := gzip.NewReader(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := fs.ReadFile(Files(), "app.js")
	if string(body) != string(want) {
		t.Error("the compressed file is not the file")
	}

	request = httptest.NewRequest("GET", "/app.js", nil)
	request.Header.Set("If-None-Match", recorder.Header().Get("ETag"))
	again := httptest.NewRecorder()
	handler.ServeHTTP(again, request)
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("with the ETag: status %d and %d bytes, want 304 and none", again.Code, again.Body.Len())
	}

	request = httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Accept-Encoding", "gzip;q=0")
	plain := httptest.NewRecorder()
	handler.ServeHTTP(plain, request)
	if plain.Header().Get("Content-Encoding") != "" {
		t.Error("gzip was sent to a client that forbids it")
	}
	if csp := plain.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy is %q", csp)
	}
}

// TestNothingInlineNorForeign holds the page to its own policy: no inline
// script or style, no markup from strings, no address of anybody else.
func TestNothingInlineNorForeign(t *testing.T) {
	html, err := fs.ReadFile(Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`<script>`, `<style`, ` style=`, ` onclick=`, `http://`, `https://`} {
		if strings.Contains(string(html), bad) {
			t.Errorf("index.html contains %q", bad)
		}
	}
	css, err := fs.ReadFile(Files(), "style.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"@import", "url("} {
		if strings.Contains(string(css), bad) {
			t.Errorf("style.css contains %q", bad)
		}
	}
	sources, err := filepath.Glob("src/*.ts")
	if err != nil || len(sources) < 10 {
		t.Fatalf("found %d sources, %v", len(sources), err)
	}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
			if strings.Contains(string(source), bad) {
				t.Errorf("%s uses %s", name, bad)
			}
		}
	}
}

// TestTextsLiveInTheTable finds words for people outside text.ts.
func TestTextsLiveInTheTable(t *testing.T) {
	sources, err := filepath.Glob("src/*.ts")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`(?:text|title|placeholder|"aria-label"): "[^"]+ [^"]+"|announce\(["\x60]`)
	for _, name := range sources {
		if filepath.Base(name) == "text.ts" {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := words.Find(source); found != nil {
			t.Errorf("%s says %s itself: put it into text.ts", name, found)
		}
	}
}

// Whatever the allocator may answer for "why not more" has words on the page,
// and a meaning in the protocol.
func TestEveryReasonHasWords(t *testing.T) {
	table, err := os.ReadFile("src/text.ts")
	if err != nil {
		t.Fatal(err)
	}
	protocol, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, reasons, _ := strings.Cut(string(table), "\n  reasons: {")
	reasons, _, _ = strings.Cut(reasons, "}")
	for r := range allocator.Reasons {
		if !strings.Contains(reasons, " "+r.String()+": \"") {
			t.Errorf("text.ts has no words for %q", r)
		}
		if !strings.Contains(string(protocol), "\n| `"+r.String()+"` |") {
			t.Errorf("docs/protocol.md does not say what %q means", r)
		}
	}
}
