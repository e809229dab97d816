package web

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/bundle"
)

// TestBundleIsFresh rebuilds the module as the go:generate line of web.go does
// and compares: the committed file cannot be older than its sources.
func TestBundleIsFresh(t *testing.T) {
	for _, name := range []string{"rivulet.js", "compact.js"} {
		committed, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		bundle.Fresh(t, "web.go", "dist/"+name, committed)
	}
}

// TestDeclarationsAreComplete holds rivulet.d.ts against the exports of
// index.ts and the public members of Call.
func TestDeclarationsAreComplete(t *testing.T) {
	declared, err := fs.ReadFile(Files(), "rivulet.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join("src", "index.ts"))
	if err != nil {
		t.Fatal(err)
	}
	exports := 0
	for _, list := range regexp.MustCompile(`(?m)^export (?:type )?\{([^}]*)\}`).FindAllSubmatch(index, -1) {
		for name := range strings.SplitSeq(string(list[1]), ",") {
			name = strings.TrimSpace(name)
			exports++
			pattern := regexp.MustCompile(`(?m)^export (?:declare )?(?:class|interface|type|const|function) ` + regexp.QuoteMeta(name) + `\b`)
			if !pattern.Match(declared) {
				t.Errorf("rivulet.d.ts does not declare %s", name)
			}
		}
	}
	if exports < 10 {
		t.Fatalf("found %d exports in index.ts: the test no longer reads it rightly", exports)
	}
	for _, member := range publicMembers(t, "call.ts", "Call") {
		pattern := regexp.MustCompile(`(?m)^  (?:readonly |get )?` + regexp.QuoteMeta(member) + `\??[:(<]`)
		if !pattern.Match(classBody(t, declared, "Call")) {
			t.Errorf("rivulet.d.ts: class Call lacks %s", member)
		}
	}
}

// publicMembers answers the names of what a class of a source file shows.
func publicMembers(t *testing.T, file, class string) []string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("src", file))
	if err != nil {
		t.Fatal(err)
	}
	body := regexp.MustCompile(`(?s)/\*\* @internal[^\n]*\*/\n[^\n]*`).ReplaceAll(classBody(t, source, class), nil)
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^  (?:readonly |async |get )?(\w+)\??[:(<]`).FindAllSubmatch(body, -1) {
		names = append(names, string(match[1]))
	}
	if len(names) < 10 {
		t.Fatalf("found only %v in class %s: the test no longer reads it rightly", names, class)
	}
	return names
}

func classBody(t *testing.T, source []byte, class string) []byte {
	t.Helper()
	match := regexp.MustCompile(`(?ms)^export (?:declare )?class ` + class + `\b.*?^\}`).Find(source)
	if match == nil {
		t.Fatalf("class %s not found", class)
	}
	return match
}

// TestSDKPageNamesWhatExists holds the tables of docs/sdk.md against
// rivulet.d.ts, both ways: what they name exists, and what a Call, a Line or a
// Control can do is in them.
func TestSDKPageNamesWhatExists(t *testing.T) {
	declared, err := fs.ReadFile(Files(), "rivulet.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "sdk.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllSubmatch(page, -1) {
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllSubmatch(row[1], -1) {
			named[string(name[1])] = true
			if !regexp.MustCompile(`\b` + string(name[1]) + `\b`).Match(declared) {
				t.Errorf("docs/sdk.md names %s, which rivulet.d.ts does not have", name[1])
			}
		}
	}
	if len(named) < 50 {
		t.Fatalf("only %d names were found in the tables", len(named))
	}
	for _, class := range []string{"Call", "Line", "Control"} {
		_, body, _ := strings.Cut(string(declared), "export declare class "+class+" ")
		body, _, _ = strings.Cut(body, "\n}")
		for _, method := range regexp.MustCompile(`(?m)^  (\w+)\(`).FindAllStringSubmatch(body, -1) {
			switch name := method[1]; name {
			case "constructor", "interrupt", "interruptSignalling": // for tests
			default:
				if !named[name] {
					t.Errorf("%s.%s is not in docs/sdk.md", class, name)
				}
			}
		}
	}
}
