package loadtest

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

	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// settle is how long what is under way may still arrive after the
	// publishers have stopped: a few round trips and retransmissions.
	settle = 700 * time.Millisecond
	// joinAgain is how long a client waits that the server told to slow down.
	joinAgain = time.Second
	// joinsAtOnce bounds the joins under way.
	joinsAtOnce = 32
	// cachePackets is how late a packet may come: a few seconds of one picture,
	// while this process is not scheduled.
	cachePackets = 512
)

// member is one client of the fleet.
type member struct {
	room, identity string
	publishes      bool
	source         uint16
	delays         *delays
	web            *http.Client

	call *client.Call // nil until joined
}

// fleet is one run.
type fleet struct {
	cfg     Config
	log     *slog.Logger
	local   func(netip.Addr) bool
	members []*member
	late    *delays
	sent    atomic.Uint64

	connected, failed atomic.Int64
	measuring         atomic.Bool
	sources           sync.WaitGroup

	mu      sync.Mutex
	joined  []*member
	problem error
}

// Run loads a server and answers what it measured. When ctx ends before its
// time the result tells what there was. An error means that nothing could be
// measured at all.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f := &fleet{cfg: cfg, log: cfg.Logger, late: newDelays()}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.local = loopbackOnly(cfg.URL)
	for r := range cfg.Rooms {
		room := fmt.Sprintf("%s-%d", cfg.Room, r)
		for i := range cfg.Publishers + cfg.Subscribers {
			m := &member{room: room, publishes: i < cfg.Publishers, delays: newDelays(), source: uint16(len(f.members) * 4)}
			m.identity = fmt.Sprintf("load-%d", i)
			f.members = append(f.members, m)
		}
	}
	return f.run(ctx)
}

