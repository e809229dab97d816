package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/feed"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// serverAddr is the one host of the server.
var serverAddr = netip.MustParseAddr("10.0.0.1")

// world is a whole server and its network in memory.
type world struct {
	t       *testing.T
	network *memnet.Network
	engine  *sfu.Engine
	board   *switchboard.Board // nil for media only
	http    *http.Server
	served  chan error
	hosts   int
	beside  []io.Closer // closed before the network
}

// newWorld starts a server inside the bubble.
func newWorld(t *testing.T, change func(*sfu.Config)) *world {
	t.Helper()
	return newWorldWith(t, change, nil)
}

// newWorldWith starts one with a call plane too.
func newWorldWith(t *testing.T, change func(*sfu.Config), calls *switchboard.Config) *world {
	t.Helper()
	w := &world{t: t, network: memnet.New(memnet.Config{}), served: make(chan error, 1)}
	host := w.network.Host(serverAddr)
	conn, err := host.ListenPacket("udp4", "10.0.0.1:7882")
	must(t, err)
	cfg := sfu.DefaultConfig()
	cfg.Sockets = []*udp.Socket{udp.Wrap(conn)}
	cfg.Net = host
	cfg.Workers = 2
	cfg.BWE.Known = cfg.BWE.Initial // begin with everything
	if change != nil {
		change(&cfg)
	}
	if calls != nil {
		cfg.Observer = func(o sfu.Observation) { w.board.Observe(o) }
	}
	w.engine, err = sfu.New(cfg)
	must(t, err)
	var port signal.Engine = w.engine
	if calls != nil {
		calls.Media = w.engine
		w.board, err = switchboard.New(*calls)
		must(t, err)
		port = w.board
	}
	listener, err := host.ListenStream(80)
	must(t, err)
	w.http = &http.Server{Handler: ws.New(port, ws.Config{})}
	go func() { w.served <- w.http.Serve(listener) }()
	return w
}

// close ends the server; every call must be closed before.
func (w *world) close() {
	w.t.Helper()
	if w.board != nil {
		must(w.t, w.board.Close())
	}
	if err := w.engine.Close(); err != nil {
		w.t.Errorf("close the engine: %v", err)
	}
	if n := w.engine.Stats().Media.BuffersInUse; n != 0 {
		w.t.Errorf("%d packet buffers of the server outlived their rooms", n)
	}
	if err := w.http.Close(); err != nil {
		w.t.Errorf("close the HTTP server: %v", err)
	}
	if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Errorf("serve: %v", err)
	}
	for _, c := range w.beside {
		must(w.t, c.Close())
	}
	w.network.Close()
}

// user is one client with what it has heard.
type user struct {
	*client.Call
	host  *memnet.Host
	addr  netip.Addr
	web   *http.Transport
	stop  chan struct{}
	media sync.WaitGroup

	mu      sync.Mutex
	packets map[int]int    // by slot
	sources map[uint32]int // by short id
	delays  []time.Duration
	frames  [3]int // of pictures, by layer
	number  [3]uint32
}

// join lets one more user in, from a host of its own.
func (w *world) join(o client.Options) *user {
	w.t.Helper()
	w.hosts++
	u := &user{
		addr:    netip.AddrFrom4([4]byte{10, 0, 1, byte(w.hosts)}),
		stop:    make(chan struct{}),
		packets: make(map[int]int), sources: make(map[uint32]int),
	}
	u.host = w.network.Host(u.addr)
	u.web = &http.Transport{DialContext: u.host.DialContext}
	o.URL = "ws://10.0.0.1/v1/ws"
	if o.Room == "" {
		o.Room = "room"
	}
	o.Net, o.HTTPClient = u.host, &http.Client{Transport: u.web}
	if o.BWE == nil {
		known := bwe.DefaultConfig()
		known.Known = known.Initial // begin with everything
		o.BWE = &known
	}
	if o.OnPacket == nil {
		o.OnPacket = u.received
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var err error
	u.Call, err = client.Join(ctx, o)
	must(w.t, err)
	return u
}

func (u *user) received(slot int, source uint32, p *packet.Packet) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.packets[slot]++
	u.sources[source]++
	if s, _, ok := media.FindStamp(p.Payload); ok {
		u.delays = append(u.delays, p.Arrival.Sub(s.Sent))
		if i := int(s.Source); p.Kind.Video() && i < len(u.frames) && s.Number != u.number[i] {
			u.frames[i]++
			u.number[i] = s.Number
		}
	}
}

