package peer

import "testing"

func TestThinAnswer(t *testing.T) {
	const before = "v=0\r\nm=video 9\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\na=fmtp:96 x\r\na=rtcp-fb:96 nack\r\n" +
		"a=extmap:4 urn:b\r\na=extmap:3 urn:a\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:slot-1\r\na=ssrc:1 msid:slot-1 slot-1\r\na=ssrc:1 mslabel:slot-1\r\na=ssrc:1 label:slot-1\r\n" +
		"a=msid:slot-1 slot-1\r\na=candidate:1 1 udp 5 192.0.2.1 9 typ host\r\na=candidate:1 2 udp 5 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
	const want = "v=0\r\nm=video 9\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack pli\r\na=fmtp:96 x\r\na=rtcp-fb:96 nack\r\n" +
		"a=extmap:3 urn:a\r\na=extmap:4 urn:b\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:slot-1\r\n" +
		"a=msid:slot-1 slot-1\r\na=candidate:1 1 udp 5 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
	if got := thinAnswer(before); got != want {
		t.Errorf("%q", got)
	}
	if got := thinAnswer(want); got != want {
		t.Errorf("again: %q", got)
	}
	if got := thinAnswer(""); got != "" {
		t.Errorf("nothing became %q", got)
	}
}
