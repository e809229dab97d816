package media

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// VideoClock is the RTP clock of video in Hz.
const VideoClock = 90000

// Constants of the encoder model.
const (
	// DefaultMaxPayload is the longest RTP payload in bytes, descriptor included.
	DefaultMaxPayload = 1160
	leastMaxPayload   = 100
	// rateLag is the time constant with which frame sizes follow the target.
	rateLag = 200 * time.Millisecond
	// keyFactor is the size of a key frame in average frames, for pictures whose
	// size does not ask for more.
	keyFactor = 5
	// keyPixelsPerByte is what a key frame of a natural picture costs at the
	// coarsest quantizer, 0.125 bit a pixel: 3.6 kB at 640x360.
	keyPixelsPerByte = 64
	// deltaPixelsPerByte is the same for a frame that moves little.
	deltaPixelsPerByte = 4096
	leastDelta         = 40 // bytes
	leastKey           = 80 // bytes
	// repay is the part of a frame's budget that goes into paying a debt back.
	repay = 0.4
	// maxDebt is the debt, as time at the current rate, from which on frames are
	// dropped.
	maxDebt = 600 * time.Millisecond
	// maxDropped bounds the frames dropped in a row: a picture every half second.
	maxDropped = 500 * time.Millisecond
	// keyThrottle is the least time between key frames on request (libwebrtc).
	keyThrottle = 300 * time.Millisecond
	// restartRate is the rate below which an encoder is paused: no frames.
	restartRate = 5 * units.Kbps
)

// VP8Config describes a camera and its encoder. The zero value is the default.
type VP8Config struct {
	Seed           uint64
	Source         uint16     // goes into the stamps
	Width, Height  int        // default 640x360; 16-8192
	FrameRate      float64    // frames per second; default 30; 1-120
	Rate           units.Rate // target for the payload without descriptors; default 500 kbit/s
	TemporalLayers int        // 1-3; default 3, as libwebrtc sends (L1T3)
	MaxPayload     int        // bytes; default DefaultMaxPayload
	NoKeyIndex     bool       // leave KEYIDX out, as Chromium does
	Paused         bool       // begin without a rate
}

// VP8 is one encoder: frames of one resolution. It begins with a key frame.
type VP8 struct {
	config   VP8Config
	random   *rand.Rand
	start    time.Time
	due      time.Duration // since start: of the next frame
	interval time.Duration
	base     uint32

	target  units.Rate
	current float64       // bit/s, follows target
	debt    float64       // bytes sent beyond the budget; negative when below
	last    time.Duration // since start: of the last frame

	wantKey bool
	lastKey time.Duration

	number    uint32
	step      int // in the temporal pattern
	pictureID uint16
	tl0       uint8
	keyIndex  uint8
}

// NewVP8 makes an encoder whose first frame is due at start. Values out of range
// become the nearest that is allowed.
func NewVP8(start time.Time, config VP8Config) *VP8 {
	config = config.withDefaults()
	e := &VP8{
		config:   config,
		random:   rand.New(rand.NewPCG(config.Seed, 0x76703820)), // "vp8 "
		start:    start,
		interval: time.Duration(float64(time.Second) / config.FrameRate),
		wantKey:  true,
		lastKey:  -keyThrottle,
	}
	e.base = e.random.Uint32()
	e.pictureID = uint16(e.random.Uint32() & 0x7FFF)
	e.tl0 = uint8(e.random.Uint32())
	if !config.Paused {
		e.target = config.Rate
		e.current = float64(config.Rate)
	}
	return e
}

func (c VP8Config) withDefaults() VP8Config {
	if c.Width == 0 || c.Height == 0 {
		c.Width, c.Height = 640, 360
	}
	c.Width, c.Height = min(max(c.Width, 16), 8192), min(max(c.Height, 16), 8192)
	if !(c.FrameRate > 0) {
		c.FrameRate = 30
	}
	c.FrameRate = min(max(c.FrameRate, 1), 120)
	if c.Rate <= 0 {
		c.Rate = 500 * units.Kbps
	}
	if c.TemporalLayers == 0 {
		c.TemporalLayers = len(patterns)
	}
	c.TemporalLayers = min(max(c.TemporalLayers, 1), len(patterns))
	if c.MaxPayload == 0 {
		c.MaxPayload = DefaultMaxPayload
	}
	c.MaxPayload = max(c.MaxPayload, leastMaxPayload)
	return c
}

// Rate answers the target.
func (e *VP8) Rate() units.Rate { return e.target }

// Paused says whether the encoder makes no frames because its target is too low.
func (e *VP8) Paused() bool { return e.target < restartRate }

// SetRate sets the target. Below 5 kbit/s the encoder pauses; when the rate comes
// back it begins with a key frame, not before now.
func (e *VP8) SetRate(now time.Time, r units.Rate) {
	paused := e.Paused()
	e.target = max(r, 0)
	if !paused || e.Paused() {
		return
	}
	e.wantKey = true
	e.current, e.debt = float64(r), 0
	e.catchUp(now.Sub(e.start))
}

