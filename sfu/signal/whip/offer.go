package whip

import (
	"strconv"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// section is one media section of an SDP text, as far as the adapter cares.
type section struct {
	media     string // audio, video, application, ...
	line      string // the m= line without "m="
	mid       string
	sends     bool
	receives  bool
	rejected  bool // port 0 and not merely bundled (RFC 9143 §6)
	rids      []rid
	simulcast []string // rids in the order of a=simulcast
}

// description is an SDP text as far as the adapter cares.
type description struct {
	iceLite    bool
	bundle     string // the value of a=group, if it is one of BUNDLE
	ufrag, pwd string // the first found: one bundle has one pair
	setup      string // the first found: who may begin DTLS (RFC 8842 §5.1)
	candidates []string
	sections   []section
}

// lines splits an SDP text or fragment (RFC 8866 §5: CRLF, but LF is accepted).
func lines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSuffix(line, "\r"); line != "" && !yield(line) {
				return
			}
		}
	}
}

// describe reads an SDP text. It never fails: whether the text is good SDP is
// judged by the media plane, which parses all of it.
func describe(text string) description {
	var d description
	var s *section
	bundled := false
	settle := func() {
		if s != nil && bundled {
			s.rejected = false
		}
		bundled = false
	}
	for line := range lines(text) {
		if m, ok := strings.CutPrefix(line, "m="); ok {
			settle()
			d.sections = append(d.sections, newSection(m))
			s = &d.sections[len(d.sections)-1]
			continue
		}
		attribute, ok := strings.CutPrefix(line, "a=")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(attribute, ":")
		switch {
		case name == "bundle-only":
			bundled = true
		case s == nil || !s.read(name, value):
			d.read(name, value)
		}
	}
	settle()
	return d
}

func newSection(line string) section {
	s := section{line: line, sends: true, receives: true}
	fields := strings.Fields(line)
	if len(fields) > 0 {
		s.media = fields[0]
	}
	s.rejected = len(fields) > 1 && fields[1] == "0"
	return s
}

// read takes one attribute of the section; false when it is none of a section.
func (s *section) read(name, value string) bool {
	switch name {
	case "mid":
		s.mid = value
	case "sendrecv":
		s.sends, s.receives = true, true
	case "sendonly":
		s.sends, s.receives = true, false
	case "recvonly":
		s.sends, s.receives = false, true
	case "inactive":
		s.sends, s.receives = false, false
	case "rid":
		if r, ok := readRID(value); ok {
			s.rids = append(s.rids, r)
		}
	case "simulcast":
		s.simulcast = readSimulcast(value)
	default:
		return false
	}
	return true
}

// read takes an attribute that may stand at the top or in a section.
func (d *description) read(name, value string) {
	switch name {
	case "ice-lite":
		d.iceLite = true
	case "group":
		if strings.HasPrefix(value, "BUNDLE ") {
			d.bundle = value
		}
	case "ice-ufrag":
		if d.ufrag == "" {
			d.ufrag = value
		}
	case "ice-pwd":
		if d.pwd == "" {
			d.pwd = value
		}
	case "setup":
		if d.setup == "" {
			d.setup = value
		}
	case "candidate":
		// Each section of a bundle repeats them.
		if len(d.sections) <= 1 {
			d.candidates = append(d.candidates, value)
		}
	}
}

// audiovisual says whether the section carries sound or pictures.
func (s *section) audiovisual() bool { return s.media == "audio" || s.media == "video" }

// sourcesOf says what the sections of a publisher carry: the first of a kind
// the person, the second what is shared.
var sourcesOf = map[string][]signal.Source{
	"audio": {signal.Microphone, signal.ScreenAudio},
	"video": {signal.Camera, signal.Screen},
}

