package full

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// TestDatagramKind holds each kind to the bytes of its specification.
func TestDatagramKind(t *testing.T) {
	rtp := func(payload byte) []byte { b := make([]byte, 60); b[0], b[1] = 0x90, payload; return b }
	rtcp := func(format, packetType byte) []byte {
		b := make([]byte, 40)
		b[0], b[1] = 0x80|format, packetType
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want lab.PacketKind
	}{
		"nothing":                 {nil, lab.KindOther},
		"STUN binding request":    {[]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, lab.KindSTUN},
		"DTLS handshake":          {[]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, lab.KindDTLS},
		"Opus":                    {rtp(111), lab.KindVoice},
		"Opus, marked":            {rtp(111 | 0x80), lab.KindVoice},
		"RED":                     {rtp(63), lab.KindVoice},
		"video":                   {rtp(96), lab.KindMedia},
		"video, marked":           {rtp(96 | 0x80), lab.KindMedia},
		"sender report":           {rtcp(1, 200), lab.KindSenderReport},
		"receiver report":         {rtcp(1, 201), lab.KindReceiverReport},
		"generic NACK":            {rtcp(1, 205), lab.KindNACK},
		"transport-wide":          {rtcp(15, 205), lab.KindTransportWide},
		"RFC 8888":                {rtcp(11, 205), lab.KindByStream},
		"PLI":                     {rtcp(1, 206), lab.KindPayloadFeedback},
		"REMB":                    {rtcp(15, 206), lab.KindPayloadFeedback},
		"extended report":         {rtcp(0, 207), lab.KindExtendedReport},
		"BYE":                     {rtcp(1, 203), lab.KindOther},
		"a feedback nobody knows": {rtcp(9, 205), lab.KindOther},
		"too short":               {[]byte{0x80, 200}, lab.KindOther},
		"TURN channel":            {[]byte{0x40, 0, 0, 4, 1, 2, 3, 4}, lab.KindOther},
	} {
		if got := datagramKind(c.b); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
