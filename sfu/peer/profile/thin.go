package profile

import (
	"slices"
	"strings"
)

// Thin leaves out of a description of pion's what nobody needs, and puts in order
// what has none, so that sections are alike and a thin link carries them once:
//
//   - candidates of a second component: all sections multiplex RTCP (RFC 5761);
//   - what a candidate says after its type: the section says the same;
//   - msid, mslabel and label of an SSRC, which a=msid of the section replaced
//     (RFC 8830 §5);
//   - feedback types of a format, extensions of a section and retransmission
//     formats are sorted: pion writes them in the order of a map.
func Thin(text string) string {
	lines := strings.Split(text, "\r\n")
	kept := lines[:0]
	for _, line := range lines {
		if superfluous(line) {
			continue
		}
		if strings.HasPrefix(line, "a=candidate:") {
			line, _, _ = strings.Cut(line, " ufrag ")
		}
		kept = append(kept, line)
	}
	for i := 0; i < len(kept); {
		end := i + 1
		for run := unordered(kept[i]); run != "" && end < len(kept) && strings.HasPrefix(kept[end], run); {
			end++
		}
		slices.Sort(kept[i:end])
		i = end
	}
	for i := 0; i < len(kept); {
		end := i + 1
		for end < len(kept) && !strings.HasPrefix(kept[end], "m=") {
			end++
		}
		sortRepair(kept[i:end])
		i = end
	}
	return strings.Join(kept, "\r\n")
}

// sortRepair sorts the retransmission formats of a section (RFC 4588): those of
// its m= line among their places there, and their lines.
func sortRepair(section []string) {
	fields := strings.Fields(section[0])
	if len(fields) < 4 {
		return
	}
	isRepair := func(i int) bool {
		return strings.HasPrefix(section[i], "a=rtpmap:") && strings.Contains(section[i], " rtx/")
	}
	var types []string
	var at []int // of their pairs of lines
	for i := range section {
		if isRepair(i) {
			number, _, _ := strings.Cut(strings.TrimPrefix(section[i], "a=rtpmap:"), " ")
			types = append(types, number)
			if i+1 < len(section) && strings.HasPrefix(section[i+1], "a=fmtp:"+number+" apt=") {
				at = append(at, i)
			}
		}
	}
	if len(at) != len(types) {
		return // not as pion writes it
	}
	var places []int
	for i, f := range fields[3:] {
		if slices.Contains(types, f) {
			places = append(places, 3+i)
		}
	}
	if len(places) != len(types) {
		return
	}
	pairs := make([][2]string, len(at))
	for i, line := range at {
		pairs[i] = [2]string{section[line], section[line+1]}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	slices.Sort(types)
	for i := range at {
		section[at[i]], section[at[i]+1] = pairs[i][0], pairs[i][1]
		fields[places[i]] = types[i]
	}
	section[0] = strings.Join(fields, " ")
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
