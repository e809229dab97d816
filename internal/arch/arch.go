// Package arch checks that the repository keeps the shape that was agreed for
// it, and is run by its own tests only.
//
// Input is a file tree of Go sources; output is a list of violations. Files are
// parsed and never compiled, so that every build constraint is covered at once.
// Test files may do what they like.
//
// The rules, each in the file of its name:
//
//	edges   imports point inward; who may import pion/webrtc, cgo, adapters
//	purity  cores hold no clock, socket, lock, logger, goroutine or channel
//	shape   every package says what it is for; files and functions stay short
package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Violation is one broken rule at one place.
type Violation struct {
	Rule string // edges, purity, shape or syntax
	Path string // slash-separated, relative to the root
	Line int    // 1 or more, or 0 for a whole package
	Text string
}

// String is the violation as a compiler would print it.
func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", v.Path, v.Line, v.Rule, v.Text)
}

// Package is one directory of Go files, without its tests.
type Package struct {
	Path  string // relative to the module: "sfu/peer", "." for the root
	Files []File
}

// File is one parsed source file.
type File struct {
	Path   string
	Set    *token.FileSet
	Syntax *ast.File
}

// Imports answers the paths that the file imports, each with its line.
func (f File) Imports() map[string]int {
	imports := map[string]int{}
	for _, spec := range f.Syntax.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			imports[name] = f.line(spec)
		}
	}
	return imports
}

func (f File) line(node ast.Node) int { return f.Set.Position(node.Pos()).Line }

// Load parses every Go file of a module that is neither a test nor in a
// directory that the go command ignores, nor in a module of its own. Files that
// cannot be parsed are answered as violations.
func Load(root fs.FS) (packages []Package, broken []Violation, err error) {
	byPath := map[string]*Package{}
	set := token.NewFileSet()
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skip(root, name)
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || hidden(path.Base(name)) {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			broken = append(broken, Violation{"syntax", name, 1, err.Error()})
			return nil
		}
		directory := path.Dir(name)
		if byPath[directory] == nil {
			byPath[directory] = &Package{Path: directory}
		}
		byPath[directory].Files = append(byPath[directory].Files, File{name, set, syntax})
		return nil
	})
	for _, p := range byPath {
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b Package) int { return cmp.Compare(a.Path, b.Path) })
	return packages, broken, err
}

// skip answers fs.SkipDir for directories that are no part of the module.
func skip(root fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if hidden(base) || base == "testdata" || base == "vendor" || base == "node_modules" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func hidden(base string) bool { return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") }

// Check applies all rules to the packages of a module.
func Check(module string, packages []Package) []Violation {
	var all []Violation
	for _, p := range packages {
		for _, f := range p.Files {
			all = append(all, edges(module, p.Path, f)...)
			if Pure(p.Path) {
				all = append(all, purity(module, p.Path, f)...)
			}
			all = append(all, lengths(f)...)
		}
		all = append(all, comment(p)...)
	}
	slices.SortFunc(all, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// within says whether a package or import path is that of tree or below it.
func within(name, tree string) bool {
	return name == tree || strings.HasPrefix(name, tree+"/")
}

// inside answers the path of an import relative to the module, if it is in it.
func inside(module, imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// standard says whether an import is of the standard library: its first element
// has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
