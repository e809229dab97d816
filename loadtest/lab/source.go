package lab

import (
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
)

const (
	// headers is what the wire adds to an RTP payload: IPv4, UDP, RTP, the
	// transport-wide extension with its padding, and an SRTP tag of 10 bytes.
	headers units.Size = 20 + 8 + 12 + 8 + 10
	// largest is the largest packet of video on the wire.
	largest units.Size = 1200
)

// Media says what a flow sends.
type Media struct {
	// Perfect is an encoder that follows the target at once and fills it, at
	// 10 to 30 frames a second.
	Perfect bool
	// Encoder is a model of a real one: it follows with a lag, its frames
	// vary, key frames are large, and content is sometimes too easy to fill
	// the rate.
	Encoder bool
	// Least and Most bound the video's wire rate; Most 0 = not.
	Least, Most units.Rate
	// Until, if not 0, holds video down to Held before that time.
	Until time.Duration
	Held  units.Rate
	// Voice is the payload rate of a voice that never pauses; 0 = none.
	Voice units.Rate
	// PacketTime is the sound in a packet; default 20 ms.
	PacketTime time.Duration
	// Spurts lets the voice speak and pause (ITU-T P.59), with almost nothing
	// sent in pauses.
	Spurts bool
}

// emit is told of packets to be sent.
type emit func(c class, size units.Size, frame uint32, key bool)

// source makes packets.
type source interface {
	// next is when the next frame is due.
	next() time.Duration
	// poll makes the frames that are due, for video at a wire rate.
	poll(now time.Duration, rate units.Rate, out emit)
}

// perfect is Media.Perfect.
type perfect struct {
	due   time.Duration
	frame uint32
	carry float64 // bytes owed for rounding
}

// Frames of the perfect encoder: no more than 30 a second, fewer where they
// would be small, no fewer than 10 (RFC 8867 §4.4 has the same range).
const (
	mostFrames    = 30
	leastFrames   = 10
	frameOfChoice = 1000 // bytes
)

func (s *perfect) next() time.Duration { return s.due }

func (s *perfect) poll(now time.Duration, rate units.Rate, out emit) {
	for s.due <= now {
		fps := max(leastFrames, min(mostFrames, float64(rate)/8/frameOfChoice))
		interval := time.Duration(float64(time.Second) / fps)
		s.due += interval
		s.carry += float64(rate) / 8 * interval.Seconds()
		if s.carry < float64(headers) {
			continue
		}
		size := units.Size(s.carry)
		s.carry -= float64(size)
		s.frame++
		split(size, s.frame, s.frame == 1, out)
	}
}

// split cuts a frame of so many wire bytes into packets of about one size.
func split(size units.Size, frame uint32, key bool, out emit) {
	n := (size + largest - 1) / largest
	for i := range n {
		out(video, (size*(i+1))/n-(size*i)/n, frame, key)
	}
}

// encoder is Media.Encoder.
type encoder struct {
	vp8    *media.VP8
	random *rand.Rand
	easy   float64 // share of the rate that the content needs
	change time.Duration
	set    units.Rate
	frame  uint32
}

// Content of the encoder model: scenes of 3 to 15 seconds, of which a third
// need 25 to 70 % of the rate only.
const (
	shortestScene = 3 * time.Second
	longestScene  = 15 * time.Second
	easyScenes    = 1.0 / 3
)

func newEncoder(seed uint64, start time.Duration) *encoder {
	return &encoder{
		vp8:    media.NewVP8(epoch.Add(start), media.VP8Config{Seed: seed, MaxPayload: int(largest - headers), Rate: 250 * units.Kbps}),
		random: rand.New(rand.NewPCG(seed, 0x7363656e65)), // "scene"
		easy:   1,
		change: start,
	}
}

func (s *encoder) next() time.Duration {
	if n := s.vp8.Next(); !n.IsZero() {
		return n.Sub(epoch)
	}
	return never
}

func (s *encoder) poll(now time.Duration, rate units.Rate, out emit) {
	for s.change <= now {
		s.change += shortestScene + time.Duration(s.random.Float64()*float64(longestScene-shortestScene))
		s.easy = 1
		if s.random.Float64() < easyScenes {
			s.easy = 0.25 + 0.45*s.random.Float64()
		}
	}
	at := epoch.Add(now)
	if r := payload(rate).Scale(s.easy); r != s.set {
		s.set = r
		s.vp8.SetRate(at, r)
	}
	for {
		f, ok := s.vp8.Poll(at)
		if !ok {
			return
		}
		s.frame++
		n := units.Size(f.Packets())
		body := units.Size(f.Size) + 6*n // descriptors
		for i := range n {
			out(video, (body*(i+1))/n-(body*i)/n+headers, s.frame, f.Keyframe)
		}
	}
}

// payload is what of a wire rate is left for an encoder of 30 frames a second.
func payload(wire units.Rate) units.Rate {
	packets := max(30, float64(wire)/8/float64(largest))
	return max(0, wire-units.Rate(packets*float64(headers+6)*8))
}
