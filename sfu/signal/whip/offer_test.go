package whip

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const offerHead = "v=0\r\no=- 5 7 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"

// TestSections shows which section becomes which source.
func TestSections(t *testing.T) {
	media := func(kind, mid, direction string) string {
		return "m=" + kind + " 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:" + mid + "\r\n" + direction
	}
	for name, tt := range map[string]struct {
		offer string
		want  []signal.Section
	}{
		"audio only": {media("audio", "a", "a=sendonly\r\n"), []signal.Section{{MID: "a", Source: signal.Microphone}}},
		"video first": {media("video", "v", "a=sendonly\r\n") + media("audio", "a", ""),
			[]signal.Section{{MID: "v", Source: signal.Camera}, {MID: "a", Source: signal.Microphone}}},
		"two of each": {media("audio", "0", "") + media("video", "1", "") + media("video", "2", "") + media("audio", "3", ""),
			[]signal.Section{{MID: "0", Source: signal.Microphone}, {MID: "1", Source: signal.Camera}, {MID: "2", Source: signal.Screen}, {MID: "3", Source: signal.ScreenAudio}}},
		"those that do not send": {media("audio", "0", "a=recvonly\r\n") + media("audio", "1", "a=inactive\r\n") + media("audio", "2", "a=sendrecv\r\n"),
			[]signal.Section{{MID: "2", Source: signal.Microphone}}},
		"rejected": {strings.Replace(media("video", "0", ""), "video 9", "video 0", 1) + media("video", "1", ""),
			[]signal.Section{{MID: "1", Source: signal.Camera}}},
		"bundled": {strings.Replace(media("video", "0", "a=bundle-only\r\n"), "video 9", "video 0", 1),
			[]signal.Section{{MID: "0", Source: signal.Camera}}},
		"line feeds": {strings.ReplaceAll(media("audio", "a", "a=sendonly\r\n"), "\r", ""), []signal.Section{{MID: "a", Source: signal.Microphone}}},
	} {
		join, err := joinOf(publish, "r", offerHead+tt.offer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(tt.want, join.Send); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if strings.Contains(join.Offer, "sendrecv") {
			t.Errorf("%s: the publisher would be sent the room", name)
		}
		for _, s := range describe(join.Offer).sections {
			if s.sends && s.receives {
				t.Errorf("%s: section %s would also receive", name, s.mid)
			}
		}
	}
}

// TestLayers shows the order of simulcast layers: small to large.
func TestLayers(t *testing.T) {
	for name, tt := range map[string]struct {
		lines string
		want  string
	}{
		"single":         {"", ""},
		"one rid":        {"a=rid:q send\na=simulcast:send q\n", ""},
		"browsers":       {"a=rid:f send\na=rid:h send\na=rid:q send\na=simulcast:send f;h;q\n", "q h f"},
		"low to high":    {"a=rid:h send\na=rid:m send\na=rid:l send\na=simulcast:send h;m;l\n", "l m h"},
		"words":          {"a=rid:high send\na=rid:low send\na=rid:mid send\na=simulcast:send high;mid;low\n", "low mid high"},
		"OBS":            {"a=rid:0 send\na=rid:1 send\na=rid:2 send\na=simulcast:send 0;1;2\n", "2 1 0"},
		"own names":      {"a=rid:x send\na=rid:b send\na=simulcast:send x;b\n", "x b"},
		"declared sizes": {"a=rid:a send max-width=1280;max-height=720\na=rid:b send max-width=320;max-height=180\na=simulcast:send a;b\n", "b a"},
		"declared rates": {"a=rid:a send max-br=900000;max-fps=30\na=rid:b send pt=96;max-br=200000\na=simulcast:send a;b\n", "b a"},
		"half declared":  {"a=rid:q send\na=rid:f send max-width=10;max-height=10\na=simulcast:send q;f\n", "q f"},
		"paused, either": {"a=rid:q send\na=rid:h send\na=rid:x send\na=simulcast:recv 1;2 send ~q,x;h,~x\n", "q h"},
		"receiving rid":  {"a=rid:q recv\na=rid:h send\na=simulcast:send h\n", ""},
	} {
		join, err := joinOf(publish, "r", offerHead+"m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\n"+tt.lines)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var ids []string
		for _, l := range join.Publish[0].Layers {
			ids = append(ids, l.RID)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	declared := "a=rid:a send max-width=1280;max-height=720;max-br=1500000\na=rid:b send max-width=320;max-height=99999;max-br=x\na=simulcast:send a;b\n"
	join, err := joinOf(publish, "r", offerHead+"m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\n"+declared)
	if err != nil {
		t.Fatal(err)
	}
	want := []signal.Layer{{RID: "a", Width: 1280, Height: 720, MaxRate: 1_500_000}, {RID: "b", Width: 320, Height: signal.MaxDimension}}
	if d := cmp.Diff(want, join.Publish[0].Layers); d != "" {
		t.Errorf("declared limits (-want +got):\n%s", d)
	}
	for name, lines := range map[string]string{
		"unknown rid": "a=rid:q send\na=simulcast:send q;h\n",
		"five layers": "a=rid:1 send\na=rid:2 send\na=rid:3 send\na=rid:4 send\na=rid:5 send\na=simulcast:send 1;2;3;4;5\n",
	} {
		if _, err := joinOf(publish, "r", offerHead+"m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\n"+lines); signal.AsError(err).Code != signal.BadOffer {
			t.Errorf("%s: %v, want bad_offer", name, err)
		}
	}
}

// FuzzOffer shows that whatever is made of an offer stays within the bounds of
// a join, or is refused with a code of the client's fault.
func FuzzOffer(f *testing.F) {
	f.Add(publisherOffer)
	f.Add(viewerOffer)
	f.Add(offerHead + "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\na=rid:q send max-width=1\na=rid:h send\na=simulcast:send ~q,h;h recv x\n")
	f.Add("v=0\r\nm=\r\na=ice-ufrag:\r\na=simulcast:send\r\no= \r\n")
	f.Fuzz(func(t *testing.T, offer string) {
		for _, k := range []kind{publish, watch} {
			join, err := joinOf(k, "r", offer)
			if err != nil {
				if code := signal.AsError(err).Code; code != signal.BadOffer {
					t.Fatalf("refused with %s: %v", code, err)
				}
				continue
			}
			if len(join.Send) > signal.MaxSections || len(join.Send) != len(join.Publish) {
				t.Fatalf("%d sections, %d tracks", len(join.Send), len(join.Publish))
			}
			for _, p := range join.Publish {
				if len(p.Layers) > signal.MaxLayers || len(p.Layers) == 1 {
					t.Fatalf("%d layers", len(p.Layers))
				}
			}
			before := describe(join.Offer)
			renewed := describe(withCredentials(join.Offer, "ufrg", "passwordpasswordpasswd"))
			if renewed.ufrag != "ufrg" || renewed.pwd != "passwordpasswordpasswd" || len(renewed.candidates) != 0 {
				t.Fatalf("a restart would carry %+v", renewed)
			}
			same := func(a, b section) bool {
				return a.line == b.line && a.mid == b.mid && a.sends == b.sends && a.receives == b.receives && a.rejected == b.rejected
			}
			if !slices.EqualFunc(before.sections, renewed.sections, same) {
				t.Fatalf("a restart would change sections: %+v to %+v", before.sections, renewed.sections)
			}
		}
	})
}

// FuzzFragment shows that what is read of a fragment is bounded, cannot smuggle
// lines into an offer, and names no host.
func FuzzFragment(f *testing.F) {
	f.Add(trickled)
	f.Add(renewed)
	f.Add("m=audio 9 RTP/AVP 0\na=mid:0\na=candidate:1 1 udp 1 example.org 9 typ host\n")
	f.Add("a=ice-ufrag:aaaa\na=ice-pwd:\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseFragment(text)
		if err != nil {
			if code := signal.AsError(err).Code; code != signal.BadMessage {
				t.Fatalf("refused with %s", code)
			}
			return
		}
		if len(got.candidates) > maxCandidates {
			t.Fatalf("%d candidates", len(got.candidates))
		}
		for _, c := range got.candidates {
			if strings.ContainsAny(c.Candidate+c.MID, "\n") || namesHost(strings.TrimPrefix(c.Candidate, "candidate:")) {
				t.Fatalf("candidate %q of %q", c.Candidate, c.MID)
			}
		}
		if got.ufrag == "" {
			return
		}
		d := describe(withCredentials(publisherOffer, got.ufrag, "passwordpasswordpasswd"))
		if d.ufrag != got.ufrag || len(d.sections) != 2 {
			t.Fatalf("an offer with it reads %+v", d)
		}
	})
}

// FuzzAnswerFragment shows that whatever answer the engine gives, the reply to
// a restart can be read as a fragment if the answer had good credentials.
func FuzzAnswerFragment(f *testing.F) {
	f.Add(fakeAnswer)
	f.Add("a=ice-ufrag:abcd\nm=\n")
	f.Fuzz(func(t *testing.T, answer string) {
		d := describe(answer)
		got, err := parseFragment(fragmentOf(answer))
		if err == nil && (got.ufrag != d.ufrag || got.pwd != d.pwd) {
			t.Fatalf("read back %q %q, want %q %q", got.ufrag, got.pwd, d.ufrag, d.pwd)
		}
	})
}
