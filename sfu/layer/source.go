package layer

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// source is what is known of one simulcast layer of the track.
type source struct {
	known     bool
	ssrc      uint32
	seen      time.Duration // on the track's own clock
	highest   int64         // extended sequence number
	timestamp uint32        // of the packet with the highest number
}

// place is where a packet stands in its layer.
type place uint8

const (
	late              place = iota // older than another of its layer that came before it
	sameFrame                      // in order, of the frame already seen
	nextFrame                      // in order, first seen of its frame
	nextFrameAfterGap              // as nextFrame, with packets missing before it
	restarted                      // as nextFrame, of a source that began anew
)

// maxLeap is the largest step in extended sequence numbers within one source;
// an uplink leaps further only when its source began anew (RFC 3550 A.1,
// MAX_DROPOUT).
const maxLeap = 3000

// observe notes p and answers its place.
func (l *source) observe(active time.Duration, p *packet.Packet) place {
	l.seen = active
	if !l.known {
		*l = source{known: true, ssrc: p.SSRC, seen: active, highest: p.Extended, timestamp: p.Timestamp}
		return nextFrame
	}
	if p.Extended <= l.highest {
		return late
	}
	leap := p.Extended - l.highest
	l.highest = p.Extended
	if len(p.Payload) == 0 || p.Timestamp == l.timestamp && leap <= maxLeap {
		return sameFrame
	}
	l.timestamp = p.Timestamp
	switch {
	case leap > maxLeap:
		return restarted
	case leap > 1:
		return nextFrameAfterGap
	}
	return nextFrame
}
