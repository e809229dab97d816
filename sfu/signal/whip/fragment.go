package whip

import (
	"net/netip"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// maxCandidates bounds the candidates of one fragment. A laptop with many
	// interfaces and relays has about thirty.
	maxCandidates = 128
	// Lengths of credentials in bytes, RFC 8839 §5.4.
	minUfrag, minPwd, maxCredential = 4, 22, 256
)

// fragment is the body of a PATCH (RFC 8840 §9).
type fragment struct {
	ufrag, pwd string // "" when not told
	candidates []signal.Candidate
}

// parseFragment reads a body. Candidates whose address is a name are dropped
// silently, as RFC 9725 §4.3.2 demands of those that a server cannot resolve:
// this one resolves none, and browsers hide their addresses behind such names.
// The error is a *signal.Error.
func parseFragment(text string) (fragment, error) {
	var f fragment
	if n := strings.Count(text, "\n"); n > signal.MaxOfferLines {
		return f, signal.Errorf(signal.BadMessage, "the fragment has more than %d lines", signal.MaxOfferLines)
	}
	mid := ""
	for line := range lines(text) {
		if len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' {
			return f, signal.Errorf(signal.BadMessage, "the body is no SDP fragment: a line is not of the form a=...")
		}
		switch line[0] {
		case 'm':
			mid = ""
		case 'a':
			name, value, _ := strings.Cut(line[2:], ":")
			if name == "mid" {
				mid = value
			} else if err := f.read(name, value, mid); err != nil {
				return f, err
			}
		}
	}
	if f.pwd != "" && f.ufrag == "" {
		return f, signal.Errorf(signal.BadMessage, "the fragment has an ice-pwd without an ice-ufrag")
	}
	return f, nil
}

// read takes one attribute; those unknown here are ignored (RFC 8866 §5.13).
func (f *fragment) read(name, value, mid string) error {
	switch name {
	case "ice-ufrag":
		return credential(&f.ufrag, value, minUfrag, name)
	case "ice-pwd":
		return credential(&f.pwd, value, minPwd, name)
	case "candidate":
		if namesHost(value) {
			return nil
		}
		if len(f.candidates) == maxCandidates {
			return signal.Errorf(signal.BadMessage, "the fragment has more than %d candidates", maxCandidates)
		}
		f.candidates = append(f.candidates, signal.Candidate{Candidate: "candidate:" + value, MID: mid})
	}
	return nil
}

// credential notes an ICE credential, which all sections must share since they
// are one bundle.
func credential(into *string, value string, shortest int, name string) error {
	if len(value) < shortest || len(value) > maxCredential || strings.ContainsFunc(value, notICE) {
		return signal.Errorf(signal.BadMessage, "%s must be %d to %d letters, digits, + or /", name, shortest, maxCredential)
	}
	if *into != "" && *into != value {
		return signal.Errorf(signal.BadMessage, "the fragment has more than one %s", name)
	}
	*into = value
	return nil
}

// notICE says whether r is no ice-char (RFC 8839 §5.1).
func notICE(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '+', r == '/':
		return false
	}
	return true
}

// namesHost says whether a candidate's address is a name.
func namesHost(candidate string) bool {
	fields := strings.Fields(candidate)
	if len(fields) < 5 {
		return false // no candidate at all, which the engine says better
	}
	_, err := netip.ParseAddr(fields[4])
	return err != nil
}

// fragmentOf writes the ICE part of an answer, as the reply to a restart
// (RFC 9725 §4.3.3). Only the first section of a bundle has candidates.
func fragmentOf(answer string) string {
	d := describe(answer)
	var out strings.Builder
	line := func(parts ...string) {
		for _, p := range parts {
			out.WriteString(p)
		}
		out.WriteString("\r\n")
	}
	if d.iceLite {
		line("a=ice-lite")
	}
	if d.bundle != "" {
		line("a=group:", d.bundle)
	}
	if len(d.sections) > 0 {
		line("m=", d.sections[0].line)
		line("a=mid:", d.sections[0].mid)
	}
	line("a=ice-ufrag:", d.ufrag)
	line("a=ice-pwd:", d.pwd)
	for _, c := range d.candidates {
		line("a=candidate:", c)
	}
	line("a=end-of-candidates")
	return out.String()
}
