// Package feed puts what a model of a microphone or camera has made into a
// client: everything that is due now, as often as its owner comes. Who waits, how
// a frame is sent and what is done about an error, is the owner's business.
package feed

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// Voice sends the packets of a microphone that are due. They are made in buf, of
// media.MaxVoicePayload bytes at least. It ends with the first error of send.
func Voice(now time.Time, v *media.Voice, buf []byte, send func(client.Frame, media.VoiceFrame) error) error {
	for f, ok := v.Poll(now, buf); ok; f, ok = v.Poll(now, buf) {
		made := client.Frame{Timestamp: f.Timestamp, Marker: f.Marker, Payload: f.Payload, Level: f.Level, Voice: f.Voice}
		if err := send(made, f); err != nil {
			return err
		}
	}
	return nil
}

// Camera is a camera with its encoders; see media.Simulcast.
type Camera interface {
	Poll(now time.Time) (layer int, f media.Frame, ok bool)
	RequestKeyFrame(layer int)
	Limit(layer int, active bool, most units.Rate, frameRate int)
}

// Obey holds a camera's encoders to what the server asks of each.
func Obey(c Camera, s *client.Sender) {
	for i, e := range s.Encodings() {
		c.Limit(i, e.Active, units.Rate(e.MaxRate), e.MaxFrameRate)
	}
}

// Pictures answers the sender's key-frame requests for so many layers and sends
// the packets of the pictures that are due. They are made in buf, of
// media.DefaultMaxPayload bytes at least. It ends with the first error of send.
func Pictures(now time.Time, c Camera, layers int, s *client.Sender, buf []byte, send func(client.Frame) error) error {
	for i := range layers {
		if s.KeyframeRequested(i) {
			c.RequestKeyFrame(i)
		}
	}
	for layer, f, ok := c.Poll(now); ok; layer, f, ok = c.Poll(now) {
		for i := range f.Packets() {
			payload, last := f.Packet(i, buf)
			if err := send(client.Frame{Layer: layer, Timestamp: f.Timestamp, Marker: last, Payload: payload}); err != nil {
				return err
			}
		}
	}
	return nil
}
