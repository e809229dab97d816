package full

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/feed"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// estimateEvery is how often the server is asked what it allows a viewer.
const estimateEvery = 50 * time.Millisecond

// viewer is a flow of [RivuletDown]: somebody on a path without limits
// publishes a camera in three sizes, our server chooses among their layers for
// somebody behind the links.
type viewer struct {
	spec   Flow
	server *server
	from   *caller // publishes
	to     *caller // watches
	asked  time.Time
	known  units.Rate
}

func newViewer(s *server, from *memnet.Host, to speaking, spec Flow, number int) *viewer {
	v := &viewer{spec: spec, server: s}
	v.from, v.to = newCaller(speaking{from, newWays()}, spec, number), newCaller(to, spec, number)
	v.from.name += "-from"
	v.to.name += "-to"
	return v
}

// simulcast are the layers of the camera: those of libwebrtc for 1280x720.
var simulcast = []signal.Layer{
	{RID: "q", Width: 320, Height: 180, MaxRate: 200_000},
	{RID: "h", Width: 640, Height: 360, MaxRate: 700_000},
	{RID: "f", Width: 1280, Height: 720, MaxRate: 2_500_000},
}

// connect joins both to one room, and publishes last.
func (v *viewer) connect(ctx context.Context) error {
	camera := client.Publication{Source: signal.Camera, Width: 1280, Height: 720, Layers: simulcast}
	o := client.Options{Room: v.to.name, AudioSlots: -1, VideoSlots: -1}
	if !v.spec.NoVideo {
		o.Reserve = []client.Publication{camera}
	}
	if err := v.from.join(ctx, o); err != nil {
		return fmt.Errorf("the publisher: %w", err)
	}
	if err := v.to.join(ctx, client.Options{Room: v.to.name, ReceiveOnly: true, AudioSlots: 1, VideoSlots: 1}); err != nil {
		return fmt.Errorf("the viewer: %w", err)
	}
	if err := v.from.publish(ctx, camera); err != nil {
		return err
	}
	return v.to.watch(ctx)
}

// watch waits until what is published is in the slots, so that nothing of
// signalling is left to be said.
func (c *caller) watch(ctx context.Context) error {
	for {
		select {
		case <-time.After(20*time.Millisecond + 1):
			if len(c.call.Assignments()) > 0 {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("nothing to see: %w", ctx.Err())
		}
	}
}

// camera is a source of three layers, which follows the publisher's estimate
// and not the viewer's: choosing is the server's.
func (v *viewer) camera(seed uint64, begin time.Time) camera {
	start := begin.Add(v.spec.Start + firstFrame(seed))
	s := media.NewSimulcast(start, media.VP8Config{Seed: seed, Width: 1280, Height: 720, Rate: initialRate})
	return &layered{viewer: v, begin: begin, simulcast: s}
}

// estimate is what the server allows the viewer.
func (v *viewer) estimate() units.Rate {
	now := time.Now()
	if now.Sub(v.asked) < estimateEvery {
		return v.known
	}
	v.asked = now
	for _, room := range v.server.engine.Rooms() {
		for _, p := range room.Participants {
			if p.ID == v.to.call.Joined().Participant && p.Path != nil {
				v.known = p.Path.Decision.Target
			}
		}
	}
	return v.known
}

// target is what the publisher may send.
func (v *viewer) target() units.Rate { return v.from.target() }

// keyframe is false: the camera asks for each of its layers.
func (v *viewer) keyframe() bool { return false }

func (v *viewer) video(now time.Time, f client.Frame) error { return v.from.video(now, f) }

func (v *viewer) voice(now time.Time, f media.VoiceFrame) error { return v.from.voice(now, f) }

func (v *viewer) close() error { return errors.Join(v.to.close(), v.from.close()) }

// layered is the publisher's camera.
type layered struct {
	viewer    *viewer
	begin     time.Time
	simulcast *media.Simulcast
	look      time.Duration // while nothing is sent
	buffer    [1500]byte
}

func (l *layered) next() time.Duration {
	if n := l.simulcast.Next(); !n.IsZero() {
		return n.Sub(l.begin) | 1
	}
	return l.look
}

func (l *layered) frame(at time.Duration, rate units.Rate, _ bool, out emit) error {
	now := l.begin.Add(at)
	l.look = at + pausedLook
	sender := l.viewer.from.picture
	feed.Obey(l.simulcast, sender)
	l.simulcast.SetRate(now, rate.Scale(payloadShare))
	return feed.Pictures(now, l.simulcast, len(l.simulcast.Layers), sender, l.buffer[:], out)
}

func (l *layered) skip(at time.Duration) {
	l.simulcast.SetRate(l.begin.Add(at), 0)
	l.look = at + pausedLook
}

// payloadShare is what of a rate is left beside headers.
const payloadShare = 0.9
