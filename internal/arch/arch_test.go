package arch

import (
	"os"
	"path"
	"regexp"
	"slices"
	"testing"
)

const module = "github.com/rivulet-rtc/rivulet"

// TestRepository applies the rules to this repository.
func TestRepository(t *testing.T) {
	root := os.DirFS("../..")
	modfile, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if name := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(modfile); name == nil || string(name[1]) != module {
		t.Fatalf("the module is not %s", module)
	}
	packages, broken, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(broken, Check(module, packages)...) {
		t.Error(v)
	}

	// A check that looks at nothing finds nothing: these exist, and are looked at.
	var looked []string
	for _, p := range packages {
		if len(p.Files) > 0 {
			looked = append(looked, p.Path)
		}
	}
	for _, must := range []string{
		"bwe", "bwe/units", "bwe/pacing", "bwe/feedback", "codec", "sfu/packet", "sfu/uplink", "sfu/speaker", "sfu/layer", "sfu/rewrite", "sfu/allocator", "internal/arch",
	} {
		if !slices.Contains(looked, must) {
			t.Errorf("package %s was not looked at", must)
		}
	}
	for _, name := range cores {
		files, err := os.ReadDir(path.Join("../..", name))
		exists := err == nil && slices.ContainsFunc(files, func(f os.DirEntry) bool {
			return regexp.MustCompile(`^[a-z0-9_]+\.go$`).MatchString(f.Name()) && !regexp.MustCompile(`_test\.go$`).MatchString(f.Name())
		})
		if exists != slices.Contains(looked, name) {
			t.Errorf("core %s exists: %v, was looked at: %v", name, exists, !exists)
		}
	}
	t.Logf("%d packages looked at", len(looked))
}