// heard answers the packets by slot.
func (u *user) heard(slot int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.packets[slot]
}

// leave ends the call and its media.
func (w *world) leave(u *user) {
	w.t.Helper()
	close(u.stop)
	u.media.Wait()
	must(w.t, u.Close())
	u.web.CloseIdleConnections()
	if n := u.Stats().Buffers; n != 0 {
		w.t.Errorf("%d packet buffers of a client outlived its call", n)
	}
}

// talk sends voice without pauses until the user leaves.
func (u *user) talk(t *testing.T) { u.speak(t, media.VoiceConfig{Seed: 1, Talk: -1}) }

// speak sends a voice until the user leaves.
func (u *user) speak(t *testing.T, cfg media.VoiceConfig) {
	sender := u.Sender(signal.Microphone)
	u.media.Go(func() {
		start := time.Now()
		voice := media.NewVoice(start, cfg)
		buf := make([]byte, media.MaxVoicePayload)
		for {
			if !u.waitFor(voice.Next()) {
				return
			}
			now := time.Now()
			if err := feed.Voice(now, voice, buf, func(f client.Frame, _ media.VoiceFrame) error { return sender.Write(now, f) }); err != nil {
				t.Errorf("send voice: %v", err)
				return
			}
		}
	})
}

// show sends video in one layer, or in as many as the camera has, until the
// user leaves. It follows the estimate and answers key-frame requests.
func (u *user) show(t *testing.T, cfg media.VP8Config) {
	u.film(t, cfg, func(now time.Time, camera *media.Simulcast, sender *client.Sender) {
		feed.Obey(camera, sender)
		camera.SetRate(now, sender.Target().Scale(0.9))
	})
}

// film sends video until the user leaves, with its encoders steered each time.
func (u *user) film(t *testing.T, cfg media.VP8Config, steer func(time.Time, *media.Simulcast, *client.Sender)) {
	sender := u.Sender(signal.Camera)
	u.media.Go(func() {
		camera := media.NewSimulcast(time.Now(), cfg)
		buf := make([]byte, media.DefaultMaxPayload)
		for {
			now := time.Now()
			steer(now, camera, sender)
			next := camera.Next()
			if next.IsZero() {
				next = now.Add(100 * time.Millisecond)
			}
			if !u.waitFor(next) {
				return
			}
			now = time.Now()
			send := func(f client.Frame) error { return sender.Write(now, f) }
			if err := feed.Pictures(now, camera, len(camera.Layers), sender, buf, send); err != nil {
				t.Errorf("send video: %v", err)
				return
			}
		}
	})
}

// waitFor waits until a time; false when the user leaves before.
func (u *user) waitFor(at time.Time) bool {
	select {
	case <-time.After(time.Until(at)):
		return true
	case <-u.stop:
		return false
	}
}

func (u *user) waitConnected(t *testing.T) {
	t.Helper()
	select {
	case <-u.Connected():
	case <-time.After(10 * time.Second):
		t.Fatalf("no media after 10 s: %+v, %v", u.Stages(), u.Err())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func publications(sources ...signal.Source) []client.Publication {
	var all []client.Publication
	for _, s := range sources {
		p := client.Publication{Source: s}
		if s.Video() {
			p.Width, p.Height = 480, 270
			p.MaxRate = 800 * units.Kbps
		}
		all = append(all, p)
	}
	return all
}

// newHTTP is another web client on the user's host.
func newHTTP(u *user) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: u.host.DialContext}}
}
