package media

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// OpusClock is the RTP clock of Opus in Hz, whatever the bandwidth (RFC 7587
// §4.1).
const OpusClock = 48000

// MaxVoicePayload is the longest payload of Voice in bytes: a TOC and the two
// largest frames (RFC 6716 §3.2.1).
const MaxVoicePayload = 1 + 2*maxVoiceFrame

const (
	maxVoiceFrame = 1275
	// longestFrame is the longest that Opus has (RFC 6716 §3.1); longer packets hold
	// two of them.
	longestFrame = 60 * time.Millisecond
)

// VoiceRate is the payload rate of a Voice that is not told one.
const VoiceRate = 24 * units.Kbps

// Constants of the speech model.
const (
	// ITU-T P.59: means of talk spurts and pauses of conversational speech.
	meanTalk  = 1004 * time.Millisecond
	meanPause = 1587 * time.Millisecond
	// shortestSpell keeps the exponential distribution from clicks.
	shortestSpell = 100 * time.Millisecond
	// hangover is how long sound goes on being sent after speech with DTX.
	hangover = 200 * time.Millisecond
	// refreshEvery is the interval of packets during silence with DTX (libopus
	// codes one frame after 20 that it leaves out).
	refreshEvery = 420 * time.Millisecond
	// silenceShare is the part of the rate that variable-rate Opus spends on
	// background noise.
	silenceShare = 0.3
	// leastVoiceFrame is the shortest coded frame in bytes.
	leastVoiceFrame = 6
	// voiceLate is how late a poll may be before packets are left out, as a sound
	// card that nobody read does.
	voiceLate = 500 * time.Millisecond
)

// Audio levels in -dBov (RFC 6464): 0 is the loudest, 127 is digital silence.
const (
	loudestSpeech  = 18
	softestSpeech  = 38
	loudestSilence = 78
	softestSilence = 94
)

// VoiceConfig describes a speaker. The zero value is the default.
type VoiceConfig struct {
	Seed       uint64
	Source     uint16        // goes into the stamps
	Rate       units.Rate    // Opus payload while speaking; default 24 kbit/s, 6-128
	PacketTime time.Duration // 10, 20, 40, 60 or 120 ms; default 20
	Talk       time.Duration // mean of talk spurts; default 1.004 s; negative: always
	Pause      time.Duration // mean of pauses; default 1.587 s
	DTX        bool          // send almost nothing in pauses
	Silent     bool          // begin with a pause
	// Turns are when there is speech at all, in order, counted from the start;
	// none: always.
	Turns []Turn
}

// Turn is a time in which somebody has the floor.
type Turn struct{ From, To time.Duration }

// VoiceFrame is one RTP packet of voice.
type VoiceFrame struct {
	Payload   []byte        // in the caller's buffer
	Timestamp uint32        // OpusClock
	Marker    bool          // first packet after silence that was not sent (RFC 7587 §4.1)
	Level     uint8         // RFC 6464, -dBov, 0-127
	Voice     bool          // RFC 6464's V: speech
	Duration  time.Duration // of sound
	Number    uint32        // counts packets from 0
	Stamped   bool          // the payload was long enough for a stamp
}

// Voice is one microphone: Opus packets, mono, one frame each (code 0) or in 120 ms
// two (code 1, RFC 6716 §3.2.3), in talk spurts and pauses.
type Voice struct {
	config   VoiceConfig
	random   *rand.Rand
	start    time.Time
	due      time.Duration // since start: of the next packet
	base     uint32        // timestamp at start
	number   uint32
	talking  bool
	turns    []Turn        // that are not over
	spellEnd time.Duration // since start: of the talk spurt or pause
	spell    time.Duration // since start: where it began
	level    float64       // -dBov, wanders
	skipped  bool          // something was not sent since the last packet
}

// NewVoice makes a speaker whose first packet is due at start. Values out of
// range become the nearest that is allowed.
func NewVoice(start time.Time, config VoiceConfig) *Voice {
	if config.Talk == 0 {
		config.Talk = meanTalk
	}
	if config.Pause <= 0 {
		config.Pause = meanPause
	}
	v := &Voice{
		config:  config,
		random:  rand.New(rand.NewPCG(config.Seed, 0x6f707573)), // "opus"
		start:   start,
		level:   (loudestSpeech + softestSpeech) / 2,
		talking: !config.Silent,
		turns:   config.Turns,
	}
	v.SetRate(config.Rate)
	v.SetPacketTime(config.PacketTime)
	v.base = v.random.Uint32()
	v.spellEnd = v.length()
	return v
}

// SetRate sets the payload rate from the next packet on.
func (v *Voice) SetRate(r units.Rate) {
	if r == 0 {
		r = VoiceRate
	}
	v.config.Rate = min(max(r, 6*units.Kbps), 128*units.Kbps)
}

// SetPacketTime sets the sound per packet from the next packet on.
func (v *Voice) SetPacketTime(d time.Duration) {
	switch {
	case d == 0:
		d = 20 * time.Millisecond
	case d < 20*time.Millisecond:
		d = 10 * time.Millisecond
	case d < 40*time.Millisecond:
		d = 20 * time.Millisecond
	case d < 60*time.Millisecond:
		d = 40 * time.Millisecond
	case d < 120*time.Millisecond:
		d = 60 * time.Millisecond
	default:
		d = 120 * time.Millisecond
	}
	v.config.PacketTime = d
}

