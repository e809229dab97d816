package full

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// serverAddress is the one host of our server.
var serverAddress = netip.AddrFrom4([4]byte{10, 0, 0, 1})

const (
	mediaPort     = 7882
	signalPort    = 80
	packetHeaders = 20 + 8 + rtpHeaders + 16 // IPv4, UDP, RTP, SRTP tag
)

// server is our whole server on its host.
type server struct {
	engine *sfu.Engine
	web    *http.Server
	served chan error
	ways   *ways // to viewers
}

// newServer starts a server with what is changed of the defaults.
func newServer(n *memnet.Network, adapter Adapter, change func(*sfu.Config)) (*server, error) {
	if adapter == nil {
		return nil, errors.New("full: a server without an adapter")
	}
	s := &server{served: make(chan error, 1), ways: newWays()}
	host := speaking{n.Host(serverAddress), s.ways}
	conn, err := host.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(serverAddress, mediaPort)))
	if err != nil {
		return nil, fmt.Errorf("full: open the media socket: %w", err)
	}
	cfg := sfu.DefaultConfig()
	cfg.Sockets, cfg.Net, cfg.Workers = []*udp.Socket{udp.Wrap(conn)}, host.Host, 1
	change(&cfg)
	if s.engine, err = sfu.New(cfg); err != nil {
		return nil, fmt.Errorf("full: start the engine: %w", err)
	}
	listener, err := host.ListenStream(signalPort)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("full: listen for signalling: %w", err), s.engine.Close())
	}
	s.web = &http.Server{Handler: adapter(s.engine)}
	go func() { s.served <- s.web.Serve(listener) }()
	return s, nil
}

// close ends the server; every call must be closed before.
func (s *server) close() error {
	err := errors.Join(s.engine.Close(), s.web.Close())
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// caller is a client of ours; one that publishes is a flow of [Rivulet].
type caller struct {
	spec    Flow
	host    transport.Net
	name    string
	web     *http.Transport
	call    *client.Call
	picture *client.Sender // nil without video
	speech  *client.Sender // nil without voice
}

func newCaller(h speaking, spec Flow, number int) *caller {
	return &caller{spec: spec, host: h, name: "flow" + strconv.Itoa(number), web: &http.Transport{DialContext: h.DialContext}}
}

// connect joins a room of its own: flows meet on the links only. It publishes
// last, so that nothing is sent before the links are in use.
func (c *caller) connect(ctx context.Context) error {
	if err := c.join(ctx, client.Options{
		Room: c.name, AudioSlots: -1, VideoSlots: -1, Unwatched: true,
	}); err != nil {
		return err
	}
	return c.publish(ctx, client.Publication{Source: signal.Camera, Width: 640, Height: 360, MaxRate: c.spec.Most})
}

// join returns when media can flow.
func (c *caller) join(ctx context.Context, o client.Options) error {
	cfg := bwe.DefaultConfig()
	cfg.Initial = c.spec.Initial
	if c.spec.Weight > 0 {
		cfg.Weight = c.spec.Weight
	}
	o.URL, o.Identity = "ws://"+serverAddress.String()+"/v1/ws", c.name
	o.HTTPClient, o.Net, o.BWE = &http.Client{Transport: c.web}, c.host, &cfg
	var err error
	if c.call, err = client.Join(ctx, o); err != nil {
		return err
	}
	select {
	case <-c.call.Connected():
		return nil
	case <-c.call.Done():
		return c.call.Err()
	case <-ctx.Done():
		return fmt.Errorf("no media: %w", ctx.Err())
	}
}

// publish publishes what the flow has.
func (c *caller) publish(ctx context.Context, camera client.Publication) (err error) {
	if c.spec.Voice > 0 {
		if c.speech, err = c.call.Publish(ctx, client.Publication{Source: signal.Microphone}); err != nil {
			return fmt.Errorf("publish the microphone: %w", err)
		}
	}
	if !c.spec.NoVideo {
		if c.picture, err = c.call.Publish(ctx, camera); err != nil {
			return fmt.Errorf("publish the camera: %w", err)
		}
	}
	return nil
}

func (c *caller) target() units.Rate {
	if c.picture == nil {
		return 0
	}
	return c.picture.Target()
}

func (c *caller) estimate() units.Rate {
	rate := c.target()
	if c.speech != nil {
		rate += c.speech.Target()
	}
	return rate
}

// camera packs as the exact back end does. The target counts what is on the
// wire.
func (c *caller) camera(seed uint64, begin time.Time) camera {
	return newCamera(packing{leastFrames: 10, largest: 1200, overhead: packetHeaders, even: true}, c.spec, seed, begin)
}

func (c *caller) keyframe() bool { return c.picture.KeyframeRequested(0) }

func (c *caller) video(now time.Time, f client.Frame) error { return tolerant(c.picture.Write(now, f)) }

func (c *caller) voice(now time.Time, f media.VoiceFrame) error {
	return tolerant(c.speech.Write(now, client.Frame{
		Timestamp: f.Timestamp, Marker: f.Marker, Payload: f.Payload, Level: f.Level, Voice: f.Voice,
	}))
}

// tolerant lets pass what a full pacer drops: that is the sender's choice.
func tolerant(err error) error {
	if errors.Is(err, client.ErrOverload) {
		return nil
	}
	return err
}

// close leaves and gives everything back.
func (c *caller) close() error {
	var err error
	if c.call != nil {
		err = c.call.Close()
		if n := c.call.Stats().Buffers; err == nil && n != 0 {
			err = fmt.Errorf("full: %d packet buffers outlived their call", n)
		}
	}
	c.web.CloseIdleConnections()
	return err
}
