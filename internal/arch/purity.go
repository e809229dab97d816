package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cores lists the pure packages: they are told the time and what happened, and
// return what to do. A list of packages, not of trees.
var cores = []string{
	"bwe", "bwe/units", "bwe/pacing", "bwe/feedback",
	"codec", "codec/opuspkt", "codec/red", "codec/jitter", "codec/quality",
	"sfu/packet", "sfu/uplink", "sfu/speaker", "sfu/layer", "sfu/encoding", "sfu/rewrite", "sfu/fec", "sfu/voice", "sfu/blend",
	"sfu/allocator", "sfu/downlink", "sfu/call", "sfu/direct",
	"loadtest/link", "loadtest/media",
}

// Pure says whether a package is a core.
func Pure(name string) bool { return slices.Contains(cores, name) }

// impure lists the trees of the standard library that hold a clock, a lock, a
// file, the network or chance.
var impure = []string{
	"context", "crypto/rand", "hash/maphash", "log", "net", "os", "plugin", "runtime", "sync", "syscall", "testing", "unsafe",
}

// exempt lists the exceptions from impure: netip holds addresses and does
// nothing; a packet is shared between workers by counting references.
var exempt = map[string][]string{
	"net/netip":   nil, // for everybody
	"sync":        {"sfu/packet"},
	"sync/atomic": {"sfu/packet"},
}

// parsers lists the third-party modules that a core may use: they only read and
// write packets.
var parsers = []string{"github.com/pion/rtp", "github.com/pion/rtcp"}

// clocks lists what must not be taken from package time.
var clocks = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Timer", "Ticker", "LoadLocation", "Local",
}

// seeded lists what may be taken from the packages math/rand: sources whose
// seed the caller chooses. Their other functions draw from a global one.
var seeded = []string{"New", "NewPCG", "NewChaCha8", "NewSource", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}

// purity checks one file of a core.
func purity(module, name string, f File) (found []Violation) {
	report := func(line int, format string, args ...any) {
		found = append(found, Violation{"purity", f.Path, line, fmt.Sprintf(format, args...)})
	}
	for imported, line := range f.Imports() {
		if inner, ours := inside(module, imported); ours {
			if !Pure(inner) {
				report(line, "a core imports cores only, not %s", inner)
			}
		} else if reason := unfit(name, imported); reason != "" {
			report(line, "%s", reason)
		}
	}
	locals := localNames(f)
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(f.line(n), "a core starts no goroutine")
		case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
			report(f.line(n), "a core has no channels")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				report(f.line(n), "a core has no channels")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				if reason := forbidden(locals[x.Name], n.Sel.Name); reason != "" {
					report(f.line(n), "%s", reason)
				}
			}
		}
		return true
	})
	for _, spec := range f.Syntax.Imports {
		if spec.Name != nil && spec.Name.Name == "." {
			report(f.line(spec), "a core has no dot imports: they hide what it uses")
		}
	}
	return found
}

// unfit says why a core must not have an import from outside the module.
func unfit(name, imported string) string {
	if by, listed := exempt[imported]; listed && (by == nil || slices.Contains(by, name)) {
		return ""
	}
	if standard(imported) {
		for _, tree := range impure {
			if within(imported, tree) {
				return "a core does not import " + imported
			}
		}
		return ""
	}
	if !anyTree(imported, parsers) {
		return "a core imports no third-party code but packet parsers, not " + imported
	}
	return ""
}

// localNames answers which import each package name of a file stands for.
func localNames(f File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if name == "v2" {
			name = path.Base(path.Dir(imported))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}

// forbidden says why a core must not use that name of a package.
func forbidden(imported, name string) string {
	switch imported {
	case "time":
		if slices.Contains(clocks, name) {
			return "a core is told the time: no time." + name
		}
	case "math/rand", "math/rand/v2":
		if !slices.Contains(seeded, name) {
			return "a core draws from a seeded source only: no rand." + name
		}
	case "fmt":
		if strings.HasPrefix(name, "Print") || strings.HasPrefix(name, "Scan") {
			return "a core does not use the console: no fmt." + name
		}
	}
	return ""
}
