package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// progress shows how far a run of the lab is: one line that changes on a
// terminal, a line each tenth elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	tenth    int
	width    int
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// tell shows that another run ended.
func (p *progress) tell(done, total int, r lab.Result) {
	line := fmt.Sprintf("%d of %d runs, %s seed %d", done, total, r.Scenario, r.Seed)
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.width-len(line))))
		p.width = len(line)
		return
	}
	tenth := 10 * done / total
	if tenth < p.tenth { // another part, of another back end
		p.tenth = 0
	}
	if tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintln(p.w, line)
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.width))
	}
}
