// Package page is the call page: what people open in a browser to talk.
//
// The sources are the TypeScript files in src and what else is in files;
// files/app.js is built from src, together with the SDK of sfu/client/web, by
// `go generate` and committed; so are chunk.min.js, what it shares with phone.min.js,
// and that: ringing and direct paths, which only those fetch who ring. Handler serves it all without any other file,
// compressed once, under a policy that forbids scripts, styles and requests
// from anywhere else.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/rivulet-rtc/rivulet/sfu/client/web"
)

//go:generate go tool esbuild src/app.ts --bundle --splitting --minify --format=esm --target=es2022 --charset=utf8 --chunk-names=[name].min --outdir=files

//go:embed files
var embedded embed.FS

// Files holds index.html, style.css, icon.svg and the scripts.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "files")
	if err != nil {
		panic(err) // The embedded folder is missing from the build: our own fault.
	}
	return files
}

// policy allows the page its own files, its own WebSocket and nothing else.
// ws: and wss: are named because older browsers do not take 'self' to include
// the WebSocket of the same host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is one file as it is sent.
type asset struct {
	kind    string // Content-Type
	tag     string // ETag
	plain   []byte
	zipped  []byte
	isIndex bool
}

// Handler serves the page at / and /r/{room}, its files, and the SDK at
// /sdk/rivulet.js for pages of others, with what that fetches beside itself. Anything else is not found.
func Handler() http.Handler {
	assets := map[string]*asset{
		"/":                 load(Files(), "index.html", "text/html; charset=utf-8"),
		"/style.css":        load(Files(), "style.css", "text/css; charset=utf-8"),
		"/icon.svg":         load(Files(), "icon.svg", "image/svg+xml"),
		"/app.js":           load(Files(), "app.js", "text/javascript; charset=utf-8"),
		"/chunk.min.js":     load(Files(), "chunk.min.js", "text/javascript; charset=utf-8"),
		"/phone.min.js":     load(Files(), "phone.min.js", "text/javascript; charset=utf-8"),
		"/compact.js":       load(web.Files(), "compact.js", "text/javascript; charset=utf-8"),
		"/sdk/rivulet.js":   load(web.Files(), "rivulet.js", "text/javascript; charset=utf-8"),
		"/sdk/compact.js":   load(web.Files(), "compact.js", "text/javascript; charset=utf-8"),
		"/sdk/rivulet.d.ts": load(web.Files(), "rivulet.d.ts", "text/plain; charset=utf-8"),
	}
	assets["/"].isIndex = true
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if isRoom(path) {
			path = "/"
		}
		a := assets[path]
		if a == nil {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a.serve(w, r, strings.HasPrefix(path, "/sdk/"))
	})
}

// isRoom says whether a path is /r/ and one name.
func isRoom(path string) bool {
	name, ok := strings.CutPrefix(path, "/r/")
	return ok && name != "" && !strings.Contains(strings.TrimSuffix(name, "/"), "/")
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request, shared bool) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("ETag", a.tag)
	h.Set("Vary", "Accept-Encoding")
	// The browser asks each time whether the file has changed: a page and its
	// script from two versions would not fit together.
	h.Set("Cache-Control", "no-cache")
	if a.isIndex {
		h.Set("Content-Security-Policy", policy)
		h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self)")
	}
	if shared {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), a.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.plain
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = a.zipped
	}
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // The reader went away; there is nobody to tell.
}

// acceptsGzip says whether the client lists gzip and does not forbid it.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(coding) == "gzip" {
			return strings.Trim(strings.TrimPrefix(strings.TrimSpace(quality), "q="), "0.") != "" || quality == ""
		}
	}
	return false
}

func load(from fs.FS, name, kind string) *asset {
	plain, err := fs.ReadFile(from, name)
	if err != nil {
		panic(err) // Not embedded: our own fault.
	}
	var zipped bytes.Buffer
	// Not the standard library's, whose files are a hundredth larger: what a page
	// for thin links weighs is counted in bytes.
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // The level is a valid one.
	_, _ = z.Write(plain)                                      // A buffer takes everything.
	_ = z.Close()
	sum := sha256.Sum256(plain)
	return &asset{kind: kind, tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, plain: plain, zipped: zipped.Bytes()}
}
