package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/encoding"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/peer/tap"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

// State is how the peer's path does.
type State uint8

// The states of a path.
const (
	Connecting   State = iota
	Connected          // media flows
	Disconnected       // silent; may come back by itself
	Failed             // given up; an ICE restart is needed
)

var stateNames = [...]string{"connecting", "connected", "disconnected", "failed"}

// String answers the state's name.
func (s State) String() string { return stateNames[s] }

// Handler is told of a peer. Its methods are called from the media plane's own
// goroutines and must return at once.
type Handler interface {
	// StateChanged tells of the path.
	StateChanged(State)
	// SlotEvents tells what became of slots. The slice is only lent.
	SlotEvents([]downlink.Event)
	// EncodingChanged tells how the layers of a track of the peer's, from small
	// to large, are to be sent from now on. The slice is the receiver's to keep.
	EncodingChanged(*Track, []encoding.Encoding)
}

// Owned is a Handler that says whose path it is: who comes back from the same
// network under the same name begins with what it carried before. The name is
// kept only as a hash under a key that ends with the process; "" keeps nothing.
type Owned interface {
	Owner() string
}

// Early is a Handler that says whether its client takes our hello of DTLS from
// signalling. Such a client offers either role of DTLS, is its server if Peer.Hello
// answers something, and is answered as if it were its client all the same.
type Early interface {
	TakesHello() bool
}

// ErrOffer says that the client's offer cannot be answered; the error around it
// says why.
var ErrOffer = errors.New("offer refused")

// Peer is one participant's PeerConnection.
type Peer struct {
	media      *Media
	worker     *worker
	serial     uint64 // unique in Media
	handler    Handler
	connection *webrtc.PeerConnection
	ingress    *ingress
	egress     *egress
	tap        *tap.Tap
	mux        *boundMux

	slots     []*slotTrack
	first     uint32            // number of the first stream (profile.Stream)
	numbers   map[uint32]uint32 // pion's SSRCs of the slots, and ours
	offered   []profile.Section // the sections of the first offer: they stay
	byStream  bool              // reports are those of RFC 8888, both ways
	connected atomic.Bool
	checked   atomic.Bool // a client that waits for our hello has checked a path
	handshake *handshake  // nil where the client begins DTLS
	hello     []byte      // random of ours of DTLS, which goes with the answer; see Early
	stating   sync.Mutex  // orders what pion tells of states; a leaf
	state     webrtc.PeerConnectionState
	stats     atomic.Pointer[downlink.Stats]
	closing   sync.Once
	owner     string // see Owned
}

// NewPeer answers a client's offer. Every section on which the client receives
// becomes a slot. Errors that are the client's fault wrap ErrOffer.
func (m *Media) NewPeer(ctx context.Context, offer string, h Handler) (*Peer, string, error) {
	text, sections, err := parseOffer(offer)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	p := &Peer{media: m, worker: m.pickWorker(), handler: h, serial: m.serial.Add(1), byStream: profile.HasStreamFeedback(offer)}
	if o, ok := h.(Owned); ok {
		p.owner = o.Owner()
	}
	p.first, p.numbers = profile.FirstStream(), make(map[uint32]uint32)
	if p.ingress, err = newIngress(p); err != nil {
		return nil, "", err
	}
	p.egress = &egress{peer: p, index: -1}
	early, _ := h.(Early)
	ahead := early != nil && early.TakesHello() && profile.OffersBothRoles(text)
	if ahead {
		text = profile.OfferPassive(text)
	}
	if AwaitsHello(text) {
		p.handshake = newHandshake(p.mayBegin)
	}
	p.mux = &boundMux{UDP: m.cfg.UDP, batch: p.worker.batch, handshake: p.handshake}
	p.tap = tap.New(p.ingress.receiveRTP, p.receiveRTCP)
	p.tap.OnFlood = func() { _ = p.connection.Close() } // the room hears of the end as of any other
	api, err := p.api(text, ahead)
	if err != nil {
		return nil, "", fmt.Errorf("set up the peer: %w", err)
	}
	var configuration webrtc.Configuration
	if ahead {
		certificate, err := profile.ShortCertificate(time.Now())
		if err != nil {
			return nil, "", err
		}
		configuration.Certificates = []webrtc.Certificate{*certificate}
	}
	if p.connection, err = api.NewPeerConnection(configuration); err != nil {
		return nil, "", fmt.Errorf("create the peer connection: %w", err)
	}
	m.peers.Add(1)
	answer, err := p.negotiate(ctx, text, sections)
	if err != nil {
		p.Close()
		return nil, "", err
	}
	if ahead {
		if p.hello = p.handshake.ahead(ctx, text, answer); p.hello != nil {
			answer = profile.AnswerPassive(answer)
		}
	}
	return p, answer, nil
}

