package bwe

import (
	"fmt"
	"strings"
)

// Edge is one line of the table for one of the states it begins in.
type Edge struct {
	From, To State
	Reason   string
}

// Edges are all of the table.
func Edges() (es []Edge) {
	for _, t := range transitions {
		for from := range numStates {
			if t.from.has(uint8(from)) {
				es = append(es, Edge{from, t.to, t.reason})
			}
		}
	}
	return es
}

// Taken is how often a controller went along each edge.
func (c *Controller) Taken() map[Edge]int {
	taken := map[Edge]int{}
	for from := range numStates {
		for on := range numEvents {
			if n := c.machine.taken[from][on]; n > 0 {
				t := transitions[lines[from][on]-1]
				taken[Edge{from, t.to, t.reason}] += int(n)
			}
		}
	}
	return taken
}

// Drawing is the table as the package comment shows it.
func Drawing() string {
	names := [...]string{"Startup", "Track", "Drain", "Probing", "AppLimited", "Compete", "Blackout", "Coarse"}
	var b strings.Builder
	for _, t := range transitions {
		var from []string
		for s := range numStates {
			if t.from.has(uint8(s)) {
				from = append(from, names[s])
			}
		}
		fmt.Fprintf(&b, "%-50s -- %s %s> %s\n", strings.Join(from, " "), t.reason, strings.Repeat("-", 36-len(t.reason)), names[t.to])
	}
	return b.String()
}
