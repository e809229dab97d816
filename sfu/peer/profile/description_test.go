package profile

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/codec"
)

// head is the session part of a description.
const head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"

func TestReadAnswer(t *testing.T) {
	text := head +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n" +
		"a=rtcp-fb:111 transport-cc\r\na=rtcp-fb:111 nack\r\na=rtcp-fb:63 nack pli\r\na=rtcp-fb:x nack\r\na=rtcp-fb:\r\n" +
		"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:4 " + URIMID + "\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97 45\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
		"a=rtpmap:45 AV1/90000\r\na=extmap:10/recvonly " + URIRID + "\r\na=extmap:3 " + URITransportWide + "\r\n" +
		// None of these means anything, and none does harm.
		"a=rtpmap:128 VP9/90000\r\na=rtpmap:-1 VP9/90000\r\na=rtpmap:\r\na=rtpmap:98\r\na=fmtp:300 apt=96\r\na=fmtp:99 apt=1000\r\na=extmap:999 " + URIRID + "\r\na=extmap:x\r\n"
	n, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[int]codec.Kind{111: codec.Opus, 96: codec.VP8, 97: codec.RTX, 45: codec.AV1}
	for pt, f := range n.Formats {
		if f.Kind != kinds[pt] {
			t.Errorf("payload type %d is %v, want %v", pt, f.Kind, kinds[pt])
		}
	}
	if n.Formats[97].APT != 96 || n.Formats[99].APT != 0 {
		t.Errorf("repairs %d and %d, want 96 and nothing", n.Formats[97].APT, n.Formats[99].APT)
	}
	if !n.Formats[111].NACK || n.Formats[63].NACK {
		t.Errorf("NACK %v and %v, want that of Opus only", n.Formats[111].NACK, n.Formats[63].NACK)
	}
	if want := (IDs{MID: 4, RID: 10, AudioLevel: 1, TransportWide: 3}); n.IDs != want {
		t.Errorf("extensions %+v, want %+v", n.IDs, want)
	}
}

// FuzzRead: an answer is our own, but it repeats much of what the client said.
func FuzzRead(f *testing.F) {
	f.Add(head + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=extmap:1 " + URIMID + "\r\n")
	f.Add(head + "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=extmap:14/sendrecv " + URIRID + " x\r\n")
	f.Add(head + "m=video 9 X 1\r\na=rtpmap:\r\na=fmtp:\r\na=extmap:\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Read(text)
		if err != nil {
			return
		}
		for pt, format := range n.Formats {
			if format.APT > 127 {
				t.Fatalf("payload type %d repairs %d", pt, format.APT)
			}
		}
	})
}