func (p *Peer) negotiate(ctx context.Context, offer string, sections []profile.Section) (string, error) {
	if err := p.addSlots(sections); err != nil {
		return "", err
	}
	p.offered = sections
	p.connection.OnConnectionStateChange(func(webrtc.PeerConnectionState) { p.stateChanged() })
	p.transport().OnSelectedCandidatePairChange(p.routeChanged)
	if p.handshake != nil {
		p.connection.OnICEConnectionStateChange(p.handshake.iceChanged)
	}
	answer, err := p.answer(ctx, offer)
	if err != nil {
		return "", err
	}
	settled, err := profile.Read(answer)
	if err != nil {
		return "", err
	}
	if err := p.startEgress(settled); err != nil {
		return "", err
	}
	p.startIngress(sections, settled)
	return answer, nil
}

// addSlots gives pion one local track for each section that the client receives.
func (p *Peer) addSlots(sections []profile.Section) error {
	var audio, video int
	for _, s := range sections {
		if !s.Receives {
			continue
		}
		t := &slotTrack{slot: len(p.slots), mid: s.MID, video: s.Video, first: profile.Stream(p.first, len(p.slots))}
		if s.Video {
			t.main = video == 0
			video++
		} else {
			t.main = audio == 0
			audio++
		}
		direction := webrtc.RTPTransceiverDirectionSendonly
		if s.Sends {
			direction = webrtc.RTPTransceiverDirectionSendrecv
		}
		transceiver, err := p.connection.AddTransceiverFromTrack(t, webrtc.RTPTransceiverInit{Direction: direction})
		if err != nil {
			return fmt.Errorf("add slot %d: %w", t.slot, err)
		}
		profile.NumberStreams(p.numbers, transceiver.Sender(), 0, t.first)
		p.slots = append(p.slots, t)
		if len(p.slots) > downlink.MaxSlots {
			return fmt.Errorf("%w: more than %d sections receive", ErrOffer, downlink.MaxSlots)
		}
	}
	return nil
}

// answer runs one offer and answer through pion and waits for our candidates,
// which are all local.
func (p *Peer) answer(ctx context.Context, offer string) (string, error) {
	p.mux.offered(offer)
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}
	if err := p.connection.SetRemoteDescription(description); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	answer, err := p.connection.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	gathered := webrtc.GatheringCompletePromise(p.connection)
	if err := p.connection.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", fmt.Errorf("gather local candidates: %w", ctx.Err())
	}
	text := profile.Number(profile.Thin(p.connection.LocalDescription().SDP), p.numbers)
	if p.byStream {
		text = profile.AnswerStreamFeedback(text)
	}
	return text, nil
}

