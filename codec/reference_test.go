package codec

import (
	"math/rand/v2"
	"testing"

	"github.com/pion/rtp/codecs"
)

// TestAgainstPion compares what is read of random payloads with pion's
// depacketisers, which others wrote and browsers tested.
func TestAgainstPion(t *testing.T) {
	r := rand.New(rand.NewPCG(7741, 9628))
	buffer := make([]byte, 24)
	var vp8, vp9 int
	for range 20000 {
		payload := buffer[:2+r.IntN(len(buffer)-1)]
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		var p8 codecs.VP8Packet
		if body, err := p8.Unmarshal(payload); err == nil && len(body) > 0 {
			info, ok := Inspect(VP8, payload, nil, false)
			if !ok {
				t.Fatalf("VP8 %x: pion reads it", payload)
			}
			vp8++
			if info.PictureID != p8.PictureID || info.HasPictureID != (p8.I == 1) || info.TL0PICIDX != p8.TL0PICIDX ||
				info.Temporal != p8.TID || info.KeyIndex != p8.KEYIDX || int(info.DescriptorSize) != len(payload)-len(body) ||
				info.SwitchUp != (p8.Y == 1 || info.Keyframe) || info.Discardable != (p8.N == 1) {
				t.Fatalf("VP8 %x: %+v, pion %+v", payload, info, p8)
			}
		}
		var p9 codecs.VP9Packet
		if body, err := p9.Unmarshal(payload); err == nil && len(body) > 0 {
			info, ok := Inspect(VP9, payload, nil, false)
			if !ok {
				t.Fatalf("VP9 %x: pion reads it", payload)
			}
			vp9++
			if info.Temporal != p9.TID || info.Spatial != p9.SID || info.FrameStart != p9.B || info.FrameEnd != p9.E ||
				info.Keyframe != (!p9.P && p9.B && p9.SID == 0) || info.SwitchUp != (p9.U || info.Keyframe) {
				t.Fatalf("VP9 %x: %+v, pion %+v", payload, info, p9)
			}
		}
	}
	if vp8 < 1000 || vp9 < 1000 {
		t.Errorf("only %d VP8 and %d VP9 payloads were readable", vp8, vp9)
	}
}
