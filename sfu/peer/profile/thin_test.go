package profile

import "testing"

func TestThin(t *testing.T) {
	const before = "v=0\r\nm=video 9 X 96 99 97 107\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\na=fmtp:96 x\r\na=rtcp-fb:96 nack\r\n" +
		"a=extmap:4 urn:b\r\na=extmap:3 urn:a\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:slot-1\r\na=ssrc:1 msid:slot-1 slot-1\r\na=ssrc:1 mslabel:slot-1\r\na=ssrc:1 label:slot-1\r\n" +
		"a=msid:slot-1 slot-1\r\na=candidate:1 1 udp 5 192.0.2.1 9 typ host ufrag a generation 0\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:107 rtx/90000\r\na=fmtp:107 apt=106\r\na=candidate:1 2 udp 5 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
	const want = "v=0\r\nm=video 9 X 96 107 97 99\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack pli\r\na=fmtp:96 x\r\na=rtcp-fb:96 nack\r\n" +
		"a=extmap:3 urn:a\r\na=extmap:4 urn:b\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:slot-1\r\n" +
		"a=msid:slot-1 slot-1\r\na=candidate:1 1 udp 5 192.0.2.1 9 typ host\r\na=rtpmap:107 rtx/90000\r\na=fmtp:107 apt=106\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\na=end-of-candidates\r\n"
	if got := Thin(before); got != want {
		t.Errorf("%q", got)
	}
	if got := Thin(want); got != want {
		t.Errorf("again: %q", got)
	}
	if got := Thin(""); got != "" {
		t.Errorf("nothing became %q", got)
	}
}
