package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// quietLevel is the level in -dBov (RFC 6464) from which on sound without
	// speech is no loss: a quiet room. Music, which has no speech in it either,
	// is louder.
	quietLevel = 60
	// hangover is how long sound goes on after speech, so that no word loses
	// its end.
	hangover = 300 * time.Millisecond
	// longestSilent is the longest payload of a packet that codes nothing, in
	// bytes: six empty frames.
	longestSilent = 16
)

// silence tells speech from what need not be sent.
type silence struct {
	flags bool   // the source has told speech from silence (RFC 6464, V)
	spoke bool   // spokeAt means something
	last  uint32 // timestamp of the last packet with speech
	sent  bool   // the packet that ends the spurt has been sent
}

// silent says whether a packet codes no sound, as an encoder with discontinuous
// transmission sends them.
func silent(p *packet.Packet) bool {
	if len(p.Payload) > longestSilent {
		return false
	}
	parsed, err := opuspkt.Parse(p.Payload)
	return err == nil && parsed.Silent()
}

// skips says whether a packet is silence that need not be sent. The first
// packet of a silence is: it tells a decoder that nothing is missing.
func (s *silence) skips(p *packet.Packet, quiet bool) bool {
	s.flags = s.flags || p.HasAudioLevel && p.VoiceActive
	if !s.still(p) {
		s.sent = false
		return false
	}
	if !quiet {
		return false
	}
	was := s.sent
	s.sent = true
	return was
}

// still says whether a packet is silence.
func (s *silence) still(p *packet.Packet) bool {
	if silent(p) {
		return true
	}
	if !s.flags || !p.HasAudioLevel || p.VoiceActive || p.AudioLevel < quietLevel {
		s.spoke, s.last = true, p.Timestamp
		return false
	}
	if s.spoke && p.Timestamp-s.last < opuspkt.Samples(hangover) {
		return false
	}
	s.spoke = false
	return true
}

// ends says whether a packet that is sent ends a spurt: nothing will follow
// soon that could go into one packet with it.
func (s *silence) ends(p *packet.Packet) bool { return s.sent || silent(p) }
