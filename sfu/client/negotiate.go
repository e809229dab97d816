package client

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// relayWait is how long a direct path is waited for before a relayed one is
// taken: a few round trips of a slow network, a quarter of pion's default.
const relayWait = 500 * time.Millisecond

const (
	// leastFlightWait and mostFlightWait bound the wait for an answer to a
	// flight of DTLS; RFC 6347 §4.2.4.1 advises a second where nothing is known.
	leastFlightWait = 400 * time.Millisecond
	mostFlightWait  = 5 * time.Second
	usualFlightWait = time.Second
)

// flightWait is how long a flight of DTLS is waited for on a path of which a
// round trip is known: twice that, since its certificates take their time on a
// thin link, and a flight that is repeated for nothing takes it twice.
func flightWait(trip time.Duration) time.Duration {
	if trip == 0 {
		return usualFlightWait
	}
	return min(max(2*trip, leastFlightWait), mostFlightWait)
}

// connect makes the PeerConnection with all its sections.
func (m *media) connect() error {
	api, err := m.api()
	if err != nil {
		return fmt.Errorf("set up the media engine: %w", err)
	}
	certificate, err := profile.ShortCertificate(time.Now())
	if err != nil {
		return err
	}
	cfg := webrtc.Configuration{Certificates: []webrtc.Certificate{*certificate}}
	if m.call.opts.RelayOnly {
		cfg.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	if m.connection, err = api.NewPeerConnection(cfg); err != nil {
		return fmt.Errorf("create the peer connection: %w", err)
	}
	m.connection.OnConnectionStateChange(m.stateChanged)
	m.connection.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		if s == webrtc.ICEConnectionStateConnected {
			m.call.stages.note(&m.call.stages.ice, m.call.started)
		}
	})
	m.connection.SCTP().Transport().ICETransport().OnSelectedCandidatePairChange(func(*webrtc.ICECandidatePair) {
		m.ingress.routeChanged()
	})
	if err := m.addSections(); err != nil {
		_ = m.connection.Close()
		return err
	}
	return nil
}

func (m *media) api() (*webrtc.API, error) {
	engine := &webrtc.MediaEngine{}
	if err := profile.Register(engine); err != nil {
		return nil, err
	}
	o := &m.call.opts
	var s webrtc.SettingEngine
	s.LoggerFactory = profile.QuietLogs{}
	s.BufferFactory = m.tap.Buffer
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(true)
	// The path has proved itself by ICE: a cookie exchange (RFC 6347 §4.2.1)
	// would cost a round trip for nothing.
	s.SetDTLSInsecureSkipHelloVerify(true)
	s.SetDTLSRetransmissionInterval(flightWait(o.Line.trip))
	s.SetSRTPProtectionProfiles(profile.Protection)
	if m.call.takesHello() {
		s.SetDTLSServerHelloMessageHook(profile.ShortServerHello)
		s.SetDTLSCertificateRequestMessageHook(profile.ShortCertificateRequest)
	}
	if o.RelayOnly {
		s.SetRelayAcceptanceMinWait(0) // there is nothing better to wait for
	} else {
		s.SetRelayAcceptanceMinWait(relayWait)
	}
	s.SetICEBindingRequestHandler(func(r *stun.Message, _, _ ice.Candidate, _ *ice.CandidatePair) bool {
		return m.early.isOurs(r.TransactionID)
	})
	if err := m.network(&s); err != nil {
		return nil, err
	}
	if o.LocalAddress != nil {
		s.SetIPFilter(func(ip net.IP) bool {
			addr, ok := netip.AddrFromSlice(ip)
			return ok && o.LocalAddress(addr.Unmap())
		})
	}
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(engine),
		webrtc.WithSettingEngine(s),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}), // the cores do what those would do
	), nil
}

// network chooses what carries the media.
func (m *media) network(s *webrtc.SettingEngine) error {
	o := &m.call.opts
	s.DisableActiveTCP(!o.TCPOnly)
	if o.Net != nil {
		s.SetNet(m.early.over(o.roaming(o.Net)))
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
		return nil
	}
	own, err := newRoomy()
	if err != nil {
		return err
	}
	s.SetNet(m.early.over(o.roaming(own)))
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if o.TCPOnly {
		types = []webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6}
	}
	s.SetNetworkTypes(types)
	return nil
}

// addSections adds what we may send, then the slots.
func (m *media) addSections() error {
	c := m.call
	if c.pair {
		return m.addDirectSections()
	}
	if !c.opts.ReceiveOnly {
		wanted := append(append([]Publication(nil), c.opts.Publish...), c.opts.Reserve...)
		wanted = append(wanted, Publication{Source: signal.Microphone}, Publication{Source: signal.Camera})
		for _, p := range wanted {
			if c.senders[p.Source] != nil {
				continue
			}
			if err := m.addSender(p); err != nil {
				return fmt.Errorf("add %s: %w", p.Source, err)
			}
		}
	}
	receive := func(kind webrtc.RTPCodecType, n int) error {
		for range n {
			_, err := m.connection.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
			if err != nil {
				return fmt.Errorf("add a slot: %w", err)
			}
		}
		return nil
	}
	if err := receive(webrtc.RTPCodecTypeAudio, c.opts.AudioSlots); err != nil {
		return err
	}
	return receive(webrtc.RTPCodecTypeVideo, c.opts.VideoSlots)
}

