package peer

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

func TestCredentialsOfAnOffer(t *testing.T) {
	for text, want := range map[string]icemux.Credentials{
		"v=0\r\na=ice-ufrag:ab/c\r\na=ice-pwd:s3cret+\r\nm=audio 9 RTP/AVP 0\r\n":                          {Fragment: "ab/c", Password: "s3cret+"},
		"v=0\nm=audio 9\na=ice-pwd:one\na=ice-ufrag:first\nm=video 9\na=ice-ufrag:second\na=ice-pwd:two\n": {Fragment: "first", Password: "one"},
		"v=0\r\n": {},
		"":        {},
	} {
		if got := credentials(text); got != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
