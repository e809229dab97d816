// Package client joins calls without a screen: it publishes what it is given
// and hands on what it receives, over the same protocol as a browser.
//
//	Sender.Write -> run loop -> downlink -> pion -> network
//	network -> pion SRTP loop -> ingress -> uplink.Stream -> OnPacket
//	WebSocket <-> signalling: commands, replies, events
//
// It is the engine with the roles flipped: what is sent runs through a
// sfu/downlink (pacing, congestion control, retransmission, sender reports),
// what is received through sfu/uplink and bwe/feedback (order, NACK,
// transport-wide feedback). The shell owns sockets, one run loop for the media
// that goes out and for all timers, and the signalling connection's two
// goroutines; it decides nothing but when to come back: a lost WebSocket is
// resumed, a lost path is restarted.
//
// Specification: docs/protocol.md.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	defaultAudioSlots = 3
	defaultVideoSlots = 4
	maxSlots          = 32
	// eventQueue is how many events wait for who reads them; the oldest are
	// dropped, and counted.
	eventQueue = 256
	// commandTimeout bounds the commands that the call gives by itself.
	commandTimeout = 15 * time.Second
	// restartAgain is after how long a restart that led to no path is repeated:
	// longer than checks take on the slowest link that carries a call.
	restartAgain = 6 * time.Second
)

// ErrClosed says that the call was ended from this side.
var ErrClosed = errors.New("client: the call is closed")

// Publication is one thing to send.
type Publication struct {
	Source signal.Source
	// Kind is the codec; codec.Unknown for Opus, or VP8 for video.
	Kind  codec.Kind
	Muted bool
	// Width and Height are those of the largest layer.
	Width, Height int
	// Layers are simulcast layers, the smallest first; none for a single stream.
	Layers []signal.Layer
	// MaxRate is the most that is worth sending, on the wire; 0: 64 kbit/s for
	// sound, 2.5 Mbit/s for video.
	MaxRate units.Rate
	// Encrypted says that payloads are encrypted end to end.
	Encrypted bool
}

