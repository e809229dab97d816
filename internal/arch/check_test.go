package arch

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// file answers a source file of the package that its directory names.
func file(imports, body string) string {
	text := "// Package p is for the test.\npackage p\n"
	for _, name := range strings.Fields(imports) {
		text += "import " + strings.ReplaceAll(name, "=", " ") + "\n"
	}
	return text + body
}

func q(name string) string { return `"` + name + `"` }

func ours(name string) string { return q(module + "/" + name) }

// TestRules gives each rule a file that breaks it, and one that just does not.
// ruleTest is a file, and what of it breaks a rule.
type ruleTest struct {
	name, path, source string
	want               []string // parts of the violations, in order
}

// edgeTests: who may import whom.
var edgeTests = []ruleTest{
	{"clean core", "sfu/layer/a.go", file(`"time" "net/netip" "math"`, "func f(now time.Time) time.Time { return now.Add(time.Second) }"), nil},
	{"downlink to cores", "sfu/downlink/a.go", file(ours("sfu/layer")+" "+ours("bwe")+" "+ours("codec/red"), ""), nil},
	{"core to downlink", "sfu/layer/a.go", file(ours("sfu/downlink"), ""), []string{"point inward: sfu/layer must not import sfu/downlink"}},
	{"core to core", "sfu/layer/a.go", file(ours("sfu/rewrite"), ""), []string{"point inward"}},
	{"peer to engine", "sfu/peer/mux/a.go", file(ours("sfu"), ""), []string{"point inward: sfu/peer/mux must not import sfu"}},
	{"peer to itself", "sfu/peer/a.go", file(ours("sfu/peer/mux"), ""), nil},
	{"engine to an unlisted package", "sfu/a.go", file(ours("sfu/novelty"), ""), nil},
	{"server to load test", "sfu/a.go", file(ours("loadtest/lab"), ""), []string{"point inward"}},
	{"load test to command", "loadtest/a.go", file(ours("cmd/rivulet"), ""), []string{"point inward"}},
	{"anything to the root", "cmd/rivulet/a.go", file(q(module), ""), []string{"point inward"}},
	{"internal to sfu", "internal/udp/a.go", file(ours("sfu/packet"), ""), []string{"point inward"}},
	{"codec to sfu", "codec/red/a.go", file(ours("sfu/packet"), ""), []string{"point inward"}},
	{"turn to sfu", "turn/a.go", file(ours("sfu/packet"), ""), []string{"turn imports nothing of the module", "point inward"}},
	{"turn to internal", "turn/a.go", file(ours("internal/udp"), ""), nil},
	{"bwe to codec", "bwe/feedback/a.go", file(ours("codec"), ""), []string{"bwe imports nothing of the module"}},
	{"bwe to rtcp", "bwe/a.go", file(q("github.com/pion/rtcp"), ""), []string{"standard library only"}},
	{"feedback to rtcp", "bwe/feedback/a.go", file(q("github.com/pion/rtcp"), ""), nil},
	{"command to adapter", "cmd/rivulet/a.go", file(ours("sfu/signal/ws"), ""), nil},
	{"adapter to port and engine", "sfu/signal/ws/a.go", file(ours("sfu/signal")+" "+ours("sfu"), ""), nil},
	{"engine to adapter", "sfu/a.go", file(ours("sfu/signal/ws"), ""), []string{"only cmd imports it"}},
	{"port to adapter", "sfu/signal/a.go", file(ours("sfu/signal/ws"), ""), []string{"only cmd imports it"}},
	{"load test to adapter", "loadtest/a.go", file(ours("sfu/signal/ws"), ""), []string{"only cmd imports it"}},
	{"webrtc in the engine", "sfu/a.go", file(q("github.com/pion/webrtc/v4"), ""), []string{"negotiation has one home"}},
	{"webrtc in its homes", "sfu/client/media/a.go", file(q("github.com/pion/webrtc/v4/pkg/media"), ""), nil},
	{"cgo", "codec/mix/a.go", file(`"C"`, ""), []string{"without cgo"}},
	{"cgo at home", "codec/opus/a.go", file(`"C" `+q("github.com/hraban/opus"), ""), nil},
	{"opus elsewhere", "codec/mix/a.go", file(q("github.com/hraban/opus"), ""), []string{"needs cgo"}},
}

