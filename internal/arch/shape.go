package arch

import (
	"fmt"
	"go/ast"
	"strings"
)

const (
	// maxFile is the longest file in lines. 400 is where to look for its
	// second idea; this is where one must have been found.
	maxFile = 500
	// maxFunction is the longest function in lines, likewise above 80.
	maxFunction = 90
)

// lengths checks the length of one file and of its functions. Generated files
// are as long as they are.
func lengths(f File) (found []Violation) {
	if ast.IsGenerated(f.Syntax) {
		return nil
	}
	if lines := f.Set.File(f.Syntax.FileStart).LineCount(); lines > maxFile {
		found = append(found, Violation{"shape", f.Path, 1, fmt.Sprintf("file of %d lines, at most %d", lines, maxFile)})
	}
	for _, d := range f.Syntax.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := f.Set.Position(function.End()).Line - f.line(function) + 1
		if lines > maxFunction {
			found = append(found, Violation{"shape", f.Path, f.line(function),
				fmt.Sprintf("function %s of %d lines, at most %d", function.Name.Name, lines, maxFunction)})
		}
	}
	return found
}

// comment checks that a package says what it is for.
func comment(p Package) []Violation {
	for _, f := range p.Files {
		text := f.Syntax.Doc.Text()
		if name := f.Syntax.Name.Name; strings.HasPrefix(text, "Package "+name+" ") ||
			(name == "main" && strings.TrimSpace(text) != "") {
			return nil
		}
	}
	return []Violation{{"shape", p.Path, 0, "no package comment that begins with its name"}}
}
