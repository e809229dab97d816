package profile

import (
	"strings"
)

// Feedback by stream (RFC 8888) is negotiated for all payload types of a
// section at once, and here for all sections or none: one path has one kind of
// reports (RFC 8888 §6).
const (
	streamFeedback    = "a=rtcp-fb:* ack ccfb"
	transportFeedback = " transport-cc"
)

// OfferStreamFeedback adds feedback by stream to every media section of an
// offer, beside what is there.
func OfferStreamFeedback(offer string) string {
	return editSections(WithoutStreamFeedback(offer), func(string) bool { return true })
}

// HasStreamFeedback says whether every media section of a description that is
// not refused has feedback by stream.
func HasStreamFeedback(text string) bool {
	all, any, have := true, false, true
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r")
		switch {
		case isMedia(line):
			all = all && have
			any, have = true, false
		case line == streamFeedback:
			have = true
		case line == "a=inactive":
			have = true // nothing is sent there
		}
	}
	return any && all && have
}

// AnswerStreamFeedback turns an answer into one that takes feedback by stream:
// then no packet carries a transport-wide number.
func AnswerStreamFeedback(answer string) string {
	return editSections(WithoutStreamFeedback(answer), func(line string) bool {
		if strings.HasPrefix(line, "a=extmap:") {
			_, uri, _ := strings.Cut(line, " ")
			return uri != URITransportWide
		}
		return !strings.HasPrefix(line, "a=rtcp-fb:") || !strings.HasSuffix(line, transportFeedback)
	})
}

// WithoutStreamFeedback takes feedback by stream out of a description again, for
// pion knows feedback of single payload types only.
func WithoutStreamFeedback(text string) string {
	if !strings.Contains(text, streamFeedback) {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	kept := lines[:0]
	for _, line := range lines {
		if strings.TrimRight(line, "\r\n") != streamFeedback {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func isMedia(line string) bool {
	return strings.HasPrefix(line, "m=audio ") || strings.HasPrefix(line, "m=video ")
}

// editSections keeps lines of a description and adds feedback by stream to its
// media sections, behind the line that names the section.
func editSections(text string, keep func(line string) bool) string {
	var b strings.Builder
	b.Grow(len(text) + 1024)
	media := false
	for line := range strings.SplitAfterSeq(text, "\n") {
		bare := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(bare, "m=") {
			media = isMedia(bare)
		}
		if !keep(bare) {
			continue
		}
		b.WriteString(line)
		if media && strings.HasPrefix(bare, "a=mid:") && strings.HasSuffix(line, "\n") {
			b.WriteString(streamFeedback)
			b.WriteString(line[len(bare):])
		}
	}
	return b.String()
}
