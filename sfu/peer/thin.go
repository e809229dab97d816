package peer

import (
	"slices"
	"strings"
)

// thinAnswer leaves out of an answer what no client needs, and puts in order
// what has none, so that sections are alike and a thin link carries them once:
//
//   - candidates of a second component: all sections multiplex RTCP (RFC 5761);
//   - msid, mslabel and label of an SSRC, which a=msid of the section replaced
//     (RFC 8830 §5);
//   - feedback types of a format and extensions of a section are sorted: pion
//     writes them in the order of a map.
func thinAnswer(text string) string {
	lines := strings.Split(text, "\r\n")
	kept := lines[:0]
	for _, line := range lines {
		if !superfluous(line) {
			kept = append(kept, line)
		}
	}
	for i := 0; i < len(kept); {
		end := i + 1
		for run := unordered(kept[i]); run != "" && end < len(kept) && strings.HasPrefix(kept[end], run); {
			end++
		}
		slices.Sort(kept[i:end])
		i = end
	}
	return strings.Join(kept, "\r\n")
}

func superfluous(line string) bool {
	value, ok := strings.CutPrefix(line, "a=candidate:")
	if ok {
		fields := strings.Fields(value)
		return len(fields) > 1 && fields[1] == "2"
	}
	if value, ok = strings.CutPrefix(line, "a=ssrc:"); !ok {
		return false
	}
	_, attribute, _ := strings.Cut(value, " ")
	name, _, _ := strings.Cut(attribute, ":")
	return name == "msid" || name == "mslabel" || name == "label"
}

// unordered answers what the lines of a run begin with whose order says nothing,
// "" for a line that has its place.
func unordered(line string) string {
	for _, name := range []string{"a=rtcp-fb:", "a=extmap:"} {
		if strings.HasPrefix(line, name) {
			return name
		}
	}
	return ""
}
