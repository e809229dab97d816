package arch

import (
	"fmt"
	"slices"
	"strings"
)

// rings orders the house from the inside out. A package may import those of
// lower rings and those below its own entry, the longest that fits it. What has
// no entry of its own belongs to the entry around it.
//
//	cmd > loadtest > adapters, clients > sfu > peer > downlink > cores > packet, bwe, turn > codec, internal > units
var rings = []struct {
	tree string
	ring int
}{
	{"bwe/units", 0},
	{"codec", 1},
	{"internal", 1},
	{"bwe", 2},
	{"turn", 2},
	{"sfu/packet", 2},
	{"sfu/uplink", 3},
	{"sfu/speaker", 3},
	{"sfu/layer", 3},
	{"sfu/encoding", 3},
	{"sfu/rewrite", 3},
	{"sfu/fec", 3},
	{"sfu/voice", 3},
	{"sfu/blend", 3},
	{"sfu/allocator", 3},
	{"sfu/call", 3},
	{"sfu/signal", 3},
	{"sfu/token", 3},
	{"sfu/compact", 3},
	{"loadtest/link", 3},
	{"loadtest/media", 3},
	{"sfu/direct", 4},
	{"sfu/downlink", 4},
	{"sfu/peer", 5},
	{"sfu", 6},
	{adapters, 7},
	{"sfu/client", 7},
	{"loadtest", 8},
	{"cmd", 9},
}

// adapters stands for every package below sfu/signal, each of which couples the
// signalling port to one transport.
const adapters = "sfu/signal/*"

const outermost = 10

// place answers the entry of a package and its ring. The module's root, and
// what is beside the trees of the house, is outermost.
func place(name string) (entry string, ring int) {
	ring = outermost
	if strings.HasPrefix(name, "sfu/signal/") {
		name = adapters
	}
	for _, r := range rings {
		if within(name, r.tree) && len(r.tree) > len(entry) {
			entry, ring = r.tree, r.ring
		}
	}
	return entry, ring
}

// reserved lists the imports that only some trees may have.
var reserved = []struct {
	imported string
	by       []string
	reason   string
}{
	{"github.com/pion/webrtc", []string{"sfu/peer", "sfu/client", "loadtest/lab"}, "negotiation has one home"},
	{"C", []string{"codec/opus"}, "everything else builds without cgo"},
	{"github.com/hraban/opus", []string{"codec/opus"}, "it needs cgo"},
}

// selfContained lists the trees that import nothing of the module beside
// themselves and internal packages.
var selfContained = []string{"bwe", "turn"}

// standardOnly lists the packages (not trees) that import nothing outside the
// standard library beside selfContained's.
var standardOnly = []string{"bwe", "bwe/pacing", "bwe/units"}

// edges checks the imports of one file.
func edges(module, name string, f File) (found []Violation) {
	report := func(line int, format string, args ...any) {
		found = append(found, Violation{"edges", f.Path, line, fmt.Sprintf(format, args...)})
	}
	for imported, line := range f.Imports() {
		for _, r := range reserved {
			if within(imported, r.imported) && !anyTree(name, r.by) {
				report(line, "%s is imported by %s only: %s", r.imported, strings.Join(r.by, ", "), r.reason)
			}
		}
		inner, ours := inside(module, imported)
		if !ours {
			if !standard(imported) && slices.Contains(standardOnly, name) {
				report(line, "%s uses the standard library only, not %s", name, imported)
			}
			continue
		}
		for _, tree := range selfContained {
			if within(name, tree) && !within(inner, tree) && !within(inner, "internal") {
				report(line, "%s imports nothing of the module but its own, not %s", tree, inner)
			}
		}
		if to, _ := place(inner); to == adapters && !within(name, "cmd") {
			if from, _ := place(name); from != adapters {
				report(line, "%s is an adapter: only cmd imports it", inner)
			}
			continue
		}
		from, outer := place(name)
		to, ring := place(inner)
		if ring > outer || (ring == outer && from != to) {
			report(line, "imports point inward: %s must not import %s", name, inner)
		}
	}
	return found
}

func anyTree(name string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return within(name, tree) })
}
