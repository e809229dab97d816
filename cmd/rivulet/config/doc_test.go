package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the documentation anew")

// reference is the part of the documentation that the struct tags are.
func reference() string {
	c := Default()
	var b strings.Builder
	for _, s := range sections(&c) {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n| Key | Unit | Default | Allowed | Meaning |\n| --- | --- | --- | --- | --- |\n", s.name, s.doc)
		for _, l := range s.leaves {
			unit, allowed := l.tag.Get("unit"), ""
			if low := l.tag.Get("min"); low != "" {
				allowed = low + " to " + l.tag.Get("max")
			}
			if choices := l.tag.Get("oneof"); choices != "" {
				allowed = strings.ReplaceAll(choices, " ", ", ")
			}
			if unit == "" {
				switch l.field.Interface().(type) {
				case bool:
					unit = "true, false"
				case int, float64:
					unit = "number"
				default:
					unit = "text"
				}
			}
			value := strings.Trim(written(l.field.Interface()), `"`)
			switch value {
			case "", "[]", "{}":
				value = "none"
			default:
				value = "`" + value + "`"
			}
			fmt.Fprintf(&b, "| `%s`<br>`%s` | %s | %s | %s | %s |\n", l.path, Variable(l.path), unit, value, allowed, l.tag.Get("doc"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

const markBegin, markEnd = "<!-- written by `make docs`: begin -->\n\n", "<!-- written by `make docs`: end -->"

func TestDocumentedKeys(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "operations", "configuration.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(markBegin))
	old, after, ok2 := bytes.Cut(rest, []byte(markEnd))
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks around the tables", file)
	}
	want := reference()
	if string(old) == want {
		return
	}
	if !*update {
		t.Fatalf("%s does not say what the keys are: run `make docs`", file)
	}
	if err := os.WriteFile(file, []byte(string(before)+markBegin+want+markEnd+string(after)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The example in the documentation is a file that a server starts with.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	example, _, ok2 := strings.Cut(rest, "```\n")
	if !ok || !ok2 {
		t.Fatal("there is no example")
	}
	l, err := Load(Sources{File: "example.yaml", ReadFile: func(name string) ([]byte, error) {
		if name == "example.yaml" {
			return []byte(example), nil
		}
		return []byte(strong), nil // the secrets
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Validate(false); err != nil {
		t.Fatal(err)
	}
}