// startEgress hands the bound slots to the worker.
func (p *Peer) startEgress(settled profile.Description) error {
	var seed [8]byte
	rand.Read(seed[:]) // never fails (crypto/rand)
	cfg := downlink.Config{
		Overhead:       wire.UsualOverhead,
		TransportWide:  settled.IDs.TransportWide != 0,
		StreamFeedback: p.byStream,
		Stills:         true,
		BWE:            p.media.cfg.BWE,
		Seed:           binary.LittleEndian.Uint64(seed[:]),
		PlainVoice:     p.media.cfg.PlainVoice,
		Repair:         p.media.cfg.Repair,
	}
	for _, s := range p.slots {
		if s.writer == nil {
			return fmt.Errorf("%w: section %q offers no codec that is known here", ErrOffer, s.mid)
		}
		cfg.Slots = append(cfg.Slots, s.config())
	}
	now := time.Now()
	down, err := downlink.New(now, cfg)
	if err != nil {
		return fmt.Errorf("start the downlink: %w", err)
	}
	p.egress.down = down
	p.egress.slots = p.slots
	p.egress.tracks = make([]*Track, len(p.slots))
	p.egress.wishes = make([]encoding.Wish, len(p.slots))
	p.worker.post(func(now time.Time) { p.worker.attach(now, p.egress) })
	return nil
}

func (p *Peer) startIngress(sections []profile.Section, settled profile.Description) {
	g := p.ingress
	g.mu.Lock()
	defer g.mu.Unlock()
	g.formats, g.ids = settled.Formats, settled.IDs
	for _, o := range sections {
		if !o.Sends {
			continue
		}
		s := &section{mid: o.MID, video: o.Video, rids: o.RIDs}
		g.sections = append(g.sections, s)
		for ssrc, repairs := range o.Streams {
			g.declared[ssrc] = declaredSSRC{section: s, repairs: repairs}
		}
	}
}

// stateChanged tells of the connection's present state. pion calls it from a new
// goroutine for each change, in any order, so what counts is what it says now.
func (p *Peer) stateChanged() {
	p.stating.Lock()
	defer p.stating.Unlock()
	s := p.connection.ConnectionState()
	if s == p.state {
		return
	}
	p.state = s
	switch s {
	case webrtc.PeerConnectionStateConnected:
		began := p.open()
		p.connected.Store(true)
		if p.handshake != nil {
			p.handshake.finish()
		}
		if !began {
			pair, _ := p.transport().GetSelectedCandidatePair() // without one: the usual
			p.routeChanged(pair)
		}
		p.handler.StateChanged(Connected)
	case webrtc.PeerConnectionStateDisconnected:
		p.handler.StateChanged(Disconnected)
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		// Closed is the client's own doing: it ended DTLS (RFC 8446 §6.1).
		p.connected.Store(false)
		if p.handshake != nil {
			p.handshake.finish()
		}
		p.handler.StateChanged(Failed)
	}
}

// mayBegin has the first words leave before the end of the handshake.
func (p *Peer) mayBegin(trip time.Duration) {
	p.onDownlink(func(now time.Time, d *downlink.Downlink) { d.SuggestRTT(now, trip) })
}

// open says whether media may leave: the path is connected, or our side of its
// handshake is done.
func (p *Peer) open() bool { return p.connected.Load() || p.early() != nil }

// early answers what sends media until pion does; nil for nothing.
func (p *Peer) early() *earlyWriter {
	if p.handshake == nil {
		return nil
	}
	return p.handshake.early.Load()
}

// Restart answers an offer that renews ICE. Slots and sections stay: an offer
// with others wraps ErrOffer. One call at a time.
func (p *Peer) Restart(ctx context.Context, offer string) (string, error) {
	text, sections, err := parseOffer(offer)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	if !slices.EqualFunc(p.offered, sections, profile.Section.Same) {
		return "", fmt.Errorf("%w: an ICE restart keeps all media sections and their directions", ErrOffer)
	}
	if p.connection.SignalingState() != webrtc.SignalingStateStable {
		// pion cannot roll back an offer that it refused half-way.
		return "", fmt.Errorf("%w: an earlier offer could not be answered; join again", ErrOffer)
	}
	if p.hello == nil {
		return p.answer(ctx, text)
	}
	answer, err := p.answer(ctx, profile.OfferPassive(text))
	return profile.AnswerPassive(answer), err
}

