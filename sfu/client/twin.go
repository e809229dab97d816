package client

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxUnpacked bounds a description or a list of candidates, unpacked, in bytes.
const maxUnpacked = 64 << 10

// directSources are the sections of a direct path in their order: one of each
// source, both ways.
var directSources = [...]signal.Source{signal.Microphone, signal.Camera, signal.Screen, signal.ScreenAudio}

// twin is the media of a direct path: those of a call without signalling, which
// sends what the real one's senders are given.
type twin struct {
	*media
	path *directPath
}

// newTwin makes the connection of one attempt.
func newTwin(d *directPath, e *signal.DirectStep) (*twin, error) {
	c := &Call{
		opts: d.call.opts, log: d.call.log, started: time.Now(),
		pair: true, senders: make(map[signal.Source]*Sender),
		connected: make(chan struct{}), done: make(chan struct{}), restart: make(chan struct{}, 1),
	}
	o := &c.opts
	o.Line = &Line{trip: time.Duration(d.call.media.rtt.Load())}
	o.AudioSlots, o.VideoSlots, o.TCPOnly = len(directSources), 0, false
	o.RelayOnly = e.Relay || o.RelayOnly || o.DirectRelayOnly
	o.Memory, o.TransportFeedback = nil, true
	o.OnPacket = func(slot int, _ uint32, p *packet.Packet) { d.received(directSources[slot], p) }
	if on := o.OnPlay; on != nil {
		o.OnPlay = func(slot int, at time.Time, f jitter.Frame) {
			if slot, _, ok := d.place(directSources[slot]); ok && d.playing.Load() {
				on(slot, at, f)
			}
		}
	}
	t := &twin{path: d}
	var err error
	if t.media, err = newMedia(c); err != nil {
		return nil, err
	}
	c.media = t.media
	if err := t.setServers(e.ICEServers); err != nil {
		t.media.close()
		return nil, fmt.Errorf("use the server's relays: %w", err)
	}
	t.connection.OnICECandidate(func(found *webrtc.ICECandidate) {
		if found == nil {
			return
		}
		select {
		case d.found <- found.ToJSON():
		default: // more than an attempt may tell
		}
	})
	return t, nil
}

// addDirectSections adds one section of each source, both ways.
func (m *media) addDirectSections() error {
	for _, source := range directSources {
		if err := m.addSender(Publication{Source: source}); err != nil {
			return fmt.Errorf("add %s: %w", source, err)
		}
	}
	return nil
}

// offer makes and applies an offer.
func (t *twin) offer() (string, error) {
	offer, err := t.connection.CreateOffer(nil)
	if err != nil {
		return "", fmt.Errorf("create the offer: %w", err)
	}
	if err := t.connection.SetLocalDescription(offer); err != nil {
		return "", fmt.Errorf("apply the offer: %w", err)
	}
	return profile.Number(profile.Thin(offer.SDP), t.numbers), nil
}

// describe takes the other side's description and begins; the answer is empty
// where that was one.
func (t *twin) describe(text string, isOffer bool) (answer string, err error) {
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: profile.WithoutStreamFeedback(text)}
	if isOffer {
		remote.Type = webrtc.SDPTypeOffer
	}
	if err := t.connection.SetRemoteDescription(remote); err != nil {
		return "", fmt.Errorf("apply the other side's description: %w", err)
	}
	if isOffer {
		made, err := t.connection.CreateAnswer(nil)
		if err != nil {
			return "", fmt.Errorf("create the answer: %w", err)
		}
		if err := t.connection.SetLocalDescription(made); err != nil {
			return "", fmt.Errorf("apply the answer: %w", err)
		}
		answer = profile.Number(profile.Thin(made.SDP), t.numbers)
	}
	settled, err := profile.Read(remote.SDP)
	if err != nil {
		return "", err
	}
	return answer, t.begin(settled)
}

// begin starts the loop, and sends what is published.
func (t *twin) begin(settled profile.Description) error {
	if t.looped != nil {
		return errors.New("client: the other side describes itself twice")
	}
	var slots []signal.Slot
	for i, s := range settled.Sections {
		if i < len(directSources) {
			if s.Video != directSources[i].Video() {
				return errors.New("client: the other side's sections are not those of a direct path")
			}
			slots = append(slots, signal.Slot{Slot: i, MID: s.MID, Video: s.Video})
		}
	}
	t.ingress.start(settled, slots)
	if err := t.egress.start(time.Now(), settled); err != nil {
		return err
	}
	t.loop()
	for _, s := range t.path.call.order {
		s.twinned(t.call.senders[s.source])
	}
	return nil
}

// close gives the connection back.
func (t *twin) close() {
	for _, s := range t.path.call.order {
		s.twinned(nil)
	}
	t.call.end(ErrClosed)
	t.media.close()
}

// twinned sends what is written directly too, from now on; nil for no longer.
func (s *Sender) twinned(other *Sender) {
	s.mu.Lock()
	p, on := s.current, s.published
	s.mu.Unlock()
	if other != nil && on {
		other.start(p.alone())
	}
	s.twin.Store(other)
}

// directEncodings are a server's wishes with a direct path beside it: that has the
// largest layer, at whatever rate it carries, and where it alone is played nothing else
// is wanted.
func directEncodings(ordered []signal.EncodeLayer, alone bool) []signal.EncodeLayer {
	all := slices.Clone(ordered)
	for i := range all {
		all[i].Active = all[i].Active && !alone
	}
	if len(all) > 0 {
		last := &all[len(all)-1]
		last.Active, last.MaxRate, last.MaxFrameRate, last.Scale = true, 0, 0, 0
	}
	return all
}

// alone is the publication without layers: a direct path has one encoding, the
// largest.
func (p Publication) alone() Publication {
	p.Layers = nil
	return p
}

// pack deflates a value, as the JavaScript SDK does.
func pack(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	_, _ = w.Write(b) // a buffer refuses nothing
	_ = w.Close()
	return out.Bytes(), nil
}

// unpack undoes pack. The other side is not trusted: what swells beyond bounds is
// refused.
func unpack(payload []byte, v any) error {
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(payload)), maxUnpacked+1))
	switch {
	case err != nil:
		return fmt.Errorf("client: what the other device says cannot be inflated: %w", err)
	case len(b) > maxUnpacked:
		return fmt.Errorf("client: what the other device says has more than %d bytes", maxUnpacked)
	}
	return json.Unmarshal(b, v)
}
