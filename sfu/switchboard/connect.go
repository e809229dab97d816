package switchboard

import (
	"errors"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/eventlog"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// connect begins a session.
func (b *Board) connect(c *signal.Connect, host string) (signal.Reply, error) {
	g, err := b.Authenticate(time.Now(), c)
	if err != nil {
		return nil, err
	}
	if g.Device == "" {
		g.Device = c.Device
	}
	if !g.Backend && g.Device == "" {
		return nil, signal.Errorf(signal.BadMessage, "connect: the device is missing, here and in the token")
	}
	if len(g.Identity) > signal.MaxUser {
		return nil, signal.Errorf(signal.BadMessage, "connect: the user's id has %d bytes; calls take at most %d", len(g.Identity), signal.MaxUser)
	}
	var reply *signal.Connected
	ok := b.call(func(now time.Time) {
		if g.Backend {
			reply, err = b.connectBackend(now, g, c)
		} else {
			reply, err = b.connectDevice(now, g, host)
		}
	})
	switch {
	case !ok:
		return nil, signal.Errorf(signal.Draining, "this server is going down; connect again in a moment")
	case err != nil:
		return nil, err
	}
	return reply, nil
}

// Authenticate judges a token of the call plane as Connect carries it; adapters
// that have no sessions use it for each request. The error is a *signal.Error.
func (b *Board) Authenticate(now time.Time, c *signal.Connect) (token.Grants, error) {
	if b.cfg.Authorizer == nil {
		if c.User == "" && !c.Backend {
			return token.Grants{}, signal.Errorf(signal.BadMessage, "connect: the user is missing")
		}
		return token.Grants{Identity: c.User, Name: c.User, Device: c.Device, Calls: !c.Backend, Backend: c.Backend}, nil
	}
	g, err := b.cfg.Authorizer.Authenticate(now, c.Token)
	clock := now.UTC().Format(time.RFC3339)
	switch {
	case err == nil:
		return g, nil
	case errors.Is(err, token.ErrExpired):
		return g, signal.Errorf(signal.TokenExpired, "the token has expired by this server's clock, which says %s; ask for a new one", clock)
	case errors.Is(err, token.ErrNotYetValid):
		return g, signal.Errorf(signal.BadToken, "the token is not valid yet by this server's clock, which says %s; compare the clocks", clock)
	case errors.Is(err, token.ErrNoCalls):
		return g, signal.Errorf(signal.NotPermitted, "the token allows no calls: it needs rivulet.calls or rivulet.backend")
	}
	return g, signal.Errorf(signal.BadToken, "%v", err)
}

func newDeviceLog() *eventlog.Log[signal.EventBody] {
	return eventlog.New[signal.EventBody](maxMissed, 0)
}

func (b *Board) newSession(now time.Time, t *tenant) *session {
	return &session{
		board: b, tenant: t, id: randomID(sessionPrefix), resume: randomID(resumePrefix) + randomID(""),
		taken: make(chan struct{}), joining: make(chan struct{}, 1), awayAt: now,
	}
}

// connectDevice makes a session for a device; the one that the device had gives
// way, but what it was in goes on.
func (b *Board) connectDevice(now time.Time, g token.Grants, host string) (*signal.Connected, error) {
	t := b.tenant(g.Tenant)
	d := signal.Device{User: g.Identity, Device: g.Device}
	old := t.devices[d]
	if old == nil {
		if len(b.sessions) >= b.cfg.MaxSessions {
			return nil, signal.Errorf(signal.ServerFull, "this server holds %d connections already", len(b.sessions))
		}
		if t.connected(d.User) >= b.cfg.MaxSessionsOfUser {
			return nil, signal.Errorf(signal.ServerFull, "%d devices of this user are connected already", b.cfg.MaxSessionsOfUser)
		}
	}
	s := b.newSession(now, t)
	s.device, s.name, s.host = d, g.Name, host
	s.events = newDeviceLog()
	if old != nil {
		old.close(&signal.Closed{Code: signal.Replaced, Message: "the same device connected again from elsewhere"})
	}
	b.sessions[s.id], b.resumes[s.resume], t.devices[d] = s, s, s
	b.away[s] = struct{}{}
	t.noteDevice(d)
	reply := &signal.Connected{
		Session: s.id, User: d.User, Device: d.Device, Resume: s.resume,
		ResumeSeconds: int(b.cfg.DeadAfter / time.Second), PingSeconds: pingSeconds,
		Calls: t.callsOf(now, d.User),
	}
	t.ringAgain(now, s)
	return reply, nil
}

func (b *Board) connectBackend(now time.Time, g token.Grants, c *signal.Connect) (*signal.Connected, error) {
	t := b.tenant(g.Tenant)
	after := c.After
	if after == 0 {
		after = t.feed.Last()
	} else if _, _, _, lost := t.feed.After(after, 0); lost {
		return nil, signal.Errorf(signal.EventsLost, "events after %d are gone; ask for the state of what matters and connect without after", after)
	}
	s := b.newSession(now, t)
	s.backend, s.events = true, t.feed
	b.sessions[s.id], b.resumes[s.resume] = s, s
	b.away[s] = struct{}{}
	return &signal.Connected{
		Session: s.id, Backend: true, Resume: s.resume, ResumeSeconds: int(b.cfg.DeadAfter / time.Second),
		Sequence: after, PingSeconds: pingSeconds,
	}, nil
}

// resumed answers a device or backend that takes its session up again.
func (b *Board) resumed(r *signal.Resume) (signal.Reply, error) {
	err := error(signal.Errorf(signal.UnknownSession, "the session is gone; connect again"))
	var reply *signal.Resumed
	b.call(func(now time.Time) {
		s := b.resumes[r.Token]
		if s == nil {
			return
		}
		if _, _, _, lost := s.events.After(r.After, 0); lost {
			err = signal.Errorf(signal.EventsLost, "events after %d are gone; connect again", r.After)
			return
		}
		s.awayAt = now // it has come back; the subscription follows
		reply, err = &signal.Resumed{Session: s.id, CallPlane: true, Sequence: s.events.Last()}, nil
		if s.room != nil {
			reply.Participant = s.room.participant
		}
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}
