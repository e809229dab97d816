package profile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

func TestAskVoice(t *testing.T) {
	const (
		first = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n" +
			"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=ptime:20\r\na=recvonly\r\n"
		second = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n"
	)
	ask := voice.Ask{MaxRate: 12_000, Packet: 60 * time.Millisecond, DTX: true}
	want := "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=ptime:60\r\n" +
		"a=fmtp:111 minptime=10;maxaveragebitrate=12000;usedtx=1\r\n" +
		"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=recvonly\r\n"
	got := AskVoice(head+first+second, "0", ask)
	if diff := cmp.Diff(head+want+second, got); diff != "" {
		t.Error(diff)
	}
	// Asked again, of the edited text: the same as of the original.
	ask = voice.Ask{MaxRate: 24_000, Packet: 20 * time.Millisecond, FEC: true, Redundancy: 1}
	again := AskVoice(got, "0", ask)
	if diff := cmp.Diff(AskVoice(head+first+second, "0", ask), again); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(again, "SAVPF 63 111 9\r\n") || !strings.Contains(again, "maxaveragebitrate=24000;usedtx=0;useinbandfec=1\r\n") {
		t.Errorf("asked for RED: %s", again)
	}
	for _, mid := range []string{"7", ""} {
		if AskVoice(head+first, mid, ask) != head+first {
			t.Errorf("an answer without section %q was changed", mid)
		}
	}
	bare := AskVoice("m=audio 9 X 96\r\na=rtpmap:96 opus/48000\r\na=mid:a", "a", ask)
	if !strings.Contains(bare, "a=rtpmap:96 opus/48000\r\na=ptime:20\r\na=fmtp:96 maxaveragebitrate=24000;usedtx=0;useinbandfec=1\r\na=mid:a") {
		t.Errorf("without parameters: %q", bare)
	}
}

// FuzzAskVoice: an answer repeats what a client offered.
func FuzzAskVoice(f *testing.F) {
	f.Add("m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n", "0", 1)
	f.Add("m=audio\r\na=mid:\r\na=rtpmap: opus\r\na=fmtp: \r\n", "", 0)
	f.Fuzz(func(t *testing.T, answer, mid string, red int) {
		ask := voice.Ask{MaxRate: 6_000, Packet: 120 * time.Millisecond, Redundancy: red}
		once := AskVoice(answer, mid, ask)
		if len(once) > len(answer)+200 {
			t.Fatalf("%d bytes became %d", len(answer), len(once))
		}
	})
}