// SetFrameRate holds the frame rate down; 0 lets it be what was configured.
func (e *VP8) SetFrameRate(most int) {
	rate := e.config.FrameRate
	if most > 0 {
		rate = min(rate, float64(most))
	}
	e.interval = time.Duration(float64(time.Second) / rate)
}

// RequestKeyFrame makes the next frame a key frame, at most one in 300 ms.
func (e *VP8) RequestKeyFrame() { e.wantKey = true }

// Next answers when the next frame is due; the zero time while paused.
func (e *VP8) Next() time.Time {
	if e.Paused() {
		return time.Time{}
	}
	return e.start.Add(e.due)
}

// catchUp leaves out the frames before since, as a camera does when its encoder
// is busy.
func (e *VP8) catchUp(since time.Duration) {
	if missed := (since - e.due) / e.interval; missed > 0 {
		e.due += missed * e.interval
	}
}

// Poll answers the frame that is due at now, or false when none is. Frames that
// a late caller missed are left out.
func (e *VP8) Poll(now time.Time) (Frame, bool) {
	since := now.Sub(e.start)
	if e.Paused() || since < e.due {
		return Frame{}, false
	}
	e.catchUp(since)
	intervals := e.follow()
	f := Frame{
		Sent:       now,
		Source:     e.config.Source,
		Number:     e.number,
		Timestamp:  timestamp(e.base, e.due, VideoClock),
		Width:      e.config.Width,
		Height:     e.config.Height,
		maxPayload: e.config.MaxPayload,
		keyIndexed: !e.config.NoKeyIndex,
	}
	f.Keyframe = e.wantKey && e.due-e.lastKey >= keyThrottle
	e.place(&f)
	f.Size = e.size(f, intervals)
	e.number++
	e.last = e.due
	e.due += e.dropped()
	return f, true
}

// follow lets the current rate approach the target, and answers how many frame
// intervals have passed since the last frame.
func (e *VP8) follow() (intervals float64) {
	elapsed := e.due - e.last
	if e.number == 0 {
		elapsed = e.interval
	}
	share := 1 - math.Exp(-elapsed.Seconds()/rateLag.Seconds())
	e.current += (float64(e.target) - e.current) * share
	return float64(elapsed) / float64(e.interval)
}

// average is the budget of one frame in bytes.
func (e *VP8) average() float64 { return e.current * e.interval.Seconds() / 8 }

// place fills in what the temporal pattern says.
func (e *VP8) place(f *Frame) {
	layers := e.config.TemporalLayers
	pattern := patterns[layers-1]
	if f.Keyframe {
		e.wantKey = false
		e.lastKey = e.due
		e.step = 0 // the pattern begins again
		e.keyIndex = (e.keyIndex + 1) & 0x1F
	}
	p := pattern[e.step]
	e.step = (e.step + 1) % len(pattern)
	if p.layer == 0 {
		e.tl0++
	}
	e.pictureID = (e.pictureID + 1) & 0x7FFF
	f.Temporal = p.layer
	f.Sync = p.sync || (f.Keyframe && layers > 1)
	f.Discardable = p.discardable
	f.PictureID, f.TL0, f.KeyIndex = e.pictureID, e.tl0, e.keyIndex
	f.layered = layers > 1
	f.weight = p.weight
}

// size draws the size of a frame in bytes and books it against the budget of the
// intervals since the last one.
func (e *VP8) size(f Frame, intervals float64) int {
	average, pixels := e.average(), float64(f.Width*f.Height)
	// What was not used is not saved up: at most two frames' worth.
	e.debt = max(e.debt-average*f.weight*(intervals-1), -2*average)
	// The sum of three has a bell's shape: 0.7 to 1.3, mostly near 1.
	noise := 0.7 + 0.2*(e.random.Float64()+e.random.Float64()+e.random.Float64())
	var bytes float64
	if f.Keyframe {
		bytes = max(keyFactor*average, pixels/keyPixelsPerByte, leastKey) * noise
	} else {
		want := average * f.weight * noise
		bytes = max(want-min(e.debt, repay*want), pixels/deltaPixelsPerByte, leastDelta)
	}
	bytes = math.Round(bytes)
	e.debt += bytes - average*f.weight
	return int(bytes)
}

// dropped answers the time to the next frame: some are left out while the debt
// is too large.
func (e *VP8) dropped() time.Duration {
	step := e.interval
	excess := e.debt - e.current*maxDebt.Seconds()/8
	if excess > 0 {
		owed := time.Duration(min(excess*8/max(e.current, 1), 10) * float64(time.Second))
		step = max(step, min(owed, maxDropped)/e.interval*e.interval)
	}
	return step
}
