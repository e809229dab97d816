package peer

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// soundOf is the newest sound in a packet, without what it repeats.
func soundOf(p *packet.Packet) []byte {
	if p.Kind != codec.RED {
		return p.Payload
	}
	parsed, err := red.Parse(p.Payload)
	if err != nil {
		return nil
	}
	return parsed.Primary
}

// VoiceUplink is what is seen of the way of the sound that the client sends on a
// section; false before there is any.
func (p *Peer) VoiceUplink(now time.Time, mid string) (voice.Uplink, bool) {
	u, ok := p.ingress.voiceUplink(now, mid)
	if stats := p.stats.Load(); stats != nil && stats.Heard {
		u.Down = stats.Decision.Target
	}
	return u, ok
}

func (g *ingress) voiceUplink(now time.Time, mid string) (u voice.Uplink, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, in := range g.list {
		if in.stream == nil || in.section == nil || in.repair {
			continue
		}
		if in.section.video {
			u.Video = u.Video || in.stream.Active(now)
			continue
		}
		if in.section.mid != mid {
			continue
		}
		stats := in.stream.Stats()
		ok = true
		u.Received, u.Lost = stats.Verdicts[uplink.Accepted], stats.Lost
		u.Rate, u.Queue = in.stream.Rate(now), in.delay.Queue()
	}
	u.RTT = g.rtt
	u.Overhead = voiceOverhead
	return u, ok
}

// voiceOverhead is what a client's packet of sound adds on the wire: headers of
// IPv4, UDP and RTP, extensions for transport-wide numbers and level, the tag.
const voiceOverhead = wire.UsualOverhead + 12 + 12
