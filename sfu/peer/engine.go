package peer

import (
	"io"
	"net"
	"strconv"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

// api makes the pion API of one peer: its own buffer factory and mux, no
// interceptors (the cores do what those would do).
func (p *Peer) api() (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := registerCodecs(media); err != nil {
		return nil, err
	}
	if err := registerExtensions(media); err != nil {
		return nil, err
	}
	cfg := p.media.cfg
	var s webrtc.SettingEngine
	s.LoggerFactory = quietLogs{}
	s.BufferFactory = p.bufferFactory
	s.SetLite(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(true)
	s.SetICETimeouts(cfg.DisconnectedAfter, cfg.FailedAfter, 0)
	s.SetICEUDPMux(&boundMux{UDP: cfg.UDP, batch: p.worker.batch})
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if cfg.TCP != nil {
		s.SetICETCPMux(cfg.TCP)
		types = append(types, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	s.SetNetworkTypes(types)
	s.DisableActiveTCP(true)
	if cfg.Net != nil {
		s.SetNet(cfg.Net)
	}
	if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return nil, err
	}
	if err := p.advertise(&s); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(media),
		webrtc.WithSettingEngine(s),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
	), nil
}

// advertise tells public addresses beside the local ones.
func (p *Peer) advertise(s *webrtc.SettingEngine) error {
	var external []string
	for _, a := range p.media.cfg.Advertise {
		external = append(external, a.String())
	}
	if len(external) == 0 {
		return nil
	}
	return s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
		External:        external,
		AsCandidateType: webrtc.ICECandidateTypeHost,
		// Append, so that clients of the same network or machine still get in
		// without a detour that many routers do not offer.
		Mode: webrtc.ICEAddressRewriteAppend,
	})
}

// boundMux binds every connection that pion asks for, also after an ICE restart
// with its new fragment, to the batch of the peer's worker.
type boundMux struct {
	*icemux.UDP
	batch *icemux.Batch
}

// GetConn answers the connection of a user fragment.
func (m *boundMux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	m.Bind(ufrag, m.batch)
	return m.UDP.GetConn(ufrag, addr)
}

// Close leaves the shared mux open: one peer's end must not be everybody's.
func (m *boundMux) Close() error { return nil }

// feedbackFor lists what we understand of RTCP feedback (RFC 4585 §4.2).
func feedbackFor(video bool) []webrtc.RTCPFeedback {
	fb := []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBTransportCC}, {Type: webrtc.TypeRTCPFBNACK}}
	if video {
		fb = append(fb,
			webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
			webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
			webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBGoogREMB},
		)
	}
	return fb
}

// What browsers offer for Opus, and so what our answers to them say: Chromium
// and Safari the first, Firefox the second.
const (
	opusPayloadType        = 111
	opusPayloadTypeFirefox = 109
)

// IsVoice tells voice by payload type, for queues that see only the clear part
// of a packet.
func IsVoice(payloadType uint8) bool {
	return payloadType == opusPayloadType || payloadType == opusPayloadTypeFirefox
}

// videoCodecs are what we forward, in our order of preference.
var videoCodecs = []struct {
	mime, fmtp  string
	payloadType webrtc.PayloadType
}{
	{webrtc.MimeTypeVP8, "", 96},
	{webrtc.MimeTypeVP9, "profile-id=0", 98},
	{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 102},
	{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", 104},
	{webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f", 106},
	{webrtc.MimeTypeAV1, "", 45},
}

func registerCodecs(m *webrtc.MediaEngine) error {
	opus := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
			SDPFmtpLine:  "minptime=10;useinbandfec=1",
			RTCPFeedback: feedbackFor(false),
		},
		PayloadType: opusPayloadType,
	}
	if err := m.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return err
	}
	for _, v := range videoCodecs {
		media := webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: v.mime, ClockRate: 90000, SDPFmtpLine: v.fmtp, RTCPFeedback: feedbackFor(true),
			},
			PayloadType: v.payloadType,
		}
		repair := webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: 90000,
				SDPFmtpLine: "apt=" + strconv.Itoa(int(v.payloadType)),
			},
			PayloadType: v.payloadType + 1,
		}
		for _, c := range []webrtc.RTPCodecParameters{media, repair} {
			if err := m.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
				return err
			}
		}
	}
	return nil
}

func registerExtensions(m *webrtc.MediaEngine) error {
	both := []string{uriMID, uriTransportWide}
	video := []string{uriRID, uriRepairedRID, uriOrientation, uriDescriptor}
	register := func(uri string, kind webrtc.RTPCodecType) error {
		return m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind)
	}
	for _, uri := range both {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
			if err := register(uri, kind); err != nil {
				return err
			}
		}
	}
	for _, uri := range video {
		if err := register(uri, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	return register(uriAudioLevel, webrtc.RTPCodecTypeAudio)
}

// quietLogs silences pion: what it knows reaches us as states and errors, and
// its lines would carry addresses of users.
type quietLogs struct{}

// NewLogger answers a logger that writes nothing.
func (quietLogs) NewLogger(scope string) logging.LeveledLogger {
	return logging.NewDefaultLeveledLoggerForScope(scope, logging.LogLevelDisabled, io.Discard)
}
