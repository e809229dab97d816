package loadtest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/feed"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// followEvery is how often an encoder looks at its target, as browsers do.
	followEvery = 100 * time.Millisecond
	// payloadShare is what of a wire rate is payload: headers are about 70
	// bytes beside 1160.
	payloadShare = 0.92
)

// cameras are what is sent in one, two and three layers.
var cameras = [maxLayers]struct {
	width, height int
	rate          units.Rate
}{
	{640, 360, 500 * units.Kbps},
	{640, 360, 650 * units.Kbps},
	{1280, 720, 3000 * units.Kbps},
}

// encoder is a camera with its encoders.
type encoder interface {
	feed.Camera
	Next() time.Time
	SetRate(now time.Time, r units.Rate)
}

// single is an encoder of one layer.
type single struct{ *media.VP8 }

func (s single) Poll(now time.Time) (int, media.Frame, bool) {
	f, ok := s.VP8.Poll(now)
	return 0, f, ok
}

func (s single) RequestKeyFrame(int) { s.VP8.RequestKeyFrame() }

// Limit changes the frame rate only: its rate is that of the target.
func (s single) Limit(_ int, _ bool, _ units.Rate, frameRate int) { s.SetFrameRate(frameRate) }

// camera is what one publisher's camera is like.
type camera struct {
	width, height, layers int
	rate                  units.Rate
}

func (c Config) camera() camera {
	kind := cameras[c.Layers-1]
	rate := kind.rate
	if c.VideoRate > 0 {
		rate = c.VideoRate
	}
	return camera{kind.width, kind.height, c.Layers, rate}
}

func (c camera) encoder(now time.Time, seed uint64, source uint16) encoder {
	cfg := media.VP8Config{Seed: seed, Source: source, Width: c.width, Height: c.height, Rate: c.rate}
	if c.layers == 1 {
		return single{media.NewVP8(now, cfg)}
	}
	return media.NewSimulcast(now, cfg)
}

// publication is what the server is told of the camera.
func (c camera) publication() client.Publication {
	p := client.Publication{Source: signal.Camera, Width: c.width, Height: c.height, MaxRate: c.rate.Scale(1 / payloadShare)}
	if c.layers == 1 {
		return p
	}
	for i, layer := range media.NewSimulcast(time.Time{}, media.VP8Config{Width: c.width, Height: c.height}).Layers {
		shift := c.layers - 1 - i
		p.Layers = append(p.Layers, signal.Layer{RID: layer.RID, Width: c.width >> shift, Height: c.height >> shift})
	}
	return p
}

// source sends one publisher's voice and video.
type source struct {
	call   *client.Call
	camera camera
	video  encoder // nil for none
	voice  *media.Voice
	sent   *atomic.Uint64
	late   *delays // how late our own timers are
	buffer []byte
	follow time.Time // when the encoder looks at its target next
}

// run sends until ctx ends or the call does.
func (s *source) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.call.Done():
			return s.call.Err()
		case <-timer.C:
		}
		now := time.Now()
		if !due.IsZero() {
			s.late.add(now.Sub(due))
		}
		if err := s.send(now); err != nil {
			return err
		}
		due = s.voice.Next()
		if s.video != nil {
			if next := s.video.Next(); !next.IsZero() && next.Before(due) {
				due = next
			}
		}
		timer.Reset(max(time.Until(due), 0))
	}
}

// send writes everything that is due.
func (s *source) send(now time.Time) error {
	microphone := s.call.Sender(signal.Microphone)
	asked := microphone.Voice()
	s.voice.SetRate(min(media.VoiceRate, asked.MaxRate))
	s.voice.SetPacketTime(asked.PacketTime)
	err := feed.Voice(now, s.voice, s.buffer, func(f client.Frame, _ media.VoiceFrame) error { return s.count(microphone.Write(now, f)) })
	if err != nil || s.video == nil {
		return err
	}
	sender := s.call.Sender(signal.Camera)
	if !s.follow.After(now) {
		s.follow = now.Add(followEvery)
		feed.Obey(s.video, sender)
		s.video.SetRate(now, min(sender.Target().Scale(payloadShare), s.camera.rate))
	}
	return feed.Pictures(now, s.video, s.camera.layers, sender, s.buffer, func(f client.Frame) error { return s.count(sender.Write(now, f)) })
}

// count counts a packet that was written. One that found the queue full is
// counted by the client.
func (s *source) count(err error) error {
	if errors.Is(err, client.ErrOverload) {
		return nil
	}
	if err == nil {
		s.sent.Add(1)
	}
	return err
}
