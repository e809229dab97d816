package peer

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// head is the session part of an offer, with what a connection needs.
const head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 AA:BB:CC\r\n"

// media is one section of an offer.
func media(kind, mid string, lines ...string) string {
	s := "m=" + kind + " 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n"
	if mid != "" {
		s += "a=mid:" + mid + "\r\n"
	}
	for _, l := range lines {
		s += l + "\r\n"
	}
	return s
}

func TestParseOfferReadsSections(t *testing.T) {
	text := head +
		media("audio", "0", "a=sendonly", "a=ssrc:10 cname:x") +
		media("video", "1", "a=sendonly", "a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f", "a=rid:r recv") +
		media("video", "2", "a=sendrecv", "a=ssrc-group:FID 20 21", "a=ssrc:20 cname:x", "a=ssrc:21 cname:x") +
		media("video", "3", "a=recvonly") +
		media("audio", "4", "a=inactive") +
		strings.Replace(media("video", "5"), "m=video 9", "m=video 0", 1) +
		strings.Replace(media("video", "6", "a=bundle-only"), "m=video 9", "m=video 0", 1)
	_, got, err := parseOffer(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []profile.Section{
		{MID: "0", Sends: true, Streams: map[uint32]uint32{10: 0}},
		{MID: "1", Video: true, Sends: true, RIDs: []string{"q", "h", "f"}, Streams: map[uint32]uint32{}},
		{MID: "2", Video: true, Sends: true, Receives: true, Streams: map[uint32]uint32{20: 0, 21: 20}},
		{MID: "3", Video: true, Receives: true, Streams: map[uint32]uint32{}},
		{MID: "4", Streams: map[uint32]uint32{}},
		{MID: "5", Video: true, Streams: map[uint32]uint32{}},
		{MID: "6", Video: true, Sends: true, Receives: true, Streams: map[uint32]uint32{}},
	}
	for i := range want {
		if i >= len(got) || !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("section %d: read %+v, want %+v", i, got[min(i, len(got)-1)], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("read %d sections, want %d", len(got), len(want))
	}
}

// The server never sends to an address that a client names: RFC 8445 §19.5.1.
func TestParseOfferTakesCandidatesOut(t *testing.T) {
	text := head + media("audio", "0", "a=candidate:1 1 udp 1 203.0.113.9 9 typ host", "a=candidate:1 1 tcp 1 evil.example.org 9 typ host",
		"a=end-of-candidates", "a=sendrecv", "a=candidate:2 1 udp 1 ::1 9 typ host")
	clean, _, err := parseOffer(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"a=candidate", "a=end-of-candidates", "203.0.113.9", "evil"} {
		if strings.Contains(clean, gone) {
			t.Errorf("%q is still in the offer:\n%s", gone, clean)
		}
	}
	if !strings.Contains(clean, "a=mid:0") || !strings.Contains(clean, "a=rtpmap:96 VP8/90000") {
		t.Errorf("more than candidates was taken out:\n%s", clean)
	}
}

func TestParseOfferRefuses(t *testing.T) {
	many := head
	for i := range maxSections + 1 {
		many += media("video", fmt.Sprint(i))
	}
	for name, text := range map[string]string{
		"nothing":           "",
		"no SDP":            "hello",
		"no sections":       head,
		"too many":          many,
		"no mid":            head + media("audio", ""),
		"the same mid":      head + media("audio", "0") + media("video", "0"),
		"damaged section":   head + "m=\r\n",
		"damaged port":      head + "m=audio 99999999999 UDP/TLS/RTP/SAVPF 96\r\n",
		"damaged origin":    strings.Replace(head, "o=- 1 1", "o=- x x", 1) + media("audio", "0"),
		"attribute nowhere": "a=mid:0\r\n" + head + media("audio", "0"),
	} {
		if _, sections, err := parseOffer(text); err == nil {
			t.Errorf("%s: accepted as %+v", name, sections)
		}
	}
}

func TestParseOfferBoundsWhatItKeeps(t *testing.T) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("a=ssrc:%d cname:x", i+1), fmt.Sprintf("a=ssrc-group:FID %d %d", i+1, 100_000+i), fmt.Sprintf("a=rid:r%d send", i))
	}
	_, sections, err := parseOffer(head + media("video", "0", lines...))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sections[0].Streams); n > maxStreams {
		t.Errorf("%d streams of one section are kept, want at most %d", n, maxStreams)
	}
	if n := len(sections[0].RIDs); n > maxLayers {
		t.Errorf("%d rids of one section are kept, want at most %d", n, maxLayers)
	}
}

// FuzzParseOffer: whatever a client sends is refused or read within bounds, and
// what goes on to pion reads the same and names no address.
func FuzzParseOffer(f *testing.F) {
	f.Add(head + media("audio", "0", "a=sendonly", "a=ssrc:10 cname:x") + media("video", "1", "a=recvonly"))
	f.Add(head + media("video", "1", "a=rid:q send", "a=simulcast:send q", "a=ssrc-group:FID 1 2", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host"))
	f.Add(head + media("application", "d"))
	f.Add("v=0\r\n")
	f.Add(head + "m=audio 0 RTP/AVP\r\na=mid\r\na=rid:\r\na=ssrc:\r\na=ssrc-group:FID\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		clean, sections, err := parseOffer(text)
		if err != nil {
			return
		}
		if len(sections) > maxSections {
			t.Fatalf("%d sections", len(sections))
		}
		for _, s := range sections {
			if s.MID == "" || len(s.Streams) > maxStreams || len(s.RIDs) > maxLayers {
				t.Fatalf("section %+v is out of bounds", s)
			}
		}
		again, same, err := parseOffer(clean)
		if err != nil {
			t.Fatalf("the cleaned offer is refused: %v", err)
		}
		if !reflect.DeepEqual(sections, same) {
			t.Fatalf("the cleaned offer reads %+v, not %+v", same, sections)
		}
		if again != clean {
			t.Fatalf("cleaned twice:\n%q\nonce:\n%q", again, clean)
		}
	})
}
