package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
)

// rung is one mode of the voice: payload rate and sound per packet.
type rung struct {
	rate       units.Rate
	packetTime time.Duration
}

// wire is what it takes while somebody speaks.
func (r rung) wire() units.Rate { return r.rate + headers.Over(r.packetTime) }

// thinner are the modes below a flow's own, thinnest first: those that the
// server asks publishers for (package sfu/voice).
var thinner = [...]rung{
	{6 * units.Kbps, 60 * time.Millisecond},
	{8 * units.Kbps, 60 * time.Millisecond},
	{12 * units.Kbps, 60 * time.Millisecond},
	{16 * units.Kbps, 60 * time.Millisecond},
	{24 * units.Kbps, 60 * time.Millisecond},
	{24 * units.Kbps, 20 * time.Millisecond},
}

// better is how long there must be room for a better mode until it is taken.
const better = 1500 * time.Millisecond

// speaker is the voice. It obeys the target as the product's does: it takes a
// thinner mode at once when its own does not fit, and the next better one when
// that has fitted for a while.
type speaker struct {
	model  *media.Voice
	rungs  []rung // thinnest first, the flow's own last
	at     int
	begun  bool
	roomy  time.Duration // the next rung fits since then
	buffer [media.MaxVoicePayload]byte
}

func newSpeaker(m Media, seed uint64, start time.Duration) *speaker {
	own := m.voice()
	c := media.VoiceConfig{Seed: seed, Rate: own.rate, PacketTime: own.packetTime, Talk: -1}
	if m.Spurts {
		c.Talk, c.DTX = 0, true
	}
	s := &speaker{model: media.NewVoice(epoch.Add(start), c)}
	for _, r := range thinner {
		if r.rate <= own.rate && r.wire() < own.wire() {
			s.rungs = append(s.rungs, r)
		}
	}
	s.rungs = append(s.rungs, own)
	s.at = len(s.rungs) - 1
	return s
}

func (s *speaker) next() time.Duration { return s.model.Next().Sub(epoch) }

// poll says what is due, in the mode that fits a target.
func (s *speaker) poll(now time.Duration, target units.Rate, out emit) {
	s.adapt(now, target)
	for {
		f, ok := s.model.Poll(epoch.Add(now), s.buffer[:])
		if !ok {
			return
		}
		out(voice, units.Size(len(f.Payload))+headers, f.Timestamp, false)
	}
}

func (s *speaker) adapt(now time.Duration, target units.Rate) {
	was := s.at
	for s.at > 0 && s.rungs[s.at].wire() > target {
		s.at--
	}
	switch {
	case s.at+1 == len(s.rungs) || s.rungs[s.at+1].wire() > target:
		s.roomy = now
	case now-s.roomy >= better:
		s.at++
		s.roomy = now
	}
	if s.at != was || !s.begun {
		s.begun = true
		s.model.SetRate(s.rungs[s.at].rate)
		s.model.SetPacketTime(s.rungs[s.at].packetTime)
	}
}

// wire is what it takes now, while somebody speaks.
func (s *speaker) wire() units.Rate {
	if s == nil {
		return 0
	}
	return s.rungs[s.at].wire()
}

// thinnest is what it takes at least.
func (s *speaker) thinnest() units.Rate {
	if s == nil {
		return 0
	}
	return s.rungs[0].wire()
}

// voice is the mode of a flow's voice where nothing limits it.
func (m Media) voice() rung {
	d := m.PacketTime
	if d == 0 {
		d = 20 * time.Millisecond
	}
	return rung{m.Voice, d}
}

// wireVoice is the wire rate of that; 0 without voice.
func (m Media) wireVoice() units.Rate {
	if m.Voice == 0 {
		return 0
	}
	return m.voice().wire()
}
