package node

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write the tables of the documentation anew")

const markBegin, markEnd = "<!-- written by `make docs`: begin -->\n\n", "<!-- written by `make docs`: end -->"

// reference is the table of metrics. The values of labels come from a node that
// has just started; error codes appear when they happen.
func reference(n *Node) string {
	var b strings.Builder
	b.WriteString("| Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	s := n.snapshot()
	for _, m := range metrics() {
		kind := "gauge"
		if m.kind == prometheus.CounterValue {
			kind = "counter"
		}
		label := ""
		if m.label != "" {
			label = "`" + m.label + "`"
			var values []string
			for _, v := range m.read(s) {
				values = append(values, v.label)
			}
			switch {
			case len(values) > 1:
				label += ": " + strings.Join(values, ", ")
			case m.label == "code":
				label += ": the error codes of [protocol.md](../protocol.md)"
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, kind, label, m.help)
	}
	b.WriteString("\n")
	return b.String()
}

func TestDocumentedMetrics(t *testing.T) {
	var want string
	synctest.Test(t, func(t *testing.T) { want = reference(start(t, nil).node) })
	file := filepath.Join("..", "..", "..", "docs", "operations", "metrics.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(markBegin))
	old, after, ok2 := bytes.Cut(rest, []byte(markEnd))
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks around the table", file)
	}
	if string(old) == want {
		return
	}
	if !*update {
		t.Fatalf("%s does not say what the metrics are: run `make docs`", file)
	}
	if err := os.WriteFile(file, []byte(string(before)+markBegin+want+markEnd+string(after)), 0o644); err != nil {
		t.Fatal(err)
	}
}
