// Package sfu is the engine: rooms, participants, their tracks and slots. It is
// the shell that joins the media plane (sfu/peer) to the signalling port
// (sfu/signal).
//
//	adapter -> Engine.Do -> room's goroutine -> peer.Assign, events
//	peer's state and slot events -> room's goroutine -> events -> adapter
//
// Each Room has one goroutine that owns its members, tracks and views; nothing
// locks across a call. A Session is one participant's numbered stream of events,
// which outlives its signalling connection for Config.ResumeFor.
package sfu

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// Authorizer says what a token allows.
type Authorizer interface {
	Verify(now time.Time, raw string) (token.Grants, error)
}

// Config is what an engine needs. Everything that touches the network comes in
// here, so that a whole server runs over an in-memory network.
type Config struct {
	// Sockets carry the media; the engine closes them.
	Sockets []*udp.Socket
	// TCP accepts ICE-TCP (RFC 6544); nil for none. The engine closes it.
	TCP net.Listener
	// Advertise are public addresses that stand for the local ones.
	Advertise []netip.Addr
	// Addresses are the local addresses to tell clients when a socket listens
	// on all of them; empty for those of the machine's interfaces.
	Addresses []netip.Addr
	// OverTCP says of an address that a client's packets come from whether it is
	// a relay that the client reaches by TCP or TLS, which repairs loss itself;
	// nil when no relay of this node can be asked.
	OverTCP func(netip.AddrPort) bool
	// Net is pion's view of the network; nil for the operating system's.
	Net transport.Net
	// Workers is how many egress workers run; 0 for one for each core.
	Workers int
	// BWE sets the congestion controllers.
	BWE bwe.Config
	// Authorizer judges tokens; nil lets everybody in, which is for
	// development and must be said loudly by who configures it.
	Authorizer Authorizer
	// Observer is told what backends may know of rooms, on the rooms' own
	// goroutines: it must not wait, nor call the engine back. nil for none.
	Observer func(Observation)
	// ICEServers answers relay servers with fresh credentials for one
	// participant, who reached this node by the name host; nil for none.
	ICEServers func(now time.Time, participant, host string) []signal.ICEServer
	// MaxRooms and MaxParticipants bound the node, MaxRoomSize one room.
	MaxRooms, MaxParticipants, MaxRoomSize int
	// JoinRate is how many joins a second one address may make, JoinBurst how
	// many at once.
	JoinRate, JoinBurst float64
	// ResumeFor is how long a participant is kept that is heard of neither by
	// signalling nor by media.
	ResumeFor time.Duration
	// LowerVoice lets the thinnest receiver of a voice lower it for all others,
	// where it cannot be made thinner for that receiver alone. Otherwise the
	// best receiver decides, and the thinnest hears what fits.
	LowerVoice bool
	// PlainVoice passes sound on as it was published, neither thinned nor mixed, and
	// asks publishers for nothing, to compare with.
	PlainVoice bool
	// Repair says how loss of pictures is made up for, towards receivers and from
	// publishers: all that there is by default, less to compare with.
	Repair downlink.RepairMode
	// DisconnectedAfter and FailedAfter bound the silence of a path; 0 for the
	// media plane's defaults.
	DisconnectedAfter, FailedAfter time.Duration
	Logger                         *slog.Logger
}

// DefaultConfig answers the bounds that suit one node; sockets are the caller's.
func DefaultConfig() Config {
	return Config{
		BWE:             bwe.DefaultConfig(),
		MaxRooms:        10_000,
		MaxParticipants: 10_000,
		MaxRoomSize:     500,
		JoinRate:        20,
		JoinBurst:       100,
		ResumeFor:       30 * time.Second,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case len(c.Sockets) == 0:
		return errors.New("sfu: no UDP socket for media was given")
	case c.MaxRooms < 1 || c.MaxParticipants < 1 || c.MaxRoomSize < 1:
		return errors.New("sfu: MaxRooms, MaxParticipants and MaxRoomSize must be at least 1")
	case c.JoinRate <= 0 || c.JoinBurst < 1:
		return errors.New("sfu: JoinRate must be positive and JoinBurst at least 1")
	case c.ResumeFor < time.Second || c.ResumeFor > time.Hour:
		return fmt.Errorf("sfu: ResumeFor is %v; it must be 1s to 1h", c.ResumeFor)
	}
	return c.BWE.Validate()
}
