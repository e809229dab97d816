package profile

import (
	"strings"
	"testing"
)

const twoSections = head +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=rtcp-fb:111 nack\r\na=extmap:3 " + URITransportWide + "\r\na=extmap:4 " + URIMID + "\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=extmap:3 " + URITransportWide + "\r\n"

func TestStreamFeedbackIsNegotiated(t *testing.T) {
	if HasStreamFeedback(twoSections) {
		t.Error("what was not offered is there")
	}
	offer := OfferStreamFeedback(twoSections)
	if !HasStreamFeedback(offer) || strings.Count(offer, streamFeedback+"\r\n") != 2 || OfferStreamFeedback(offer) != offer {
		t.Errorf("offered as\n%s", offer)
	}
	if WithoutStreamFeedback(offer) != twoSections {
		t.Error("taking it out does not undo it")
	}
	answer := AnswerStreamFeedback(twoSections)
	read, err := Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	if !HasStreamFeedback(answer) || read.IDs.TransportWide != 0 || read.IDs.MID != 4 || !read.Formats[111].NACK || strings.Contains(answer, "transport-cc") {
		t.Errorf("answered as\n%s", answer)
	}
	// One section without it: another kind of report is wanted.
	if half := strings.Replace(offer, streamFeedback+"\r\n", "", 1); HasStreamFeedback(half) {
		t.Error("a section without it is taken for one with it")
	}
	for _, none := range []string{"", head, "m=audio"} {
		if HasStreamFeedback(none) {
			t.Errorf("%q has it", none)
		}
	}
}

// FuzzStreamFeedback: descriptions come from clients.
func FuzzStreamFeedback(f *testing.F) {
	f.Add(twoSections)
	f.Add("m=audio \na=mid:\na=rtcp-fb:* ack ccfb")
	f.Fuzz(func(t *testing.T, text string) {
		offer := OfferStreamFeedback(text)
		if WithoutStreamFeedback(offer) != WithoutStreamFeedback(text) {
			t.Fatal("taking it out does not undo it")
		}
		if answer := AnswerStreamFeedback(text); len(answer) > len(text)*len(streamFeedback)+len(text) {
			t.Fatalf("%d bytes became %d", len(text), len(answer))
		}
		_ = HasStreamFeedback(text)
	})
}