// joinOf answers the command that joins with an offer. For a publisher all that
// is sent is published at once; a watcher publishes nothing. The error is a
// *signal.Error.
func joinOf(k kind, room, offer string) (*signal.Join, error) {
	if err := signal.ValidOffer(offer); err != nil {
		return nil, err
	}
	join := &signal.Join{Version: signal.Version, Room: room, Client: string(k), Offer: offer}
	d := describe(offer)
	if d.ufrag == "" || d.pwd == "" {
		return nil, signal.Errorf(signal.BadOffer, "the offer has no ice-ufrag and ice-pwd")
	}
	if k == watch {
		for i := range d.sections {
			if s := &d.sections[i]; s.audiovisual() && s.receives && !s.rejected {
				return join, nil
			}
		}
		return nil, signal.Errorf(signal.BadOffer, "the offer receives neither audio nor video: offer recvonly sections")
	}
	count := make(map[string]int)
	for i := range d.sections {
		s := &d.sections[i]
		if !s.audiovisual() || !s.sends || s.rejected {
			continue
		}
		sources := sourcesOf[s.media]
		if count[s.media] == len(sources) {
			// RFC 9725 §4.4.2: refuse what cannot be served whole.
			return nil, signal.Errorf(signal.BadOffer, "the offer sends more than %d %s sections", len(sources), s.media)
		}
		source := sources[count[s.media]]
		count[s.media]++
		track := signal.Publish{Source: source}
		var err error
		if track.Layers, err = s.layers(); err != nil {
			return nil, err
		}
		join.Send = append(join.Send, signal.Section{MID: s.mid, Source: source})
		join.Publish = append(join.Publish, track)
	}
	if len(join.Send) == 0 {
		return nil, signal.Errorf(signal.BadOffer, "the offer sends neither audio nor video: offer sendonly sections")
	}
	join.Offer = sendOnly(offer)
	return join, nil
}

// sendOnly makes every audio and video section that would also receive one that
// only sends: a publisher who offers sendrecv, as RFC 9725 §4.2 allows, is not
// there to watch, and must not be sent the whole room.
func sendOnly(offer string) string {
	var out strings.Builder
	out.Grow(len(offer) + 64)
	media, direction := "", true
	settle := func() {
		if (media == "audio" || media == "video") && !direction {
			out.WriteString("a=sendonly\r\n") // sendrecv is what no direction means
		}
	}
	for line := range lines(offer) {
		switch line {
		case "a=sendrecv":
			line, direction = "a=sendonly", true
		case "a=sendonly", "a=recvonly", "a=inactive":
			direction = true
		}
		if m, ok := strings.CutPrefix(line, "m="); ok {
			settle()
			media, _, _ = strings.Cut(m, " ")
			direction = false
		}
		out.WriteString(line + "\r\n")
	}
	settle()
	return out.String()
}

// withCredentials answers an offer as it would read after an ICE restart: the
// same sections, new credentials, no candidates, a new version (RFC 3264 §8).
func withCredentials(offer, ufrag, pwd string) string {
	var out strings.Builder
	out.Grow(len(offer))
	for line := range lines(offer) {
		name, _, _ := strings.Cut(line, ":") // as describe reads it, with a value or without
		switch {
		case name == "a=candidate", name == "a=end-of-candidates":
			continue
		case name == "a=ice-ufrag":
			line = "a=ice-ufrag:" + ufrag
		case name == "a=ice-pwd":
			line = "a=ice-pwd:" + pwd
		case strings.HasPrefix(line, "o="):
			line = nextVersion(line)
		}
		out.WriteString(line + "\r\n")
	}
	return out.String()
}

// nextVersion counts up the session version of an o= line (RFC 8866 §5.2).
func nextVersion(line string) string {
	fields := strings.Split(line, " ")
	if len(fields) != 6 {
		return line
	}
	version, err := strconv.ParseUint(fields[2], 10, 63)
	if err != nil {
		return line
	}
	fields[2] = strconv.FormatUint(version+1, 10)
	return strings.Join(fields, " ")
}

// withRole answers an answer whose DTLS role fits the offer. The media plane
// begins DTLS itself when the offerer only waits for it, but its answer says
// "passive" all the same, and RFC 8842 §5.3 wants "active" there.
func withRole(answer string, offer description) string {
	if offer.setup != "passive" {
		return answer
	}
	return strings.ReplaceAll(answer, "a=setup:passive\r\n", "a=setup:active\r\n")
}

// firstRejected names a section of ours that the answer turned down, by its
// kind; "" when all are taken. The sections of an answer stand in the order of
// the offer (RFC 3264 §6).
func firstRejected(offer, answer description) string {
	for i, s := range answer.sections {
		if i < len(offer.sections) && offer.sections[i].audiovisual() && !offer.sections[i].rejected && s.rejected {
			return s.media
		}
	}
	return ""
}
