// Package web is the JavaScript SDK: one typed ES module with which a page
// joins calls by the protocol of docs/protocol.md. Beside it lies compact.js, which
// it fetches to say the same in fewer bytes.
//
// The sources are the TypeScript files in src; dist/rivulet.js is built from
// them with `go generate` and committed, so that building the server needs
// nothing but Go. dist/rivulet.d.ts is its interface and kept by hand; tests
// hold both against the sources.
package web

import (
	"embed"
	"io/fs"
)

//go:generate go tool esbuild src/index.ts --bundle --format=esm --target=es2022 --charset=utf8 --outfile=dist/rivulet.js
//go:generate go tool esbuild src/compact.ts --bundle --loader:.txt=text --legal-comments=inline --minify --format=esm --target=es2022 --charset=utf8 --outfile=dist/compact.js

//go:embed dist
var dist embed.FS

// Files holds rivulet.js, rivulet.d.ts and compact.js.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // The embedded folder is missing from the build: our own fault.
	}
	return files
}
