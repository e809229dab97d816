package client

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// VoiceEncoding is what an encoder of sound should do now.
type VoiceEncoding struct {
	// MaxRate is of payload, headers not counted.
	MaxRate    units.Rate
	PacketTime time.Duration
	// DTX is to send almost nothing in silence, FEC to use the coder's own
	// redundancy. Copies of packets (RED) are made here and not by the encoder.
	DTX, FEC bool
}

const (
	// thinVoice is the rate up to which silence is not worth sending.
	thinVoice = 16 * units.Kbps
	// thinPacket is the packet time on a path that does not carry all.
	thinPacket = 60 * time.Millisecond
)

// firstAsk is what the server asks before it has said anything: the least of who is
// far.
func firstAsk(far bool) *signal.EncodeAudio {
	a := voice.NewPublisher(time.Time{}).Ask()
	if far {
		a = voice.NewFarPublisher(time.Time{}).Ask()
	}
	return &signal.EncodeAudio{MaxRate: int(a.MaxRate), PacketTime: int(a.Packet / time.Millisecond), DTX: a.DTX, FEC: a.FEC}
}

// Voice is what the encoder of a source of sound should do now: what the server
// asks, and no more than our own path carries. It begins thin, and an encoder
// should look at it a few times a second.
func (s *Sender) Voice() VoiceEncoding {
	if s.call.opts.PlainVoice {
		return VoiceEncoding{MaxRate: voiceRate}
	}
	asked := s.asked.Load()
	if asked == nil {
		asked = firstAsk(s.call.far)
	}
	e := VoiceEncoding{
		MaxRate: units.Rate(asked.MaxRate), PacketTime: time.Duration(asked.PacketTime) * time.Millisecond,
		DTX: asked.DTX, FEC: asked.FEC,
	}
	if room := units.Rate(s.room.Load()); room > 0 && room < e.MaxRate {
		e.MaxRate = max(room, leastVoice)
		e.PacketTime = max(e.PacketTime, thinPacket)
	}
	e.DTX = e.DTX || e.MaxRate <= thinVoice
	return e
}

// leastVoice is the thinnest that Opus can be (RFC 6716 §2.1.1).
const leastVoice = 6 * units.Kbps

// encode takes what the server asks of a source.
func (c *Call) encode(e *signal.Encode) {
	s := c.senders[e.Source]
	if s == nil || c.opts.IgnoreEncode || c.opts.Unwatched {
		return
	}
	if e.Audio != nil {
		s.asked.Store(e.Audio)
	}
	s.obey(e.Layers)
}
