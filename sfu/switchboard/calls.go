package switchboard

import (
	"context"
	"errors"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// directoryTimeout bounds one question to the directory.
const directoryTimeout = 2 * time.Second

// doCall carries out a command of the call plane, of a session (its device's),
// or of a backend where s is nil.
func (b *Board) doCall(ctx context.Context, tenant string, s *session, id string, c *signal.Call) (signal.Reply, error) {
	targets, err := b.lookUp(ctx, tenant, c)
	if err != nil {
		return nil, err
	}
	var reply signal.Reply
	ok := b.call(func(now time.Time) {
		t := b.tenant(tenant)
		replies, limit := &t.replies, maxBackendReplies
		if s != nil {
			replies, limit = &s.replies, maxReplies
		}
		if kept := remembered(*replies, id); kept != nil {
			b.repeated = true
			reply, err = kept.reply, kept.err
			return
		}
		reply, err = t.command(now, s, id, c, targets)
		*replies = remember(*replies, limit, keptReply{id, reply, err})
	})
	if !ok {
		return nil, draining()
	}
	return reply, err
}

// lookUp answers the targets of a ring as far as the application knows their
// devices; the others' stay empty.
func (b *Board) lookUp(ctx context.Context, tenant string, c *signal.Call) ([]signal.Target, error) {
	if b.cfg.Directory == nil || (c.Verb != signal.CallRing && c.Verb != signal.CallCreate) {
		return c.Targets, nil
	}
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	targets := append([]signal.Target(nil), c.Targets...)
	for i := range targets {
		if len(targets[i].Devices) > 0 {
			continue
		}
		devices, err := b.cfg.Directory.Devices(ctx, tenant, targets[i].User)
		if err != nil {
			b.log.Warn("the directory did not answer; ringing the devices that are connected", "error", err)
			return targets, nil
		}
		targets[i].Devices = devices[:min(len(devices), b.cfg.Calls.MaxDevices)]
	}
	return targets, nil
}

// command carries out one command on the board's goroutine.
func (t *tenant) command(now time.Time, s *session, id string, c *signal.Call, targets []signal.Target) (signal.Reply, error) {
	from, err := t.sender(s, c)
	if err != nil {
		return nil, err
	}
	m := call.Command{
		ID: id, Call: c.Call, From: from, Verb: call.Verb(c.Verb), Lifetime: time.Duration(c.LifetimeMS) * time.Millisecond,
		Early: c.Early, Reason: call.Reason(c.Reason), Payload: c.Payload,
	}
	if m.ID == "" {
		m.ID = randomID("b_") // never repeated
	}
	rings := c.Verb == signal.CallRing || (c.Verb == signal.CallCreate && len(targets) > 0)
	if rings {
		if err := t.mayRing(now, from.User, len(targets)); err != nil {
			return nil, err
		}
	}
	for _, target := range targets {
		devices := target.Devices
		if len(devices) == 0 && rings {
			devices = t.directory(target.User)
		}
		m.Targets = append(m.Targets, call.Target{User: target.User, Devices: devices})
	}
	switch c.Verb {
	case signal.CallCreate:
		return t.create(now, m)
	case signal.CallLeave, signal.CallEnd, signal.CallTake:
		t.report(now, m.Call)
	}
	if err := t.carryOut(now, m); err != nil {
		return nil, err
	}
	return &signal.Done{}, nil
}

// sender is whose command it is: the session's device, or the one that a backend
// names, or the backend's own.
func (t *tenant) sender(s *session, c *signal.Call) (call.Device, error) {
	switch {
	case s != nil:
		return call.Device{User: s.device.User, ID: s.device.Device}, nil
	case c.From != nil:
		return call.Device{User: c.From.User, ID: c.From.Device}, nil
	}
	switch c.Verb {
	case signal.CallRing, signal.CallCancel, signal.CallEnd:
		return call.Device{}, nil
	}
	return call.Device{}, signal.Errorf(signal.BadMessage, "%s: from is missing: which device does it?", c.Type())
}

// mayRing bounds who rings how often, and says for how long to wait.
func (t *tenant) mayRing(now time.Time, user string, targets int) error {
	ok, wait := true, time.Duration(0)
	if user != "" {
		ok, wait = t.board.users.Take(now, t.name+"\x00"+user, targets)
	}
	if ok {
		ok, wait = t.board.whole.Take(now, t.name, targets)
	}
	if ok {
		return nil
	}
	err := signal.Errorf(signal.RateLimited, "too many rings; wait %v and try again", wait.Round(time.Millisecond))
	err.RetryAfterMS = max(1, wait.Milliseconds())
	return err
}

// create makes a call, and rings in the same moment if there are targets. If
// that is refused there is no call either.
func (t *tenant) create(now time.Time, m call.Command) (signal.Reply, error) {
	if m.Call == "" {
		m.Call = randomID("call_")
	}
	ring := m
	ring.Verb, ring.ID = call.Ring, m.ID+"/ring"
	m.Targets = nil
	if err := t.carryOut(now, m); err != nil {
		return nil, err
	}
	if len(ring.Targets) > 0 {
		if err := t.carryOut(now, ring); err != nil {
			_ = t.carryOut(now, call.Command{ID: m.ID + "/undo", Call: m.Call, From: m.From, Verb: call.Leave, Reason: call.ReasonFailed})
			return nil, err
		}
	}
	return &signal.Created{Call: m.Call}, nil
}

// carryOut is the only way into the core for commands.
func (t *tenant) carryOut(now time.Time, m call.Command) error {
	t.board.journal.write(entry{At: now.UnixNano(), Tenant: t.name, Command: &m})
	events, err := t.calls.Do(now, m)
	t.deliver(now, events)
	var refusal *call.Refusal
	if errors.As(err, &refusal) {
		return translate(refusal)
	}
	return err
}

// callState answers how a call stands, to a backend or to a user of the call.
func (b *Board) callState(tenant string, s *session, q *signal.CallQuery) (signal.Reply, error) {
	err := error(signal.Errorf(signal.CallUnknown, "there is no such call, or it has ended a while ago"))
	var state signal.CallState
	b.call(func(now time.Time) {
		c, known := b.tenant(tenant).calls.Call(q.Call)
		if !known {
			return
		}
		if s != nil && !s.backend && !concerns(c, s.device.User) {
			return // a stranger learns nothing, not even that there is one
		}
		state, err = describe(now, c), nil
	})
	if err != nil {
		return nil, err
	}
	return &state, nil
}

func concerns(c call.Snapshot, user string) bool {
	for _, u := range c.Users {
		if u.User == user {
			return true
		}
	}
	return false
}
