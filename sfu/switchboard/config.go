// Package switchboard is the shell of the call plane: it owns the calls of
// sfu/call, knows which devices and backends are connected, and has the media
// plane build, open and close what a call needs.
//
//	adapter ─► Board.Do ──► the board's goroutine ─► call.Exchange ─► events
//	                │                                                  │
//	                │ join, mute, view ...            devices' sessions, backends' feed,
//	                └──────► Media (sfu.Engine)  ◄──── gates ───────────┘
//	                              └── observations (who joined, left, bytes) ─► the board
//
// It implements the same port as the media plane, signal.Engine: what is of the
// call plane it carries out, the rest it passes on, so that an adapter serves
// either. A device's session carries the events of its calls and, while it is
// in a call's room, those of the room, under one numbering; so one connection
// carries everything, and one resume takes it up again.
//
// One goroutine owns all calls of all tenants and has one timer. What is asked
// of others (Directory, Waker) happens outside of it.
package switchboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// Media is what the call plane needs of the media plane; *sfu.Engine is one.
type Media interface {
	signal.Engine
	Admit(ctx context.Context, c signal.Command, a sfu.Admission) (*signal.Joined, error)
	Control(tenant string, body signal.Body) (signal.Reply, error)
	Gate(session string, open bool)
	Dismiss(session string, code signal.Code, why string)
	Usage(session string) (sfu.Usage, bool)
}

// Authorizer says what a token allows in the call plane; *token.Verifier is one.
type Authorizer interface {
	Authenticate(now time.Time, raw string) (token.Grants, error)
}

// Directory knows the devices of users, for rings that name none.
type Directory interface {
	// Devices answers the ids of a user's devices, at most signal.MaxDevices of
	// which are rung. It is given two seconds; when it fails the devices that
	// are connected are rung.
	Devices(ctx context.Context, tenant, user string) ([]string, error)
}

// Waker wakes a device that is rung and not connected.
type Waker interface {
	// Wake is given ten seconds; an error is logged. ring must not be changed.
	Wake(ctx context.Context, tenant string, device signal.Device, ring *signal.CallEvent) error
}

// Config is what a Board needs.
type Config struct {
	// Media is the media plane. Its Observer must be the board's Observe.
	Media Media
	// Authorizer judges tokens; nil lets everybody be whom they say, for
	// development.
	Authorizer Authorizer
	// Directory and Waker are the application's; nil for the devices that are
	// connected or were lately, and for no push: backends are told whom to wake.
	Directory Directory
	Waker     Waker
	Calls     call.Config
	// RingRate is how many users a second one user may ring, RingBurst how many
	// at once; TenantRingRate and TenantRingBurst are for a whole tenant.
	RingRate, RingBurst             float64
	TenantRingRate, TenantRingBurst float64
	// MaxSessions bounds the connected devices, MaxSessionsOfUser those of one.
	MaxSessions, MaxSessionsOfUser int
	// FeedLength is how many events are kept for a tenant's backends, HistoryLength
	// how many of one call.
	FeedLength, HistoryLength int
	// DeadAfter is the dead-man's switch: how long a device may be heard of
	// neither by signalling nor by media before it has left its calls.
	DeadAfter time.Duration
	// Direct is whether and how devices of a call of two send to each other.
	Direct DirectConfig
	// Journal is a file from which calls go on after a restart; empty for none.
	Journal string
	// JournalSync has commands wait until their lines are on the disk (fsync), so
	// that what was answered outlives the machine and not only the process.
	JournalSync bool
	Logger      *slog.Logger
}

// DefaultConfig answers the bounds that suit one node.
func DefaultConfig() Config {
	return Config{
		Calls:    call.DefaultConfig(),
		RingRate: 1, RingBurst: 20, TenantRingRate: 500, TenantRingBurst: 2000,
		MaxSessions: 100_000, MaxSessionsOfUser: 16,
		FeedLength: 16_384, HistoryLength: 512,
		DeadAfter: 30 * time.Second, JournalSync: true,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Media == nil:
		return errors.New("switchboard: no media plane was given")
	case c.RingRate <= 0 || c.RingBurst < 1 || c.TenantRingRate <= 0 || c.TenantRingBurst < 1:
		return errors.New("switchboard: rates of rings must be positive, bursts at least 1")
	case c.MaxSessions < 1 || c.MaxSessionsOfUser < 1 || c.FeedLength < 1 || c.HistoryLength < 1:
		return errors.New("switchboard: every bound must be at least 1")
	case c.DeadAfter < time.Second || c.DeadAfter > time.Hour:
		return fmt.Errorf("switchboard: DeadAfter is %v; it must be 1s to 1h", c.DeadAfter)
	}
	if err := c.Direct.validate(); err != nil {
		return err
	}
	return c.Calls.Validate()
}
