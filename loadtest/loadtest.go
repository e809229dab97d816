// Package loadtest measures a server with a fleet of clients: rooms with
// publishers of synthetic voice and video, and subscribers that measure what
// reaches them.
//
//	Fleet.Run: join (paced) -> hold for Duration -> stop publishers -> count -> leave
//
// It decides nothing about calls; it decides who joins which room and when, and
// what counts. Input: Config. Output: one Progress a second and a Result, whose
// field names are stable and documented there.
//
// Every payload carries a stamp (loadtest/media), so one-way delays are those
// of this process's clock: pacing at the sender, the server and the path are in
// them. A run whose own timers were late says so in Result.Valid: what it
// measures then is this machine and not the server.
package loadtest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Video is what publishers send beside their voice.
type Video string

// Kinds of video.
const (
	NoVideo Video = "none"
	VP8     Video = "vp8"
)

// Limits of a fleet: what one machine can hold, and far more than one can load.
const (
	maxRooms   = 1000
	maxClients = 10_000
	maxLayers  = 3
)

// Config says what to do to a server.
type Config struct {
	// URL is the server's: http://host, or ws://host/v1/ws.
	URL string
	// Room begins the names of rooms; a number follows.
	Room string
	// Rooms is how many rooms; Publishers and Subscribers are for each.
	Rooms, Publishers, Subscribers int
	Video                          Video
	// Layers is how many simulcast layers publishers send, 1 to 3: 640x360 with
	// one or two, 1280x720 with three.
	Layers int
	// VideoRate is the most that video is sent at; 0 for what suits Layers.
	VideoRate units.Rate
	// Duration is counted from when everybody is connected.
	Duration time.Duration
	// JoinRate is how many clients join each second.
	JoinRate float64
	// ConnectTimeout bounds joining and connecting of one client.
	ConnectTimeout time.Duration
	// Metrics is the URL of the server's metrics; empty to leave its costs out.
	Metrics string
	// Token answers a token for a client; nil for none.
	Token func(room, identity string) (string, error)
	// RelayOnly and RelayTransport are those of client.Options.
	RelayOnly      bool
	RelayTransport string
	TCPOnly        bool
	// Network gives each client a network and a web client of its own, for a
	// fleet in memory; nil for the operating system's.
	Network func(identity string) (transport.Net, *http.Client)
	// Progress is told once a second; may be nil. It must return at once.
	Progress func(Progress)
	Seed     uint64
	Logger   *slog.Logger
}

// DefaultConfig is one publisher with voice and video and ten subscribers for
// half a minute.
func DefaultConfig() Config {
	return Config{
		URL: "http://localhost:8080", Room: "load", Rooms: 1, Publishers: 1, Subscribers: 10,
		Video: VP8, Layers: 1, Duration: 30 * time.Second, JoinRate: 15, ConnectTimeout: 30 * time.Second,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	clients := c.Rooms * (c.Publishers + c.Subscribers)
	switch {
	case c.URL == "" || c.Room == "":
		return errors.New("load: the server's URL and a name for the rooms are needed")
	case c.Rooms < 1 || c.Rooms > maxRooms:
		return fmt.Errorf("load: %d rooms; choose 1 to %d", c.Rooms, maxRooms)
	case c.Publishers < 0 || c.Subscribers < 0 || clients < 1 || clients > maxClients:
		return fmt.Errorf("load: %d clients; choose 1 to %d", clients, maxClients)
	case c.Video != NoVideo && c.Video != VP8:
		return fmt.Errorf("load: video %q is none of %s, %s", c.Video, VP8, NoVideo)
	case c.Layers < 1 || c.Layers > maxLayers:
		return fmt.Errorf("load: %d layers; choose 1 to %d", c.Layers, maxLayers)
	case c.VideoRate < 0:
		return errors.New("load: the rate of video must not be negative")
	case c.Duration <= 0 || c.ConnectTimeout <= 0:
		return errors.New("load: durations must be positive")
	case c.JoinRate <= 0 || c.JoinRate > 1000:
		return fmt.Errorf("load: %v joins a second; choose up to 1000", c.JoinRate)
	}
	return nil
}

// Progress is how a run goes.
type Progress struct {
	Elapsed   time.Duration // since the first join
	Clients   int           // wanted
	Connected int           // media flows
	Failed    int           // could not join, or were thrown out
	Sent      float64       // packets of media each second
	Received  float64       // the same, by all subscribers together
	Loss      float64       // share of packets that never came in the last second, 0 to 1
	Measuring bool          // everybody is there and the time runs
}

// String is the progress line.
func (p Progress) String() string {
	phase := "joining"
	if p.Measuring {
		phase = "running"
	}
	return fmt.Sprintf("%4.0fs %s  clients %d/%d (failed %d)  sent %.0f/s  received %.0f/s  loss %.3f %%",
		p.Elapsed.Seconds(), phase, p.Connected, p.Clients, p.Failed, p.Sent, p.Received, 100*p.Loss)
}