// addSender adds one section on which we send.
func (m *media) addSender(p Publication) error {
	if !p.Source.Valid() {
		return fmt.Errorf("client: unknown source %q", p.Source)
	}
	if len(p.Layers) > signal.MaxLayers {
		return fmt.Errorf("client: at most %d layers", signal.MaxLayers)
	}
	p = p.withDefaults()
	s := &Sender{call: m.call, source: p.Source, reserve: p}
	var transceiver *webrtc.RTPTransceiver
	for i := range max(1, len(p.Layers)) {
		t := &sendTrack{name: string(p.Source), video: p.Source.Video()}
		if len(p.Layers) > 1 {
			t.rid = p.Layers[i].RID
		}
		var err error
		if transceiver == nil {
			direction := webrtc.RTPTransceiverDirectionSendonly
			if m.call.pair {
				direction = webrtc.RTPTransceiverDirectionSendrecv
			}
			transceiver, err = m.connection.AddTransceiverFromTrack(t, webrtc.RTPTransceiverInit{Direction: direction})
		} else {
			err = transceiver.Sender().AddEncoding(t)
		}
		if err != nil {
			return err
		}
		t.transceiver = transceiver
		t.first = profile.Stream(m.firstStream, m.streams)
		m.streams++
		profile.NumberStreams(m.numbers, transceiver.Sender(), i, t.first)
		st := &stream{sender: s, layer: i, track: t, ssrc: uint32(i) + 1, sequence: 1}
		s.streams = append(s.streams, st)
	}
	m.call.senders[p.Source] = s
	m.call.order = append(m.call.order, s)
	return nil
}

// offer makes an offer, which is not applied yet: the relay servers come with
// the answer, and candidates are gathered only when it is applied.
func (m *media) offer(options *webrtc.OfferOptions) (string, error) {
	offer, err := m.connection.CreateOffer(options)
	if err != nil {
		return "", fmt.Errorf("create the offer: %w", err)
	}
	m.offered = offer
	text := profile.Number(profile.Thin(offer.SDP), m.numbers)
	if m.call.opts.TransportFeedback {
		return text, nil
	}
	return profile.OfferStreamFeedback(text), nil
}

// answer applies the offer and its answer, with the random of the server's hello of
// DTLS if it came with it.
func (m *media) answer(sdp string, random []byte) (profile.Description, error) {
	if sdp == "" {
		return profile.Description{}, errNoMedia
	}
	if err := m.connection.SetLocalDescription(m.offered); err != nil {
		return profile.Description{}, fmt.Errorf("apply the offer: %w", err)
	}
	var hello []byte
	if m.awaits = len(random) > 0; m.awaits {
		hello = profile.Hello(random)
	}
	if o := &m.call.opts; !o.RelayOnly && !o.TCPOnly {
		if err := m.early.armFor(m.offered.SDP, sdp, hello); err != nil {
			return profile.Description{}, err
		}
		m.call.running.Go(func() { m.hurry(o.Line.trip) })
	}
	return m.applyAnswer(sdp)
}

func (m *media) applyAnswer(sdp string) (profile.Description, error) {
	text := profile.WithoutStreamFeedback(sdp)
	if m.awaits {
		text = profile.AnswerActive(text)
	}
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}
	if err := m.connection.SetRemoteDescription(description); err != nil {
		return profile.Description{}, fmt.Errorf("apply the answer: %w", err)
	}
	return profile.Read(sdp)
}

// restartOffer makes and applies an offer with new ICE credentials.
func (m *media) restartOffer() (string, error) {
	offer, err := m.offer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return "", err
	}
	if m.brief != nil {
		if o, ok := m.brief.Renewed(offer); ok {
			offer = o.SDP() // pion offers what was settled; all that is new is the transport
		}
	}
	if m.connection.SignalingState() == webrtc.SignalingStateHaveLocalOffer {
		return offer, nil // an earlier restart was not answered
	}
	if err := m.connection.SetLocalDescription(m.offered); err != nil {
		return "", fmt.Errorf("apply the offer: %w", err)
	}
	return offer, nil
}

func (m *media) restarted(r *signal.Restarted) error {
	if err := m.setServers(r.ICEServers); err != nil {
		return err
	}
	_, err := m.applyAnswer(r.Answer)
	return err
}

// setServers tells pion of the relays, for the next gathering.
func (m *media) setServers(servers []signal.ICEServer) error {
	o := &m.call.opts
	var cfg webrtc.Configuration
	if o.RelayOnly {
		cfg.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	for _, s := range servers {
		var urls []string
		for _, u := range s.URLs {
			if o.RelayTransport == "" || strings.HasSuffix(u, "?transport="+o.RelayTransport) {
				urls = append(urls, u)
			}
		}
		if len(urls) > 0 {
			cfg.ICEServers = append(cfg.ICEServers, webrtc.ICEServer{URLs: urls, Username: s.Username, Credential: s.Credential})
		}
	}
	return m.connection.SetConfiguration(cfg)
}
