package full

import (
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/feed"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// talk is the microphone.
func (p *person) talk(s *client.Sender) {
	spec, w := p.spec.Voice, p.world
	cfg := media.VoiceConfig{
		Seed: w.plan.Seed*100 + uint64(p.index), Source: uint16(p.index + 1), Rate: spec.Rate, PacketTime: spec.PacketTime,
		Talk: -1, DTX: true,
	}
	if spec.Spurts {
		cfg.Talk = 0
	}
	start := time.Now().Add(time.Duration(p.index)*1_300_007 + 7)
	for _, t := range spec.Turns { // those that are over, too: without any he always speaks
		cfg.Turns = append(cfg.Turns, media.Turn{From: t.From - w.since(start), To: t.To - w.since(start)})
	}
	voice := media.NewVoice(start, cfg)
	var buffer [media.MaxVoicePayload]byte
	for w.wait(w.since(voice.Next())) {
		now := time.Now()
		obey(voice, s, spec.Rate, spec.PacketTime)
		err := feed.Voice(now, voice, buffer[:], func(made client.Frame, f media.VoiceFrame) error {
			if err := tolerant(s.Write(now, made)); err != nil {
				return err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.rec.Spoken = append(p.rec.Spoken, lab.SpokenRecord{
				At: w.since(now), Length: f.Duration, Voice: f.Voice, Size: sizeOf(f.Payload), TOC: f.Payload[0],
			})
			return nil
		})
		if err != nil {
			p.fail(fmt.Errorf("send voice: %w", err))
			return
		}
	}
}

// obey lets an encoder do what its client asks of it, within what it is set to.
func obey(v *media.Voice, s *client.Sender, most units.Rate, least time.Duration) {
	asked := s.Voice()
	if most == 0 {
		most = media.VoiceRate
	}
	v.SetRate(min(most, asked.MaxRate))
	v.SetPacketTime(max(least, asked.PacketTime))
}

// film is the camera: it follows the estimate and answers key-frame requests.
func (p *person) film(s *client.Sender) {
	w := p.world
	seed := w.plan.Seed*100 + 50 + uint64(p.index)
	now := time.Now()
	camera := media.NewSimulcast(now.Add(firstFrame(seed)), media.VP8Config{
		Seed: seed, Source: uint16(p.index * sourcesEach), Width: p.spec.Camera, Height: p.spec.Camera * 9 / 16, Rate: initialRate,
	})
	var buffer [media.DefaultMaxPayload]byte
	for {
		feed.Obey(camera, s)
		camera.SetRate(now, s.Target().Scale(payloadShare))
		next := camera.Next()
		if next.IsZero() {
			next = now.Add(pausedLook)
		}
		if !w.wait(w.since(next) | 1) {
			return
		}
		now = time.Now()
		err := feed.Pictures(now, camera, len(camera.Layers), s, buffer[:], func(f client.Frame) error { return tolerant(s.Write(now, f)) })
		if err != nil {
			p.fail(fmt.Errorf("send video: %w", err))
			return
		}
	}
}