// loopbackOnly keeps clients of a server on this machine from opening a socket
// on each of its addresses; nil for any other server.
func loopbackOnly(server string) func(netip.Addr) bool {
	u, err := url.Parse(server)
	if err != nil {
		return nil
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback() {
		return func(a netip.Addr) bool { return a.IsLoopback() && a.Is4() }
	}
	return nil
}

func (f *fleet) run(ctx context.Context) (*Result, error) {
	r := f.newResult()
	sending, stopSending := context.WithCancel(context.Background())
	defer stopSending()
	reporting, stopReporting := context.WithCancel(context.Background())
	var reporter sync.WaitGroup
	reporter.Go(func() { f.report(reporting, r.Started) })

	f.joinAll(ctx, sending)
	f.waitConnected(ctx)
	for _, m := range f.members {
		m.delays.reset() // what was measured while others joined is not the load
	}
	f.late.reset()
	before := f.scrape(ctx)
	received, unheard := f.totals().Received, f.playouts()
	f.measuring.Store(true)
	began := time.Now()
	if f.connected.Load() > 0 { // there is nothing to wait for otherwise
		select {
		case <-time.After(f.cfg.Duration):
		case <-ctx.Done():
			r.Interrupted = true
		}
	}
	r.Seconds = time.Since(began).Seconds()
	if r.Seconds > 0.001 {
		r.Packets.PerSecond = float64(f.totals().Received-received) / r.Seconds
	}
	r.Voice = heard(unheard, f.playouts()) // before senders stop within a word
	after := f.scrape(context.WithoutCancel(ctx))
	stopSending()
	f.sources.Wait()
	time.Sleep(settle)
	f.fill(r)
	r.Server = costs(before, after)
	stopReporting()
	reporter.Wait()
	f.leaveAll()
	return r, nil
}

func (f *fleet) newResult() *Result {
	c := f.cfg
	return &Result{
		Started: time.Now(), Rooms: c.Rooms, Publishers: c.Publishers, Subscribers: c.Subscribers,
		Video: c.Video, Layers: c.Layers, Clients: ClientCounts{Wanted: len(f.members)},
	}
}

// joinAll lets everybody join at the wanted rate, publishers of a room first.
func (f *fleet) joinAll(ctx, sending context.Context) {
	pause := time.Duration(float64(time.Second) / f.cfg.JoinRate)
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	var joining sync.WaitGroup
	defer joining.Wait()
	free := make(chan struct{}, joinsAtOnce)
	for _, m := range f.members {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		joining.Go(func() {
			defer func() { <-free }()
			if err := f.join(ctx, sending, m); err != nil && ctx.Err() == nil {
				f.fail(m, err)
			}
		})
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// fail notes that a client is not there.
func (f *fleet) fail(m *member, err error) {
	f.failed.Add(1)
	f.log.Debug("client failed", "room", m.room, "error", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem == nil {
		f.problem = err
	}
}

// join lets one client in and has it send, if it publishes.
func (f *fleet) join(ctx, sending context.Context, m *member) error {
	o, err := f.options(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.ConnectTimeout)
	defer cancel()
	for {
		m.call, err = client.Join(ctx, o)
		var refused *signal.Error
		if !errors.As(err, &refused) || refused.Code != signal.RateLimited {
			break
		}
		select {
		case <-time.After(joinAgain):
		case <-ctx.Done():
			return err
		}
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.joined = append(f.joined, m)
	f.mu.Unlock()
	select {
	case <-m.call.Connected():
	case <-m.call.Done():
		return m.call.Err()
	case <-ctx.Done():
		return fmt.Errorf("connect media: the server let this client in, but no packet came back from the addresses that it told within %v; "+
			"its media port must be open to this machine, UDP or TCP, and one of the addresses lead there from here (rivulet serve --advertise IP): %w",
			f.cfg.ConnectTimeout, ctx.Err())
	}
	f.connected.Add(1)
	f.watch(sending, m)
	if m.publishes {
		f.publish(sending, m)
	}
	return nil
}

func (f *fleet) options(m *member) (client.Options, error) {
	c := f.cfg
	o := client.Options{
		URL: c.URL, Room: m.room, Identity: m.identity, Name: m.identity, Software: "load",
		RelayOnly: c.RelayOnly, RelayTransport: c.RelayTransport, TCPOnly: c.TCPOnly,
		LocalAddress: f.local, CachePackets: cachePackets, ReceiveOnly: !m.publishes, Logger: c.Logger,
		OnPacket: func(_ int, _ uint32, p *packet.Packet) { m.delays.measure(p) },
	}
	if c.Video == NoVideo {
		o.VideoSlots = -1
	}
	if c.Network != nil {
		o.Net, o.HTTPClient = c.Network(m.identity)
		m.web = o.HTTPClient
		o.LocalAddress = nil
	}
	if m.publishes {
		o.Publish = []client.Publication{{Source: signal.Microphone}}
		if c.Video == VP8 {
			o.Publish = append(o.Publish, c.camera().publication())
		}
	}
	if c.Token == nil {
		return o, nil
	}
	var err error
	if o.Token, err = c.Token(m.room, m.identity); err != nil {
		return o, fmt.Errorf("token: %w", err)
	}
	return o, nil
}

// watch notes when the server throws a client out.
func (f *fleet) watch(sending context.Context, m *member) {
	f.sources.Go(func() {
		select {
		case <-m.call.Done():
			f.connected.Add(-1)
			f.fail(m, m.call.Err())
		case <-sending.Done():
		}
	})
}

// publish starts a publisher's media.
func (f *fleet) publish(sending context.Context, m *member) {
	now := time.Now()
	seed := f.cfg.Seed + uint64(m.source)
	s := &source{
		call: m.call, camera: f.cfg.camera(), sent: &f.sent, late: f.late, buffer: make([]byte, media.MaxVoicePayload),
		voice: media.NewVoice(now, media.VoiceConfig{Seed: seed, Source: m.source, Talk: -1}),
	}
	if f.cfg.Video == VP8 {
		s.video = s.camera.encoder(now, seed, m.source+1)
	}
	f.sources.Go(func() {
		if err := s.run(sending); err != nil {
			f.log.Debug("publisher ended", "error", err)
		}
	})
}

// waitConnected waits a moment for the last streams to begin.
func (f *fleet) waitConnected(ctx context.Context) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
}

// leaveAll ends all calls, some at a time.
func (f *fleet) leaveAll() {
	var leaving sync.WaitGroup
	free := make(chan struct{}, joinsAtOnce)
	f.mu.Lock()
	joined := f.joined
	f.mu.Unlock()
	for _, m := range joined {
		free <- struct{}{}
		leaving.Go(func() {
			m.call.Close()
			if m.web != nil {
				m.web.CloseIdleConnections()
			}
			<-free
		})
	}
	leaving.Wait()
}