// Options say how to join. URL and Room are needed.
type Options struct {
	// URL is the server's: ws://host/v1/ws, or http://host, which means that.
	URL      string
	Room     string
	Token    string
	Name     string
	Identity string
	// Connect, if it is not nil, begins a session of the call plane first, over
	// which Room is joined: the id of a call that the device is in or rung by.
	Connect *signal.Connect
	// PlainVoice sends sound as it is written, whatever the path carries, to
	// compare with.
	PlainVoice bool
	// Repair says how loss of pictures is made up for on the way up, to compare with.
	Repair downlink.RepairMode
	// Software is told to the server for its statistics; default "go".
	Software string
	// HTTPClient dials the signalling connection; nil for one of its own. Its
	// idle connections are the caller's to close.
	HTTPClient *http.Client
	// Line is a signalling connection that is open already (see Dial); nil to
	// open one. Join takes it over.
	Line *Line
	// Net carries the media; nil for the operating system's network. With a Net
	// of its own, IPv4 over UDP is used.
	Net transport.Net
	// AudioSlots and VideoSlots are how many streams to receive at once; 0 for
	// 3 and 4, negative for none.
	AudioSlots, VideoSlots int
	// Publish begins with the join. Reserve are sections for what may be
	// published later; a microphone and a camera without layers are always
	// reserved unless ReceiveOnly.
	Publish, Reserve []Publication
	ReceiveOnly      bool
	DataMode         signal.DataMode
	// DataBudget bounds what the server sends; nil for no bound.
	DataBudget *signal.DataBudget
	// IgnoreEncode ignores what the server says of encodings (Sender.Encodings),
	// as clients of other makers do, and is bounded by REMB in their place.
	// Unwatched sends everything whether anybody watches or not, for measuring the
	// way up alone: the server is told that its orders are obeyed.
	IgnoreEncode, Unwatched bool
	// RelayOnly uses the server's relay alone; RelayTransport ("udp" or "tcp")
	// only its servers of that transport. TCPOnly connects by ICE-TCP alone
	// (RFC 6544), without Net.
	RelayOnly      bool
	RelayTransport string
	TCPOnly        bool
	// Direct lets media go directly to the other device of a call of two, where the
	// server and that device want so too; it needs Connect. Each then learns the
	// other's addresses, unless DirectRelayOnly or the server has relays alone used.
	// Where it is heard is no different: a source comes in the same slot, whichever way.
	Direct, DirectRelayOnly bool
	// LocalAddress chooses the local addresses for media; nil for all.
	LocalAddress func(netip.Addr) bool
	// Roam binds the sockets for media to a port alone and no address, so that
	// what is sent leaves by whatever address the host has at the time. A host that
	// moves to another network goes on there without an ICE restart: the server
	// asks the new address for proof and follows. The sockets then also receive
	// what comes to the host's other addresses.
	Roam bool
	// CachePackets is how many sequence numbers of a video stream are
	// remembered, and so how late a packet may come; 0 for 256.
	CachePackets int
	// OnPacket is told of every new packet of media, in order of arrival, on
	// the goroutine that decrypted it: it must return at once and must not call
	// the Call's methods except Stats. source is the short id of the track,
	// which Assignment.Source names. The packet is only lent; see packet.Packet.
	OnPacket func(slot int, source uint32, p *packet.Packet)
	// OnPlay is told what would be played in an audio slot at which time: what
	// came, and what must be concealed. It is told late, at the next packet or
	// look at Stats, and must return at once and call nothing of the Call. The
	// payload is only lent.
	OnPlay func(slot int, at time.Time, f jitter.Frame)
	// TransportFeedback wants transport-wide feedback, as browsers speak it, in
	// place of RFC 8888, which saves a header extension on every packet.
	TransportFeedback bool
	// Memory, if it is not nil, is what networks carried in calls before, and
	// Network names the one in use: whatever tells networks apart on this device,
	// such as an interface with its gateway. A call begins with what is known.
	Memory  *Memory
	Network string
	// BWE sets the congestion controller of what is sent; zero for its default.
	BWE    *bwe.Config
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return o, fmt.Errorf("client: the server's URL: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
		u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/ws"
		}
	case "ws", "wss":
	default:
		return o, fmt.Errorf("client: the server's URL %q has none of the schemes http, https, ws, wss", o.URL)
	}
	o.URL = u.String()
	o.AudioSlots = slotCount(o.AudioSlots, defaultAudioSlots)
	o.VideoSlots = slotCount(o.VideoSlots, defaultVideoSlots)
	if o.Software == "" {
		o.Software = "go"
	}
	if o.CachePackets == 0 {
		o.CachePackets = 256
	}
	if o.BWE == nil {
		cfg := bwe.DefaultConfig()
		o.BWE = &cfg
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TCPOnly && o.Net != nil {
		return o, errors.New("client: ICE-TCP dials by the operating system and not by Options.Net")
	}
	if o.ReceiveOnly && len(o.Publish)+len(o.Reserve) > 0 {
		return o, errors.New("client: ReceiveOnly contradicts Publish and Reserve")
	}
	return o, nil
}

func slotCount(n, usual int) int {
	switch {
	case n == 0:
		return usual
	case n < 0:
		return 0
	}
	return min(n, maxSlots)
}

// Call is one participant's place in a room. Its methods may be called from
// any goroutine; it must be closed.
type Call struct {
	opts    Options
	log     *slog.Logger
	started time.Time

	senders map[signal.Source]*Sender // never changes after Join
	order   []*Sender
	media   *media
	signals *signalling
	direct  *directPath // nil without
	pair    bool        // it is the media of a direct path: see twin
	far     bool        // the server's hello of DTLS is asked for with its answer

	joined    *signal.Joined
	events    chan signal.EventBody
	connected chan struct{} // closed when media flows for the first time
	done      chan struct{} // closed when the call has ended, by whomever
	restart   chan struct{} // wish for an ICE restart

	stages     stages
	lostEvents atomic.Uint64
	closing    sync.Once
	ending     sync.Once
	ended      error
	running    sync.WaitGroup

	mu           sync.Mutex
	participants map[string]signal.Participant
	assigned     map[int]signal.Assignment
	negotiating  sync.Mutex // one offer at a time
}

