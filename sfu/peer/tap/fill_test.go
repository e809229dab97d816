package tap

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

var ids = profile.IDs{AudioLevel: 1, Orientation: 2, Descriptor: 3}

func TestFill(t *testing.T) {
	h := rtp.Header{Version: 2, Marker: true, PayloadType: 111, SequenceNumber: 5, Timestamp: 6, SSRC: 7, Padding: true}
	for id, value := range map[uint8][]byte{1: {0x80 | 30}, 2: {4}, 3: {1, 2, 3}} {
		if err := h.SetExtension(id, value); err != nil {
			t.Fatal(err)
		}
	}
	b, err := (&rtp.Packet{Header: h, Payload: []byte("voice"), PaddingSize: 4}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	pool := packet.NewPool()
	p := pool.Get()
	defer p.Release()
	now := time.Unix(1, 0)
	var read rtp.Header
	n, err := read.Unmarshal(b)
	if err != nil || !Fill(p, now, &read, n, b, ids) {
		t.Fatalf("refused: %v", err)
	}
	if string(p.Payload) != "voice" || p.SSRC != 7 || p.Sequence != 5 || p.Timestamp != 6 || !p.Marker || p.PayloadType != 111 || p.Arrival != now {
		t.Errorf("filled %+v", p)
	}
	if !p.HasAudioLevel || !p.VoiceActive || p.AudioLevel != 30 || !p.HasOrientation || p.Orientation != 4 || string(p.Descriptor) != "\x01\x02\x03" {
		t.Errorf("filled %+v", p)
	}
	b[len(b)-1] = 0 // padding that counts nothing
	if Fill(p, now, &read, n, b, ids) {
		t.Error("padding of nothing was taken")
	}
}

func FuzzFill(f *testing.F) {
	f.Add([]byte("\x80\x6f\x00\x05\x00\x00\x00\x06\x00\x00\x00\x07voice"))
	f.Add([]byte("\xb0\x6f\x00\x05\x00\x00\x00\x06\x00\x00\x00\x07\xbe\xde\x00\x01\x10\x9e\x21\x04v\x01"))
	f.Add(make([]byte, 1501))
	pool := packet.NewPool()
	f.Fuzz(func(t *testing.T, b []byte) {
		var h rtp.Header
		n, err := h.Unmarshal(b)
		if err != nil {
			return
		}
		p := pool.Get()
		defer p.Release()
		if Fill(p, time.Unix(1, 0), &h, n, b, ids) && n+len(p.Payload) > len(b) {
			t.Errorf("%d bytes of payload in a packet of %d with a header of %d", len(p.Payload), len(b), n)
		}
	})
}