// Hello is the random of our first message of DTLS (profile.Hello), for a client that
// takes it from signalling; nil where it comes over the path, or is the client's to send.
func (p *Peer) Hello() []byte { return p.hello }

// Slots tells which media section each slot is.
func (p *Peer) Slots() []Slot {
	var all []Slot
	for _, s := range p.slots {
		kind := downlink.Audio
		if s.video {
			kind = downlink.Video
		}
		all = append(all, Slot{MID: s.mid, Kind: kind})
	}
	return all
}

// SendSections are the sections on which the client may send, in order.
func (p *Peer) SendSections() []Slot {
	var all []Slot
	for _, s := range p.ingress.sections {
		kind := downlink.Audio
		if s.video {
			kind = downlink.Video
		}
		all = append(all, Slot{MID: s.mid, Kind: kind})
	}
	return all
}

// Publish starts a track on a section of the client's; false when the client
// sends nothing there.
func (p *Peer) Publish(mid string, cfg TrackConfig) (*Track, bool) {
	t := &Track{TrackConfig: cfg, publisher: p, workers: p.media.workers}
	return t, p.ingress.publish(t, mid)
}

// Unpublish ends a track. Subscribers must be assigned something else first.
func (p *Peer) Unpublish(t *Track) { p.ingress.unpublish(t) }

// Assign puts a track (nil for none) into a slot.
func (p *Peer) Assign(slot int, t *Track, s downlink.Source) {
	p.worker.post(func(now time.Time) { p.egress.assign(now, slot, t, s) })
}

// onDownlink runs do on the worker unless the peer is closed.
func (p *Peer) onDownlink(do func(now time.Time, d *downlink.Downlink)) {
	p.worker.post(func(now time.Time) { p.withDownlink(now, do) })
}

// Acknowledge says that the client knows what a slot carries.
func (p *Peer) Acknowledge(slot int, source uint32) {
	p.onDownlink(func(_ time.Time, d *downlink.Downlink) { d.Acknowledge(slot, source) })
}

// SetView says how a slot is looked at.
func (p *Peer) SetView(slot int, v downlink.View) {
	p.onDownlink(func(now time.Time, d *downlink.Downlink) { d.SetView(now, slot, v) })
}

// SetVoiceWish says what voices would cost if the path carried them as they are;
// see downlink.Downlink.SetVoiceWish.
func (p *Peer) SetVoiceWish(wish units.Rate) {
	p.onDownlink(func(now time.Time, d *downlink.Downlink) { d.SetVoiceWish(now, wish) })
}

// SetDataBudget bounds what the client is sent.
func (p *Peer) SetDataBudget(b downlink.DataBudget) {
	p.onDownlink(func(now time.Time, d *downlink.Downlink) { d.SetDataBudget(now, b) })
}

// SetDataMode bounds what the client spends.
func (p *Peer) SetDataMode(mode downlink.DataMode) {
	p.onDownlink(func(now time.Time, d *downlink.Downlink) { d.SetDataMode(now, mode) })
}

// Stats is a snapshot of the downlink, at most a second old; false before the first.
func (p *Peer) Stats() (downlink.Stats, bool) {
	if s := p.stats.Load(); s != nil {
		return *s, true
	}
	return downlink.Stats{}, false
}

// Uplinks is the state of the incoming streams.
func (p *Peer) Uplinks() []UplinkStats { return p.ingress.uplinkStats() }

// Close ends the connection and gives back every buffer. It waits until the
// worker has let go.
func (p *Peer) Close() {
	p.closing.Do(func() {
		p.connected.Store(false)
		if p.egress.down != nil {
			p.worker.call(func(time.Time) { p.egress.close() })
		}
		// The only error is that of a transport which was never opened.
		_ = p.connection.GracefulClose()
		p.ingress.close()
		if p.tap != nil {
			p.media.counts.rtcpLimited.Add(p.tap.Limited())
		}
		p.media.peers.Add(-1)
	})
}
