package client

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestWhatTheOtherDeviceSaysIsBounded: it is a stranger's.
func TestWhatTheOtherDeviceSaysIsBounded(t *testing.T) {
	packed, err := pack("v=0")
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if err := unpack(packed, &text); err != nil || text != "v=0" {
		t.Errorf("%q, %v", text, err)
	}
	var bomb bytes.Buffer
	w, _ := flate.NewWriter(&bomb, flate.BestCompression)
	_, _ = w.Write([]byte(`"` + strings.Repeat("a", 10<<20) + `"`))
	_ = w.Close()
	for name, payload := range map[string][]byte{"nothing": nil, "no DEFLATE": []byte("v=0"), "cut off": packed[:2], "a bomb": bomb.Bytes()} {
		if err := unpack(payload, &text); err == nil {
			t.Errorf("%s is taken for %.20q", name, text)
		}
	}
	if err := unpack(packed, &[]webrtc.ICECandidateInit{}); err == nil {
		t.Error("a text is taken for candidates")
	}
}

func FuzzUnpack(f *testing.F) {
	packed, _ := pack([]string{"candidate:1 1 udp 1 192.0.2.1 1 typ host"})
	f.Add(packed)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var all []webrtc.ICECandidateInit
		_ = unpack(payload, &all) // any error will do
		var text string
		if unpack(payload, &text) == nil && len(text) > maxUnpacked {
			t.Fatalf("%d bytes", len(text))
		}
	})
}

// TestDirectPathNeedsTheLargestLayer: whatever a server wants, as long as it has a
// part in it.
func TestDirectPathNeedsTheLargestLayer(t *testing.T) {
	ordered := []signal.EncodeLayer{{RID: "q", Active: true, MaxRate: 100_000}, {RID: "f", MaxRate: 1000, Scale: 2}}
	beside, alone := directEncodings(ordered, false), directEncodings(ordered, true)
	if !beside[0].Active || !beside[1].Active || beside[1].MaxRate != 0 || alone[0].Active || !alone[1].Active || alone[1].Scale != 0 {
		t.Errorf("%+v, %+v", beside, alone)
	}
	if ordered[1].Active || ordered[1].Scale != 2 {
		t.Errorf("what the server said has changed to %+v", ordered)
	}
	if got := directEncodings(nil, true); len(got) != 0 {
		t.Errorf("%+v of nothing", got)
	}
}