// Join joins a room in one round trip: the offer goes with the command, the
// answer and the relay's credentials come with the reply. Media connects
// afterwards; see Connected. A refusal by the server is a *signal.Error.
func Join(ctx context.Context, o Options) (*Call, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Call{
		opts: o, log: o.Logger, started: time.Now(),
		senders:      make(map[signal.Source]*Sender),
		events:       make(chan signal.EventBody, eventQueue),
		connected:    make(chan struct{}),
		done:         make(chan struct{}),
		restart:      make(chan struct{}, 1),
		participants: make(map[string]signal.Participant),
		assigned:     make(map[int]signal.Assignment),
	}
	if o.Direct && o.Connect != nil {
		c.direct = newDirectPath(c)
	}
	if err := c.join(ctx); err != nil {
		if c.opts.Line != nil && c.opts.Line.socket != nil {
			_ = c.opts.Line.Close() // again does no harm
		}
		if c.media == nil {
			return nil, err
		}
		c.end(err)
		c.Close()
		return nil, err
	}
	return c, nil
}

// join opens a line unless there is one, joins on it and starts the media.
func (c *Call) join(ctx context.Context) error {
	var commands []signal.Body
	prepare := func(l *Line) (_ []signal.Body, err error) {
		c.stages.note(&c.stages.signalling, c.started)
		c.opts.Line = l
		commands, err = c.prepare()
		return commands, err
	}
	if c.opts.Line == nil {
		line, err := openLine(ctx, &c.opts, prepare)
		if err != nil {
			return fmt.Errorf("join room: %w", err)
		}
		c.opts.Line = line
	}
	if commands == nil { // the line was open, or tells nothing of its connection
		if _, err := prepare(c.opts.Line); err != nil {
			return fmt.Errorf("join room: %w", err)
		}
	}
	c.signals = newSignalling(c)
	var err error
	if c.joined, err = c.signals.join(ctx, commands); err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	c.remember(c.joined)
	if err := c.media.start(c.joined); err != nil {
		return err
	}
	for _, p := range c.opts.Publish {
		c.senders[p.Source].start(p)
	}
	c.running.Go(c.signals.run)
	c.running.Go(c.keep)
	if c.direct != nil {
		c.running.Go(c.direct.run)
	}
	c.acknowledgeFirst()
	return nil
}

// prepare makes the media and the commands that offer them.
func (c *Call) prepare() ([]signal.Body, error) {
	var err error
	if c.media, err = newMedia(c); err != nil {
		return nil, err
	}
	offer, err := c.media.offer(nil)
	if err != nil {
		return nil, err
	}
	if o, ok := brief.ReadOffer(offer); ok {
		c.media.brief = &o
	}
	c.far = c.takesHello()
	command := &signal.Join{
		Version: signal.Version, Room: c.opts.Room, Token: c.opts.Token, Name: c.opts.Name,
		Identity: c.opts.Identity, Offer: offer, DataMode: c.opts.DataMode,
		DataBudget: c.opts.DataBudget, Encodes: !c.opts.IgnoreEncode, Client: c.opts.Software, Hello: c.far,
	}
	for _, s := range c.order {
		command.Send = append(command.Send, signal.Section{MID: s.mid(), Source: s.source})
	}
	for _, p := range c.opts.Publish {
		command.Publish = append(command.Publish, p.command())
	}
	return c.opening(command), nil
}

// remember takes over the room as it was when we joined.
func (c *Call) remember(j *signal.Joined) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range j.Participants {
		c.participants[p.ID] = p
	}
}

// end ends the call with a reason, once.
func (c *Call) end(reason error) {
	c.ending.Do(func() {
		c.ended = reason
		close(c.done)
	})
}

// Close leaves the room and gives everything back. It waits for every
// goroutine of the call.
func (c *Call) Close() error {
	c.closing.Do(func() {
		if c.signals != nil {
			c.signals.leave()
		}
		c.end(ErrClosed)
		if c.signals != nil {
			c.signals.close()
		}
		c.running.Wait()
		c.media.close()
		close(c.events)
	})
	return nil
}
