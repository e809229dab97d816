package profile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// AskVoice edits an answer so that whoever applies it encodes the sound of one
// section as it is asked: the format parameters of Opus (RFC 7587 §6.1), the
// packet time (RFC 8866 §6.4), and RED before Opus or after it. A browser obeys
// what the answer says; nothing else tells it. An answer without such a section
// comes back as it was.
func AskVoice(answer, mid string, ask voice.Ask) string {
	lines := strings.Split(answer, "\r\n")
	for from := 0; from < len(lines); {
		to := from + 1
		for to < len(lines) && !strings.HasPrefix(lines[to], "m=") {
			to++
		}
		if strings.HasPrefix(lines[from], "m=audio ") && slices.Contains(lines[from:to], "a=mid:"+mid) {
			section := askSection(lines[from:to], ask)
			return strings.Join(slices.Concat(lines[:from], section, lines[to:]), "\r\n")
		}
		from = to
	}
	return answer
}

// askSection edits one section.
func askSection(section []string, ask voice.Ask) []string {
	opus, red := "", ""
	for _, line := range section {
		mapped, ok := strings.CutPrefix(line, "a=rtpmap:")
		pt, name, _ := strings.Cut(mapped, " ")
		if !ok || len(pt) > len("127") {
			continue
		}
		name, _, _ = strings.Cut(name, "/")
		switch codec.KindOf("audio/" + name) {
		case codec.Opus:
			opus = pt
		case codec.RED:
			red = pt
		}
	}
	if opus == "" {
		return section
	}
	edited := make([]string, 0, len(section)+2)
	described := false
	for _, line := range section {
		switch {
		case strings.HasPrefix(line, "a=ptime:"):
			continue
		case strings.HasPrefix(line, "m="):
			line = preferred(line, opus, red, ask.Redundancy > 0)
		case strings.HasPrefix(line, "a=fmtp:"+opus+" "):
			described = true
			line = "a=fmtp:" + opus + " " + parameters(strings.TrimPrefix(line, "a=fmtp:"+opus+" "), ask)
		case strings.HasPrefix(line, "a=rtpmap:"+opus+" "):
			edited = append(edited, line)
			line = "a=ptime:" + strconv.Itoa(int(ask.Packet/time.Millisecond))
		}
		edited = append(edited, line)
	}
	if !described {
		// After the packet time, which stands behind the line that names Opus.
		at := slices.IndexFunc(edited, func(line string) bool { return strings.HasPrefix(line, "a=ptime:") })
		edited = slices.Insert(edited, at+1, "a=fmtp:"+opus+" "+parameters("", ask))
	}
	return edited
}

// parameters replaces those of Opus that are asked for and keeps the others.
func parameters(list string, ask voice.Ask) string {
	flag := map[bool]string{true: "1", false: "0"}
	asked := []string{
		"maxaveragebitrate=" + strconv.Itoa(int(ask.MaxRate)),
		"usedtx=" + flag[ask.DTX],
	}
	if ask.FEC { // not having it is the default, and a 0 is another codec to some
		asked = append(asked, "useinbandfec=1")
	}
	var all []string
	for p := range strings.SplitSeq(list, ";") {
		name, _, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch name {
		case "", "maxaveragebitrate", "usedtx", "useinbandfec":
		default:
			all = append(all, strings.TrimSpace(p))
		}
	}
	return strings.Join(append(all, asked...), ";")
}

// preferred puts RED or Opus first among the formats of a media line: what comes
// first is sent.
func preferred(media, opus, red string, redundant bool) string {
	fields := strings.Fields(media)
	if len(fields) < 4 { // "m=audio 9 UDP/TLS/RTP/SAVPF 111 63"
		return media
	}
	first := opus
	if redundant && red != "" {
		first = red
	}
	formats := slices.DeleteFunc(slices.Clone(fields[3:]), func(f string) bool { return f == first })
	return strings.Join(slices.Concat(fields[:3], []string{first}, formats), " ")
}