// purityTests: what a core may not do.
var purityTests = []ruleTest{
	{"clock", "sfu/call/a.go", file(`"time"`, "var t = time.Now"), []string{"no time.Now"}},
	{"renamed clock", "sfu/call/a.go", file(`clock="time"`, "func f() { clock.Sleep(1) }"), []string{"no time.Sleep"}},
	{"dot import", "sfu/call/a.go", file(`.="time"`, ""), []string{"no dot imports"}},
	{"timer type", "sfu/call/a.go", file(`"time"`, "type t struct { *time.Timer }"), []string{"no time.Timer"}},
	{"lock", "sfu/call/a.go", file(`"sync"`, ""), []string{"does not import sync"}},
	{"atomics", "sfu/call/a.go", file(`"sync/atomic"`, ""), []string{"does not import sync/atomic"}},
	{"atomics of the packet", "sfu/packet/a.go", file(`"sync" "sync/atomic"`, ""), nil},
	{"network", "sfu/call/a.go", file(`"net" "net/http"`, ""), []string{"import net", "import net/http"}},
	{"files, logs and contexts", "bwe/a.go", file(`"os" "log/slog" "context"`, ""), []string{"os", "log/slog", "context"}},
	{"goroutine", "sfu/call/a.go", file("", "func f() { go f() }"), []string{"no goroutine"}},
	{"channels", "sfu/call/a.go", file("", "func f(c chan int) {\nc <- 1\n<-c\nselect {}\n}"), []string{"no channels", "no channels", "no channels", "no channels"}},
	{"global chance", "loadtest/link/a.go", file(`"math/rand/v2"`, "var n = rand.IntN(3)"), []string{"no rand.IntN"}},
	{"seeded chance", "loadtest/link/a.go", file(`"math/rand/v2"`, "var n = rand.New(rand.NewPCG(1, 2)).IntN(3)"), nil},
	{"console", "codec/a.go", file(`"fmt"`, "func f() { fmt.Println() }"), []string{"no fmt.Println"}},
	{"errors are fine", "codec/a.go", file(`"fmt"`, "var e = fmt.Errorf"), nil},
	{"core to shell", "sfu/call/a.go", file(ours("internal/udp"), ""), []string{"a core imports cores only, not internal/udp"}},
	{"third party", "sfu/call/a.go", file(q("github.com/pion/ice/v4"), ""), []string{"no third-party code"}},
	{"parser", "sfu/uplink/a.go", file(q("github.com/pion/rtcp"), ""), nil},
	{"shells may", "sfu/peer/a.go", file(`"time" "sync" "net"`, "func f() { go f(); _ = time.Now }"), nil},
	{"tests may", "sfu/call/a_test.go", file(`"sync"`, "func f() { go f() }"), nil},
	{"a method of that name may", "sfu/call/a.go", file("", "type c struct{}\nfunc (c) Now() {}\nfunc f(time c) { time.Now() }"), nil},
}

func blank(lines int) string { return strings.Repeat("\n", lines) }

// shapeTests: lengths and package comments.
var shapeTests = []ruleTest{
	{"file at the limit", "cmd/x/a.go", file("", blank(maxFile-2)), nil},
	{"file above it", "cmd/x/a.go", file("", blank(maxFile-1)), []string{"file of 501 lines"}},
	{"function at the limit", "cmd/x/a.go", file("", "func f() {"+blank(maxFunction-1)+"}"), nil},
	{"function above it", "cmd/x/a.go", file("", "func f() {"+blank(maxFunction)+"}"), []string{"function f of 91 lines"}},
	{"generated", "cmd/x/a.go", "// Code generated by x. DO NOT EDIT.\n\n" + file("", blank(maxFile)), nil},
	{"no package comment", "cmd/x/a.go", "package p\n", []string{"no package comment"}},
	{"another's package comment", "cmd/x/a.go", "// Package q is.\npackage p\n", []string{"no package comment"}},
	{"command", "cmd/x/a.go", "// Rivulet serves calls.\npackage main\n", nil},
}

// unseenTests: what is not looked at, and what cannot be.
var unseenTests = []ruleTest{
	{"test data", "sfu/call/testdata/a.go", file(`"sync"`, ""), nil},
	{"hidden", ".cache/a.go", "package p\n", nil},
	{"broken", "sfu/call/a.go", "package", []string{"syntax"}},
}

func TestRules(t *testing.T) {
	for _, test := range slices.Concat(edgeTests, purityTests, shapeTests, unseenTests) {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{test.path: {Data: []byte(test.source)}}
			packages, found, err := Load(root)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, Check(module, packages)...)
			if len(found) != len(test.want) {
				t.Fatalf("found %v, want %d", found, len(test.want))
			}
			for _, want := range test.want {
				if !hasText(found, want) {
					t.Errorf("found %v, want %q", found, want)
				}
			}
		})
	}
}

func hasText(found []Violation, part string) bool {
	for _, v := range found {
		if strings.Contains(v.String(), part) {
			return true
		}
	}
	return false
}

// TestNestedModuleIsNotOurs: a module of its own below the root has own rules.
func TestNestedModuleIsNotOurs(t *testing.T) {
	root := fstest.MapFS{
		"tools/go.mod": {Data: []byte("module tools\n")},
		"tools/a.go":   {Data: []byte("package p\n")},
	}
	packages, broken, err := Load(root)
	if err != nil || len(broken) > 0 || len(packages) > 0 {
		t.Fatalf("got %v, %v, %v", packages, broken, err)
	}
}

// TestEveryCoreHasItsPlace: a core that fell to the entry around it would be
// judged by that entry's ring.
func TestEveryCoreHasItsPlace(t *testing.T) {
	for _, name := range cores {
		if _, ring := place(name); ring > 4 {
			t.Errorf("core %s is in ring %d", name, ring)
		}
	}
}
