package arch

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"testing"
)

// Functions that the documentation names by `package.Function` or
// `package.Type.method` exist under that name.
func TestDocumentedFunctionsExist(t *testing.T) {
	packages, broken, err := Load(os.DirFS("../.."))
	if err != nil || len(broken) > 0 {
		t.Fatal(err, broken)
	}
	exist := map[string]bool{}
	for _, p := range packages {
		for _, f := range p.Files {
			for _, d := range f.Syntax.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					exist[path.Base(p.Path)+"."+receiver(d)+d.Name.Name] = true
				case *ast.GenDecl:
					for _, s := range d.Specs {
						if s, ok := s.(*ast.TypeSpec); ok {
							exist[path.Base(p.Path)+"."+s.Name.Name] = true
						}
					}
				}
			}
		}
	}
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	// In code spans, and in drawings where a type stands between.
	spans := regexp.MustCompile("`([a-z]+(?:\\.[A-Za-z]+){1,2})`").FindAllSubmatch(text, -1)
	drawn := regexp.MustCompile(`\b([a-z]+\.[A-Za-z]+\.[A-Za-z]+)\b`).FindAllSubmatch(text, -1)
	if len(spans) < 50 || len(drawn) < 50 {
		t.Fatalf("only %d and %d names were found: has their form changed?", len(spans), len(drawn))
	}
	for _, found := range append(spans, drawn...) {
		if name := string(found[1]); !exist[name] && path.Ext(name) != ".md" {
			t.Errorf("docs/architecture.md names %s, which does not exist", name)
		}
	}
}

// receiver answers "Type." for a method, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	expression := d.Recv.List[0].Type
	for {
		switch e := expression.(type) {
		case *ast.StarExpr:
			expression = e.X
		case *ast.IndexExpr:
			expression = e.X
		case *ast.IndexListExpr:
			expression = e.X
		case *ast.Ident:
			return e.Name + "."
		default:
			return ""
		}
	}
}
