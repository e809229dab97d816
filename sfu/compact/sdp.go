package compact

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// ErrSDP says that a text is no compact SDP.
var ErrSDP = errors.New("compact: the description is not in the compact form of SDP")

const (
	// header begins the compact form. No description begins with it.
	header = "~1"
	// reach is how many lines of the section before are looked through for the
	// next one. A browser's longest section has about 200.
	reach = 256
	media = "m="
)

// SDP answers the compact form of a description: each media section is written
// as its difference to the one before of the same kind of media.
//
//	compact = "~1" *( LF item )
//	item    = "=" n   copy the next n lines of the section before
//	        / "-" n   leave out its next n lines
//	        / a line of SDP (RFC 8866 §5), which begins with a letter
//
// A line that begins with "m=" is always written; the section before is then
// that of the same kind ("audio", "video"), without its own such line. A text
// that is not lines ending in CRLF (RFC 8866 §9) is answered as it is.
func SDP(text string) string {
	lines, ok := split(text)
	if !ok {
		return text
	}
	var out strings.Builder
	out.WriteString(header)
	copied := 0
	flush := func() {
		if copied > 0 {
			out.WriteString("\n=" + strconv.Itoa(copied))
			copied = 0
		}
	}
	var earlier sections
	var before []string // what is left of the section before
	for i, line := range lines {
		if strings.HasPrefix(line, media) {
			flush()
			before = earlier.begin(lines, i)
		} else if at := slices.Index(before[:min(len(before), reach)], line); at >= 0 {
			if at > 0 {
				flush()
				out.WriteString("\n-" + strconv.Itoa(at))
			}
			copied++
			before = before[at+1:]
			continue
		}
		flush()
		out.WriteString("\n" + line)
	}
	flush()
	return out.String()
}

// split answers the lines of a description, and whether each can be written.
func split(text string) ([]string, bool) {
	body, ok := strings.CutSuffix(text, "\r\n")
	lines := strings.Split(body, "\r\n")
	for _, line := range lines {
		ok = ok && line != "" && line[0] != '=' && line[0] != '-' && !strings.ContainsAny(line, "\r\n")
	}
	return lines, ok
}

// Expand answers the description of a compact form, of at most limit bytes, or
// ErrSDP. What is not compact is answered as it is, whatever its length.
func Expand(text string, limit int) (sdp string, compact bool, err error) {
	rest, compact := strings.CutPrefix(text, header)
	if !compact {
		return text, false, nil
	}
	rest, ok := strings.CutPrefix(rest, "\n")
	if !ok {
		return "", true, ErrSDP
	}
	var lines, before []string
	var earlier sections
	size := 0
	for item := range strings.SplitSeq(rest, "\n") {
		add := []string{item}
		switch {
		case item == "" || strings.ContainsRune(item, '\r'):
			return "", true, ErrSDP
		case item[0] == '=' || item[0] == '-':
			n, err := strconv.Atoi(item[1:])
			if err != nil || n < 1 || n > len(before) {
				return "", true, ErrSDP
			}
			if add = before[:n]; item[0] == '-' {
				add = nil
			}
			before = before[n:]
		}
		for _, line := range add {
			if size += len(line) + len("\r\n"); size > limit {
				return "", true, ErrSDP
			}
		}
		lines = append(lines, add...)
		if strings.HasPrefix(item, media) {
			before = earlier.begin(lines, len(lines)-1)
		}
	}
	return strings.Join(append(lines, ""), "\r\n"), true, nil
}

// sections remembers where the newest section of each kind of media is.
type sections struct {
	kind  string // of the one that has begun last
	start int    // its first line after the one that names it
	ended map[string][2]int
}

// begin says that lines[at] begins a section, and answers the one before of its kind.
func (s *sections) begin(lines []string, at int) []string {
	if s.ended == nil {
		s.ended = make(map[string][2]int)
	} else {
		s.ended[s.kind] = [2]int{s.start, at}
	}
	s.kind, _, _ = strings.Cut(lines[at], " ")
	s.start = at + 1
	last := s.ended[s.kind]
	return lines[last[0]:last[1]]
}
