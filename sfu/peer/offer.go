package peer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// maxSections bounds the media sections of an offer.
const maxSections = 40

// offered is one media section of an offer, as far as we use it.
type offered struct {
	mid      string
	video    bool
	sends    bool // the client sends here
	receives bool // the client receives here
	rids     []string
	ssrcs    map[uint32]uint32 // ssrc -> what it repairs, 0 for media
}

// parseOffer reads an offer and answers its sections in order. Candidate lines
// are taken out of the text: the server answers checks and never sends to an
// address that a client merely names (RFC 8445 §19.5.1, amplification), so it
// has no use for them.
func parseOffer(text string) (string, []offered, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return "", nil, fmt.Errorf("the offer is not SDP: %w", err)
	}
	if n := len(d.MediaDescriptions); n == 0 || n > maxSections {
		return "", nil, fmt.Errorf("the offer has %d media sections; 1 to %d are accepted", n, maxSections)
	}
	var sections []offered
	seen := make(map[string]bool)
	for i, m := range d.MediaDescriptions {
		m.Attributes = withoutCandidates(m.Attributes)
		o, ok := readSection(m)
		if !ok {
			return "", nil, fmt.Errorf("media section %d is %q; only audio and video are served, data travels over signalling", i, m.MediaName.Media)
		}
		if o.mid == "" || seen[o.mid] {
			return "", nil, fmt.Errorf("media section %d has no mid of its own", i)
		}
		seen[o.mid] = true
		sections = append(sections, o)
	}
	if err := checkCredentials(&d); err != nil {
		return "", nil, err
	}
	clean, err := d.Marshal()
	if err != nil {
		return "", nil, fmt.Errorf("rewrite the offer: %w", err)
	}
	return string(clean), sections, nil
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

// same says whether two offers mean the same by a section.
func (o offered) same(other offered) bool {
	return o.mid == other.mid && o.video == other.video && o.sends == other.sends && o.receives == other.receives
}

// readSection reads an audio or video section; false for anything else.
func readSection(m *sdp.MediaDescription) (offered, bool) {
	kind := m.MediaName.Media
	if kind != "audio" && kind != "video" {
		return offered{}, false
	}
	o := offered{video: kind == "video", sends: true, receives: true, ssrcs: make(map[uint32]uint32)}
	for _, a := range m.Attributes {
		switch a.Key {
		case "mid":
			o.mid = a.Value
		case "sendonly":
			o.receives = false
		case "recvonly":
			o.sends = false
		case "inactive":
			o.sends, o.receives = false, false
		case "rid":
			if id, direction, found := strings.Cut(a.Value, " "); found && strings.HasPrefix(direction, "send") && len(o.rids) < maxLayers {
				o.rids = append(o.rids, id)
			}
		case "ssrc":
			id, _, _ := strings.Cut(a.Value, " ")
			if ssrc, err := strconv.ParseUint(id, 10, 32); err == nil && len(o.ssrcs) < maxStreams {
				if _, known := o.ssrcs[uint32(ssrc)]; !known {
					o.ssrcs[uint32(ssrc)] = 0
				}
			}
		case "ssrc-group":
			readGroup(a.Value, o.ssrcs)
		}
	}
	if m.MediaName.Port.Value == 0 && !hasAttribute(m, "bundle-only") {
		o.sends, o.receives = false, false // rejected by the offerer, RFC 9429 §5.2.2
	}
	return o, true
}

// readGroup notes which stream repairs which (RFC 5576 §4.2, FID).
func readGroup(value string, ssrcs map[uint32]uint32) {
	fields := strings.Fields(value)
	if len(fields) != 3 || fields[0] != "FID" || len(ssrcs) >= maxStreams {
		return
	}
	media, err1 := strconv.ParseUint(fields[1], 10, 32)
	repair, err2 := strconv.ParseUint(fields[2], 10, 32)
	if err1 == nil && err2 == nil {
		ssrcs[uint32(repair)] = uint32(media)
	}
}

func hasAttribute(m *sdp.MediaDescription, key string) bool {
	for _, a := range m.Attributes {
		if a.Key == key {
			return true
		}
	}
	return false
}

// negotiated is what an answer settles for the incoming side.
type negotiated struct {
	formats [128]payloadFormat
	ids     extensionIDs
}

// parseAnswer reads payload types and extension ids out of our own answer; with
// one bundle they hold for all sections (RFC 8843 §9.1).
func parseAnswer(text string) (negotiated, error) {
	var n negotiated
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return n, fmt.Errorf("read the answer: %w", err)
	}
	for _, m := range d.MediaDescriptions {
		for _, a := range m.Attributes {
			switch a.Key {
			case "rtpmap":
				n.readFormat(m.MediaName.Media, a.Value)
			case "fmtp":
				n.readParameters(a.Value)
			case "extmap":
				n.readExtension(a.Value)
			}
		}
	}
	return n, nil
}

// readFormat reads "111 opus/48000/2" (RFC 8866 §6.6).
func (n *negotiated) readFormat(media, value string) {
	number, name, found := strings.Cut(value, " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if !found || err != nil {
		return
	}
	name, _, _ = strings.Cut(name, "/")
	n.formats[pt].kind = codec.KindOf(media + "/" + name)
}

// readParameters reads "97 apt=96" (RFC 4588 §8.1).
func (n *negotiated) readParameters(value string) {
	number, parameters, _ := strings.Cut(value, " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if err != nil {
		return
	}
	if apt, ok := strings.CutPrefix(parameters, "apt="); ok {
		if v, err := strconv.ParseUint(apt, 10, 7); err == nil {
			n.formats[pt].apt = uint8(v)
		}
	}
}

// readExtension reads "4 urn:..." (RFC 8285 §8).
func (n *negotiated) readExtension(value string) {
	number, uri, _ := strings.Cut(value, " ")
	number, _, _ = strings.Cut(number, "/")
	uri, _, _ = strings.Cut(uri, " ")
	if id, err := strconv.ParseUint(number, 10, 8); err == nil {
		n.ids.set(uri, uint8(id))
	}
}

// Slot tells which media section of the offer a slot is.
type Slot struct {
	MID  string
	Kind downlink.SlotKind
}
