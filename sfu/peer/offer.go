package peer

import (
	"fmt"

	"github.com/pion/sdp/v3"

	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// maxSections bounds the media sections of an offer.
const maxSections = 40

// parseOffer reads an offer and answers its sections in order. Candidate lines
// are taken out of the text: the server answers checks and never sends to an
// address that a client merely names (RFC 8445 §19.5.1, amplification), so it
// has no use for them.
func parseOffer(text string) (string, []profile.Section, error) {
	text = profile.WithoutStreamFeedback(text)
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return "", nil, fmt.Errorf("the offer is not SDP: %w", err)
	}
	if n := len(d.MediaDescriptions); n == 0 || n > maxSections {
		return "", nil, fmt.Errorf("the offer has %d media sections; 1 to %d are accepted", n, maxSections)
	}
	for i, m := range d.MediaDescriptions {
		if kind := m.MediaName.Media; kind != "audio" && kind != "video" {
			return "", nil, fmt.Errorf("media section %d is %q; only audio and video are served, data travels over signalling", i, kind)
		}
		m.Attributes = withoutCandidates(m.Attributes)
	}
	profile.KeepOlderRepair(&d)
	if err := checkCredentials(&d); err != nil {
		return "", nil, err
	}
	clean, err := d.Marshal()
	if err != nil {
		return "", nil, fmt.Errorf("rewrite the offer: %w", err)
	}
	read, err := profile.Read(string(clean))
	if err != nil {
		return "", nil, err
	}
	seen := make(map[string]bool)
	for i, s := range read.Sections {
		if s.MID == "" || seen[s.MID] {
			return "", nil, fmt.Errorf("media section %d has no mid of its own", i)
		}
		seen[s.MID] = true
	}
	return string(clean), read.Sections, nil
}

// checkCredentials makes sure of what a connection cannot do without, before
// pion begins to negotiate: it cannot take back an offer half accepted. Lengths
// are those of RFC 8839 §5.4.
func checkCredentials(d *sdp.SessionDescription) error {
	bounds := map[string][2]int{"ice-ufrag": {4, 256}, "ice-pwd": {22, 256}, "fingerprint": {8, 512}}
	found := make(map[string]bool)
	check := func(attributes []sdp.Attribute) error {
		for _, a := range attributes {
			b, wanted := bounds[a.Key]
			if !wanted {
				continue
			}
			if len(a.Value) < b[0] || len(a.Value) > b[1] {
				return fmt.Errorf("a=%s has %d characters; %d to %d are allowed", a.Key, len(a.Value), b[0], b[1])
			}
			found[a.Key] = true
		}
		return nil
	}
	if err := check(d.Attributes); err != nil {
		return err
	}
	for _, m := range d.MediaDescriptions {
		if err := check(m.Attributes); err != nil {
			return err
		}
	}
	for _, key := range []string{"ice-ufrag", "ice-pwd", "fingerprint"} {
		if !found[key] {
			return fmt.Errorf("the offer has no a=%s", key)
		}
	}
	return nil
}

func withoutCandidates(attributes []sdp.Attribute) []sdp.Attribute {
	kept := attributes[:0]
	for _, a := range attributes {
		if a.Key != "candidate" && a.Key != "end-of-candidates" {
			kept = append(kept, a)
		}
	}
	return kept
}

// Slot tells which media section of the offer a slot is.
type Slot struct {
	MID  string
	Kind downlink.SlotKind
}
