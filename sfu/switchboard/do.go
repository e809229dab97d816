package switchboard

import (
	"context"
	"errors"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxBackendReplies is how many replies are kept to answer the repeated commands
// of a tenant's backends: at a thousand commands a second, for some seconds,
// and a call's own memory goes on from there.
const maxBackendReplies = 4096

// draining is the answer of a board that has ended.
func draining() error {
	return signal.Errorf(signal.Draining, "this server is going down; try again in a moment")
}

// Do carries out one command; see signal.Engine.
func (b *Board) Do(ctx context.Context, c signal.Command) (signal.Reply, error) {
	reply, err := b.do(ctx, c)
	if err == nil {
		return reply, nil
	}
	var known *signal.Error
	if !errors.As(err, &known) {
		b.log.Error("command failed", "type", c.Body.Type(), "error", err)
	}
	return nil, signal.AsError(err)
}

func (b *Board) do(ctx context.Context, c signal.Command) (signal.Reply, error) {
	if c.Body == nil || len(c.ID) > signal.MaxCommandID {
		return nil, signal.Errorf(signal.BadMessage, "a command needs a type, and an id of at most %d bytes", signal.MaxCommandID)
	}
	if err := c.Body.Validate(); err != nil {
		return nil, err
	}
	switch body := c.Body.(type) {
	case *signal.Connect:
		return b.connect(body, c.Host)
	case *signal.Resume:
		if len(body.Token) > len(resumePrefix) && body.Token[:len(resumePrefix)] == resumePrefix {
			return b.resumed(body)
		}
	}
	switch {
	case ours(c.Session):
		return b.doInSession(ctx, c)
	case c.Session == "" && c.Backend != nil:
		return b.doForBackend(ctx, c.Backend.Tenant, c)
	}
	switch c.Body.(type) {
	case *signal.Call, *signal.CallQuery, *signal.CallHistory, *signal.FeedQuery, *signal.Direct:
		return nil, signal.Errorf(signal.NotJoined, "connect first: this session is of a room, not of the call plane")
	}
	return b.cfg.Media.Do(ctx, c)
}

// doInSession carries out a command of a session of ours.
func (b *Board) doInSession(ctx context.Context, c signal.Command) (signal.Reply, error) {
	var s *session
	b.call(func(time.Time) { s = b.sessions[c.Session] })
	if s == nil {
		return nil, signal.Errorf(signal.UnknownSession, "the session has ended; connect again")
	}
	switch body := c.Body.(type) {
	case *signal.Ping:
		return &signal.Pong{}, nil
	case *signal.Call:
		if s.backend {
			return b.doForBackend(ctx, s.tenant.name, c)
		}
		return b.doCall(ctx, s.tenant.name, s, c.ID, body)
	case *signal.Direct:
		if !s.backend {
			return b.doDirect(s, c.ID, body)
		}
		return nil, signal.Errorf(signal.BadMessage, "direct is for devices")
	case *signal.CallQuery:
		return b.callState(s.tenant.name, s, body)
	case *signal.CallHistory, *signal.FeedQuery:
		if s.backend {
			return b.doForBackend(ctx, s.tenant.name, c)
		}
		return nil, signal.Errorf(signal.NotABackend, "%s is for backends", c.Body.Type())
	case *signal.RoomControl, *signal.RoomQuery:
		if s.backend {
			return b.doForBackend(ctx, s.tenant.name, c)
		}
	case *signal.Join:
		if !s.backend {
			return b.join(ctx, s, c, body)
		}
	case *signal.Leave:
		if body.All || s.backend {
			b.call(func(now time.Time) { s.quit(now) })
			return &signal.Done{}, nil
		}
		if b.staying(s, body.Room) == "" {
			return &signal.Done{}, nil // the room was over before
		}
	}
	room := b.staying(s, "")
	if room == "" {
		return nil, signal.Errorf(signal.NotJoined, "%s is for a room: join one first", c.Body.Type())
	}
	c.Session = room
	return b.cfg.Media.Do(ctx, c)
}

// staying answers the media plane's session of the room that a session is in, if
// that is the room meant; "" means any.
func (b *Board) staying(s *session, meant string) (room string) {
	b.call(func(time.Time) {
		if s.room != nil && (meant == "" || meant == s.room.call) {
			room = s.room.session
		}
	})
	return room
}

// quit ends a session that says goodbye. What its device was in it has left.
func (s *session) quit(now time.Time) {
	if s.board.sessions[s.id] != s {
		return
	}
	if !s.backend {
		s.tenant.lost(now, s.device, "")
	}
	s.close(&signal.Closed{Code: signal.Left, Message: "you left"})
}

// doForBackend carries out a backend's command once for its id.
func (b *Board) doForBackend(ctx context.Context, tenant string, c signal.Command) (signal.Reply, error) {
	var kept *keptReply
	b.call(func(time.Time) {
		kept = remembered(b.tenant(tenant).replies, c.ID)
		b.repeated = kept != nil
	})
	if kept != nil {
		return kept.reply, kept.err
	}
	var reply signal.Reply
	var err error
	switch body := c.Body.(type) {
	case *signal.Call:
		return b.doCall(ctx, tenant, nil, c.ID, body) // remembers it in the same moment
	case *signal.CallQuery:
		return b.callState(tenant, nil, body)
	case *signal.CallHistory:
		return b.callHistory(tenant, body)
	case *signal.FeedQuery:
		return b.feedState(tenant, body.After)
	case *signal.RoomQuery:
		return b.cfg.Media.Control(tenant, body)
	case *signal.RoomControl:
		reply, err = b.cfg.Media.Control(tenant, body)
	case *signal.Ping:
		return &signal.Pong{}, nil
	default:
		return nil, signal.Errorf(signal.BadMessage, "%s is not for backends", c.Body.Type())
	}
	var refused *signal.Error
	if err == nil || errors.As(err, &refused) {
		b.call(func(time.Time) {
			t := b.tenant(tenant)
			t.replies = remember(t.replies, maxBackendReplies, keptReply{c.ID, reply, err})
		})
	}
	return reply, err
}

// Subscribe delivers events; see signal.Engine.
func (b *Board) Subscribe(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	switch {
	case ours(f.Session):
		return b.subscribe(ctx, f)
	case f.Session != "" || f.Backend == nil:
		return b.cfg.Media.Subscribe(ctx, f)
	case f.Call != "":
		return b.subscribeCall(ctx, f)
	}
	var t *tenant
	if !b.call(func(time.Time) { t = b.tenant(f.Backend.Tenant) }) {
		return nil, draining()
	}
	after := f.After
	if after == 0 {
		after = t.base
	}
	if _, _, _, lost := t.feed.After(after, 0); lost && !f.Lossy {
		return nil, signal.Errorf(signal.EventsLost, "events after %d are gone; ask for the state of what matters, and go on from the newest", f.After)
	}
	out := make(chan signal.Event)
	go func() { // ends with ctx, which is the caller's
		defer close(out)
		pump(ctx, t.feed, after, nil, f.Lossy, out)
	}()
	return out, nil
}

// callHistory answers what has happened in a call.
func (b *Board) callHistory(tenant string, q *signal.CallHistory) (signal.Reply, error) {
	h, err := b.historyOf(tenant, q.Call, q.After)
	if err != nil {
		return nil, err
	}
	entries, _, _, lost := h.events.After(q.After, b.cfg.HistoryLength)
	if lost {
		return nil, signal.Errorf(signal.EventsLost, "events after %d of this call are gone", q.After)
	}
	reply := &signal.CallEvents{Events: []signal.Event{}}
	for _, e := range entries {
		reply.Events = append(reply.Events, signal.Event{Sequence: e.Sequence, Body: e.Value})
	}
	return reply, nil
}

// feedState answers where a tenant's feed stands, and some of its events.
func (b *Board) feedState(tenant string, after uint64) (signal.Reply, error) {
	var t *tenantFeed
	b.call(func(time.Time) { t = b.tenant(tenant).tenantFeed })
	if t == nil {
		return nil, draining()
	}
	state := &signal.FeedState{First: t.base + 1, Last: t.feed.Last()}
	if after == 0 {
		return state, nil
	}
	entries, _, _, lost := t.feed.After(after, signal.MaxFeedEvents)
	if lost {
		return nil, signal.Errorf(signal.EventsLost, "events after %d are gone; ask for the state of what matters, and go on from the newest", after)
	}
	for _, e := range entries {
		state.Events = append(state.Events, signal.Event{Sequence: e.Sequence, Body: e.Value})
	}
	return state, nil
}

// historyOf finds the history of a call of which nothing after a number is lost.
func (b *Board) historyOf(tenant, id string, after uint64) (*history, error) {
	err := error(signal.Errorf(signal.CallUnknown, "there is no such call, or it has ended a while ago"))
	var h *history
	b.call(func(time.Time) {
		if h = b.tenant(tenant).histories[id]; h == nil {
			return
		}
		if err = nil; h.lost(after) {
			err = signal.Errorf(signal.EventsLost, "events after %d of this call are gone", after)
		}
	})
	return h, err
}

// subscribeCall delivers the events of one call.
func (b *Board) subscribeCall(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	h, err := b.historyOf(f.Backend.Tenant, f.Call, f.After)
	if err != nil {
		return nil, err
	}
	out := make(chan signal.Event)
	go func() { // ends with ctx, which is the caller's
		defer close(out)
		pump(ctx, h.events, f.After, nil, false, out)
	}()
	return out, nil
}
