package speaker

import (
	"math"
	"time"
)

const (
	// silence is the level of digital silence in -dBov (RFC 6464 §3).
	silence = 127
	// assumedLevel stands for the unknown level of a speaking source that
	// sends none: ordinary speech close to a microphone.
	assumedLevel = 35

	// fastTime smooths the meter: it follows syllables.
	fastTime = 100 * time.Millisecond
	// slowTime smooths the loudness that contests are decided by: it follows
	// a sentence and not a word.
	slowTime = time.Second
	// peakTime is how fast the memory of the largest packet fades.
	peakTime = time.Minute

	// maxStep is the longest time that one packet can stand for: the longest
	// Opus packet. What is beyond it counts as silence not sent.
	maxStep = 120 * time.Millisecond
	// minStep keeps packets that arrive in a burst from counting for nothing.
	minStep = 10 * time.Millisecond

	// floorRise is how fast, in dB a second, the noise floor follows a sound
	// that does not pause. Speech falls back to its floor every few seconds.
	floorRise = 3.0
	// aboveFloor is by how many dB speech rises above its noise floor.
	aboveFloor = 9.0
)

// source is one audio source. Loudness is 127 - level, so louder is more.
type source struct {
	id   uint32
	last time.Time // of its last packet, or of its first sight
	aged time.Time // up to when silence has been reckoned

	fast, slow float64 // loudness: of everything, and of speech only
	even       float64 // loudness of everything that was sent, without the gaps
	floor      float64 // loudness of what lies under its speech
	peak       float64 // size of its largest packets, where there is no level
	flags      bool    // it has set the voice activity flag at least once
	heard      bool    // it has sent at least one packet

	voiced   time.Duration // speech less pauses, 0 to Config.Release
	speaking bool
	spoke    time.Time // when it last counted as speaking; zero: never

	// The contest with the speaking source ranked just above.
	rival       *source
	challenging bool
	since       time.Time
}

func newSource(id uint32, now time.Time) *source {
	return &source{id: id, last: now, aged: now}
}

// observe reckons one packet, which stands for the time since the last one.
func (s *source) observe(now time.Time, cfg *Config, level uint8, hasLevel, active bool, size int) {
	step := min(max(now.Sub(s.last), minStep), maxStep)
	s.age(now, now.Add(-step))
	if now.After(s.last) {
		s.last = now
	}
	if now.After(s.aged) {
		s.aged = now
	}
	var loudness float64
	var voiced bool
	if hasLevel {
		loudness, voiced = s.byLevel(step, cfg, min(level, silence), active)
	} else {
		loudness, voiced = s.bySize(step, cfg, size)
	}
	s.heard = true
	s.fast = smooth(s.fast, loudness, step, fastTime)
	if !voiced {
		s.voiced = max(0, s.voiced-step)
		return
	}
	s.voiced = min(s.voiced+step, cfg.Release)
	if s.slow == 0 {
		s.slow = loudness
	}
	s.slow = smooth(s.slow, loudness, step, slowTime)
}

// byLevel judges a packet by its level and flag.
func (s *source) byLevel(step time.Duration, cfg *Config, level uint8, active bool) (loudness float64, voiced bool) {
	loudness = float64(silence - level)
	if !s.heard {
		s.fast, s.even, s.floor = loudness, loudness, loudness
	}
	s.even = smooth(s.even, loudness, step, fastTime)
	s.floor = min(s.floor+floorRise*step.Seconds(), s.even)
	s.flags = s.flags || active
	if level > cfg.Minimum {
		return loudness, false
	}
	if s.flags {
		return loudness, active
	}
	return loudness, s.even >= s.floor+aboveFloor
}

// bySize judges a packet by its size: coders with a variable rate spend more on
// speech than on what is between, and send next to nothing for silence.
func (s *source) bySize(step time.Duration, cfg *Config, size int) (loudness float64, voiced bool) {
	s.peak = max(float64(size), s.peak-s.peak*step.Seconds()/peakTime.Seconds())
	if size <= cfg.SilentSize || float64(size) < s.peak/2 {
		return 0, false
	}
	return silence - assumedLevel, true
}

// age reckons the time up to until as silence, if no packet stands for it.
func (s *source) age(now, until time.Time) {
	gap := until.Sub(s.aged)
	if gap <= 0 {
		return
	}
	s.aged = until
	s.fast = smooth(s.fast, 0, gap, fastTime)
	s.voiced = max(0, s.voiced-gap)
}

// update reckons silence up to now and answers whether speaking changed.
func (s *source) update(now time.Time, cfg *Config) (changed bool) {
	// Only what no packet can still stand for is silence.
	s.age(now, now.Add(-maxStep))
	before := s.speaking
	switch {
	case s.voiced >= cfg.Onset:
		s.speaking = true
	case s.voiced == 0:
		s.speaking = false
	}
	if s.speaking {
		s.spoke = now
	}
	return s.speaking != before
}

// outranks says whether s goes before other whatever their loudness.
func (s *source) outranks(other *source) bool {
	if s.speaking != other.speaking {
		return s.speaking
	}
	return !s.speaking && s.spoke.After(other.spoke)
}

// louder says whether s, speaking, is clearly louder than other, speaking.
func (s *source) louder(other *source, margin float64) bool {
	return s.speaking && other.speaking && s.slow >= other.slow+margin
}

// meter is the level to show, in -dBov.
func (s *source) meter(now time.Time) uint8 {
	loudness := s.fast
	if gap := now.Add(-maxStep).Sub(s.aged); gap > 0 {
		loudness = smooth(loudness, 0, gap, fastTime)
	}
	return silence - uint8(math.Round(min(max(loudness, 0), silence)))
}

// smooth moves value towards target as a filter of the given time constant does
// in step. The first-order approximation step/(tau+step) is exact enough for
// steps below tau and cannot overshoot for longer ones.
func smooth(value, target float64, step, tau time.Duration) float64 {
	return value + (target-value)*float64(step)/float64(tau+step)
}
