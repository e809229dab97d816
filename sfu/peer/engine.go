package peer

import (
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// api makes the pion API of one peer: its own buffer factory and mux, no
// interceptors (the cores do what those would do).
// ahead says that our hello of DTLS goes with the answer.
func (p *Peer) api(offer string, ahead bool) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := profile.Register(media); err != nil {
		return nil, err
	}
	if err := profile.RegisterOlderRepair(media); err != nil {
		return nil, err
	}
	cfg := p.media.cfg
	var s webrtc.SettingEngine
	s.LoggerFactory = profile.QuietLogs{}
	s.BufferFactory = p.tap.Buffer
	s.SetLite(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(true)
	s.SetICETimeouts(cfg.DisconnectedAfter, cfg.FailedAfter, 0)
	s.SetICEUDPMux(p.mux)
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
	s.SetSRTPProtectionProfiles(profile.Protection)
	if AwaitsHello(offer) { // we must be the client, RFC 8842 §5.3
		s.SetICEBindingRequestHandler(p.helloBehindCheck)
		s.SetDTLSKeyLogWriter(p.handshake)
		if ahead {
			s.SetDTLSClientHelloMessageHook(profile.ShortClientHello)
		}
	} else if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return nil, err
	}
	// Packets come only from addresses that have proved the session's password:
	// DTLS's own cookie (RFC 6347 §4.2.1) would cost a round trip for nothing.
	s.SetDTLSInsecureSkipHelloVerify(true)
	s.SetDTLSRetransmissionInterval(flightWait)
	if err := p.advertise(&s); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(media),
		webrtc.WithSettingEngine(s),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
	), nil
}

// AwaitsHello says whether an offer leaves the beginning of DTLS to us, as our SDK's
// does where the path is far.
func AwaitsHello(offer string) bool { return strings.Contains(offer, "a=setup:passive") }

// helloBehindCheck has the agent take the first pair that a client has checked,
// before the client nominates one (RFC 8445 §12.1 allows to send on a valid pair):
// who waits for our hello of DTLS has it with the answer to its first check, a
// round trip sooner. The agent asks only after the check has proved the session's
// password. A client that nominates another pair later is followed as ever.
func (p *Peer) helloBehindCheck(_ *stun.Message, _, _ ice.Candidate, _ *ice.CandidatePair) bool {
	return !p.checked.Swap(true)
}

// flightWait is how long an answer to a flight of DTLS is waited for. A second,
// as RFC 6347 §4.2.4.1 advises, repeats certificates for nothing where a round
// trip takes longer. The client's own wait covers losses: a flight that it
// repeats is answered at once.
const flightWait = 2500 * time.Millisecond

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

// What browsers offer for Opus, and so what our answers to them say: Chromium
// and Safari the first, Firefox the second.
const (
	opusPayloadType        = 111
	opusPayloadTypeFirefox = 109
	redPayloadType         = 63 // RFC 2198 around Opus, of Chromium and of ours
)

// IsVoice tells voice by payload type, for queues that see only the clear part
// of a packet.
func IsVoice(payloadType uint8) bool {
	return payloadType == opusPayloadType || payloadType == opusPayloadTypeFirefox || payloadType == redPayloadType
}
