package full

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtp"
	"github.com/pion/transport/v5"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// pair is a flow of [PionGCC]: two PeerConnections.
type pair struct {
	spec             Flow
	from, to         transport.Net
	sender, receiver *webrtc.PeerConnection
	picture, speech  stream
	rate             atomic.Int64
}

// stream is one track of the sender. Each belongs to one goroutine.
type stream struct {
	track    *webrtc.TrackLocalStaticRTP // nil where the flow has none
	sequence uint16
}

func newPair(from, to transport.Net, spec Flow) *pair { return &pair{spec: spec, from: from, to: to} }

// rtpHeaders are those of a packet with a transport-wide sequence number.
const rtpHeaders = 12 + 8

// connect makes both and negotiates.
func (p *pair) connect(ctx context.Context) error {
	if err := p.make(); err != nil {
		return err
	}
	if !p.spec.NoVideo {
		if err := p.add(&p.picture, webrtc.MimeTypeVP8, "camera"); err != nil {
			return err
		}
	}
	if p.spec.Voice > 0 {
		if err := p.add(&p.speech, webrtc.MimeTypeOpus, "microphone"); err != nil {
			return err
		}
	}
	p.receiver.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := track.Read(buffer); err != nil {
				return
			}
		}
	})
	connected := make(chan struct{}, 2)
	for _, c := range []*webrtc.PeerConnection{p.sender, p.receiver} {
		c.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
			if s == webrtc.PeerConnectionStateConnected {
				select {
				case connected <- struct{}{}:
				default:
				}
			}
		})
	}
	if err := p.negotiate(ctx); err != nil {
		return err
	}
	for range 2 {
		select {
		case <-connected:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// add adds a track and reads the feedback on it, which is handled thereby.
func (p *pair) add(s *stream, mime, name string) error {
	var err error
	if s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, name, "main"); err != nil {
		return fmt.Errorf("make the %s's track: %w", name, err)
	}
	sender, err := p.sender.AddTrack(s.track)
	if err != nil {
		return fmt.Errorf("add the %s: %w", name, err)
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buffer); err != nil {
				return
			}
		}
	}()
	return nil
}

// make creates the PeerConnections.
func (p *pair) make() error {
	congestion, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return gcc.NewSendSideBWE(
			gcc.SendSideBWEInitialBitrate(int(p.spec.Initial)),
			gcc.SendSideBWEMaxBitrate(int(p.spec.Most)),
			gcc.WithLoggerFactory(profile.QuietLogs{}),
		)
	})
	if err != nil {
		return fmt.Errorf("make the estimator: %w", err)
	}
	congestion.OnNewPeerConnection(func(_ string, e cc.BandwidthEstimator) {
		p.rate.Store(int64(e.GetTargetBitrate()))
		// pion tells of each change on a goroutine of its own: what it is now
		// counts.
		e.OnTargetBitrateChange(func(int) { p.rate.Store(int64(e.GetTargetBitrate())) })
	})
	p.sender, err = connection(p.from, func(m *webrtc.MediaEngine, r *interceptor.Registry) error {
		r.Add(congestion)
		return webrtc.ConfigureTWCCHeaderExtensionSender(m, r)
	})
	if err != nil {
		return err
	}
	p.receiver, err = connection(p.to, webrtc.ConfigureTWCCSender)
	return err
}

// connection makes a PeerConnection on a host, for VP8 and Opus.
func connection(h transport.Net, configure func(*webrtc.MediaEngine, *interceptor.Registry) error) (*webrtc.PeerConnection, error) {
	engine, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	err := engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock},
		PayloadType:        96,
	}, webrtc.RTPCodecTypeVideo)
	if err != nil {
		return nil, fmt.Errorf("register VP8: %w", err)
	}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2},
		PayloadType:        opusPayload,
	}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register Opus: %w", err)
	}
	engine.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBTransportCC}, webrtc.RTPCodecTypeAudio)
	engine.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBTransportCC}, webrtc.RTPCodecTypeVideo)
	if err := configure(engine, registry); err != nil {
		return nil, fmt.Errorf("configure interceptors: %w", err)
	}
	if err := webrtc.ConfigureRTCPReports(registry); err != nil {
		return nil, fmt.Errorf("configure reports: %w", err)
	}
	var s webrtc.SettingEngine
	s.LoggerFactory = profile.QuietLogs{}
	s.SetNet(h)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	c, err := webrtc.NewAPI(
		webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(s),
	).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("make a peer connection: %w", err)
	}
	return c, nil
}

// negotiate carries offer and answer with all candidates.
func (p *pair) negotiate(ctx context.Context) error {
	offer, err := p.sender.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	described, err := describe(ctx, p.sender, offer)
	if err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	if err := p.receiver.SetRemoteDescription(described); err != nil {
		return fmt.Errorf("take the offer: %w", err)
	}
	answer, err := p.receiver.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if described, err = describe(ctx, p.receiver, answer); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := p.sender.SetRemoteDescription(described); err != nil {
		return fmt.Errorf("take the answer: %w", err)
	}
	return nil
}

// describe sets a local description and waits for its candidates.
func describe(ctx context.Context, c *webrtc.PeerConnection, d webrtc.SessionDescription) (webrtc.SessionDescription, error) {
	gathered := webrtc.GatheringCompletePromise(c)
	if err := c.SetLocalDescription(d); err != nil {
		return d, err
	}
	select {
	case <-gathered:
		return *c.LocalDescription(), nil
	case <-ctx.Done():
		return d, ctx.Err()
	}
}

// target is what the estimate leaves for video: voice is not adapted.
func (p *pair) target() units.Rate {
	rate := p.estimate()
	if p.spec.Voice > 0 {
		rate -= p.spec.Voice + units.Size(rtpHeaders).Over(p.spec.PacketTime)
	}
	return max(rate, 0)
}

func (p *pair) estimate() units.Rate { return units.Rate(p.rate.Load()) }

// camera packs as a pion program does: 30 frames a second, cut by pion's
// payloader into 1200 bytes and a rest. The estimate counts RTP packets, with
// an extension of 8 bytes and without what SRTP, UDP and IP add, so that is
// what fills it.
func (p *pair) camera(seed uint64, begin time.Time) camera {
	return newCamera(packing{leastFrames: mostFrames, largest: 1200 + rtpHeaders, overhead: rtpHeaders}, p.spec, seed, begin)
}

// keyframe is false: nobody asks.
func (p *pair) keyframe() bool { return false }

func (p *pair) video(_ time.Time, f client.Frame) error {
	return p.picture.write(f.Payload, f.Timestamp, f.Marker)
}

func (p *pair) voice(_ time.Time, f media.VoiceFrame) error {
	return p.speech.write(f.Payload, f.Timestamp, f.Marker)
}

func (s *stream) write(payload []byte, timestamp uint32, marker bool) error {
	s.sequence++
	return s.track.WriteRTP(&rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: marker, SequenceNumber: s.sequence, Timestamp: timestamp},
		Payload: payload,
	})
}

// close ends both and waits for their goroutines.
func (p *pair) close() error {
	var errs []error
	for _, c := range []*webrtc.PeerConnection{p.sender, p.receiver} {
		if c != nil {
			errs = append(errs, c.GracefulClose())
		}
	}
	return errors.Join(errs...)
}