// SetDTX turns discontinuous transmission on or off.
func (v *Voice) SetDTX(on bool) { v.config.DTX = on }

// Next answers when the next packet is due.
func (v *Voice) Next() time.Time { return v.start.Add(v.due) }

// Poll writes the packet that is due at now into buf, which must hold
// MaxVoicePayload bytes. It answers false when nothing is due yet, or buf is too
// short. Call it again until then: a late caller gets the packets that he
// missed, half a second's at most.
func (v *Voice) Poll(now time.Time, buf []byte) (VoiceFrame, bool) {
	late := now.Sub(v.start) - v.due
	if late < 0 || len(buf) < MaxVoicePayload {
		return VoiceFrame{}, false
	}
	packetTime := v.config.PacketTime
	if late > voiceLate {
		v.due += (late - voiceLate + packetTime - 1) / packetTime * packetTime
		v.skipped = true
	}
	v.turn()
	v.takeTurns()
	f := VoiceFrame{
		Timestamp: timestamp(v.base, v.due, OpusClock),
		Marker:    v.skipped || v.number == 0,
		Voice:     v.talking,
		Level:     v.loudness(),
		Duration:  packetTime,
		Number:    v.number,
	}
	frames := 1
	if packetTime > longestFrame {
		frames = 2
	}
	size := v.size(packetTime / time.Duration(frames))
	f.Payload = buf[:1+frames*size]
	v.write(f.Payload, frames)
	stamp := Stamp{Sent: now, Number: v.number, Source: v.config.Source}
	for i := range frames {
		end := 1 + (i+1)*size
		if size >= StampSize+4 { // the frame's own first bytes stay
			f.Stamped = stamp.Put(f.Payload[end-StampSize : end])
		} else if size > MarkSize { // the first byte of the frame stays
			putMark(f.Payload[end-MarkSize:end], v.number, v.config.Source)
		}
	}
	v.number++
	v.skipped = false
	v.due += packetTime
	if v.config.DTX && !v.talking && v.due-v.spell >= hangover {
		v.rest(packetTime)
	}
	return f, true
}

// rest leaves out the packets of a silence until the next refresh or until
// speech begins.
func (v *Voice) rest(packetTime time.Duration) {
	wake := min(v.due-packetTime+refreshEvery, v.spellEnd)
	if len(v.config.Turns) > 0 {
		wake = v.due - packetTime + refreshEvery
		if len(v.turns) > 0 {
			wake = min(wake, v.turns[0].From)
		}
	}
	if n := (wake - v.due + packetTime - 1) / packetTime; n > 0 {
		v.due += n * packetTime
		v.skipped = true
	}
}

// turn begins the next spell when the current one is over.
func (v *Voice) turn() {
	for v.due >= v.spellEnd && v.config.Talk > 0 {
		v.talking = !v.talking
		v.spell = v.spellEnd
		v.spellEnd += v.length()
	}
}

// takeTurns lets nobody speak who has not the floor.
func (v *Voice) takeTurns() {
	if len(v.config.Turns) == 0 {
		return
	}
	for len(v.turns) > 0 && v.due >= v.turns[0].To {
		v.turns = v.turns[1:]
	}
	on := len(v.turns) > 0 && v.due >= v.turns[0].From
	if on != v.talking {
		v.talking, v.spell = on, v.due
	}
}

// length draws the length of a spell.
func (v *Voice) length() time.Duration {
	mean := v.config.Pause
	if v.config.Talk < 0 {
		v.talking = true
		return math.MaxInt64
	}
	if v.talking {
		mean = v.config.Talk
	}
	return max(shortestSpell, time.Duration(v.random.ExpFloat64()*float64(mean)))
}

// loudness lets the level wander within what speech or silence allows.
func (v *Voice) loudness() uint8 {
	low, high := float64(loudestSpeech), float64(softestSpeech)
	if !v.talking {
		low, high = loudestSilence, softestSilence
	}
	v.level = min(max(v.level+8*(v.random.Float64()-0.5), low), high)
	return uint8(v.level)
}

// size draws the length of a frame in bytes: variable rate, a fifth up or down.
func (v *Voice) size(frame time.Duration) int {
	bytes := float64(v.config.Rate.In(frame))
	if !v.talking {
		bytes *= silenceShare
	}
	bytes *= 0.8 + 0.4*v.random.Float64()
	return min(max(int(math.Round(bytes))-1, leastVoiceFrame), maxVoiceFrame)
}

// write puts the TOC and a body of so many frames into b.
func (v *Voice) write(b []byte, frames int) {
	fill(b)
	frame := v.config.PacketTime / time.Duration(frames)
	mode := modeFor(v.config.Rate, frame)
	b[0] = mode.toc(frame) | byte(frames-1)
	if mode.silk {
		// RFC 6716 §4.2.3: a voice activity bit for each 20 ms of SILK, then a bit
		// for LBRR, which is never there.
		bits := max(1, int(frame/(20*time.Millisecond)))
		for at := 1; at < len(b); at += (len(b) - 1) / frames {
			b[at] &= 0xFF >> (bits + 1)
			if v.talking {
				b[at] |= 0xFF << (8 - bits)
			}
		}
	}
}
