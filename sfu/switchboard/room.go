package switchboard

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// stay is a device's participation in a call's room: a session of the media
// plane whose events go into the device's own. Fields without a note belong to
// the board's goroutine.
type stay struct {
	call        string        // never changes
	session     string        // never changes: the media plane's
	participant string        // never changes
	seen        atomic.Uint64 // the media plane's last event that was passed on

	cancel context.CancelFunc // of the present follower
	done   chan struct{}      // closed when it has ended
}

// join lets a device into the room of a call that it is in or rung by. What it
// sends and gets there is held back until it has answered.
func (b *Board) join(ctx context.Context, s *session, c signal.Command, j *signal.Join) (signal.Reply, error) {
	select {
	case s.joining <- struct{}{}:
		defer func() { <-s.joining }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var kept *keptReply
	var old *stay
	gate := call.Closed
	known, elsewhere := false, false
	b.call(func(time.Time) {
		kept = remembered(s.replies, c.ID)
		gate = s.tenant.calls.Gate(j.Room, call.Device{User: s.device.User, ID: s.device.Device})
		_, known = s.tenant.calls.Call(j.Room)
		old = s.room
		elsewhere = old != nil && old.call != j.Room
	})
	switch {
	case kept != nil:
		return kept.reply, kept.err
	case gate == call.Closed && !known:
		return nil, signal.Errorf(signal.CallUnknown, "there is no such call, or it has ended a while ago")
	case gate == call.Closed:
		return nil, signal.Errorf(signal.NotInvited, "this device is not in the call, or may not build media while it rings")
	}
	if elsewhere {
		// One room at a time: the earlier call goes on without its media.
		b.cfg.Media.Dismiss(old.session, signal.Left, "this device has joined another call")
	}
	grants := token.Grants{
		Identity: s.device.User, Name: s.name, Tenant: s.tenant.name, Room: j.Room, Join: true, Publish: true, Subscribe: true,
	}
	if grants.Name == "" {
		grants.Name = j.Name
	}
	joined, err := b.cfg.Media.Admit(ctx, c, sfu.Admission{Grants: grants, Device: s.device.Device, Gated: gate == call.Gated})
	if err != nil {
		return nil, err
	}
	b.call(func(now time.Time) { s.enter(j.Room, joined, c.ID, gate) })
	return joined, nil
}

// enter notes that a device is in a room, and follows what happens there.
func (s *session) enter(room string, joined *signal.Joined, id string, judged call.Gate) {
	b := s.board
	st := &stay{call: room, session: joined.Session, participant: joined.Participant}
	st.seen.Store(joined.Sequence)
	// The device's events go on under its own numbers.
	joined.Session, joined.Resume, joined.ResumeSeconds = s.id, "", 0
	joined.Sequence = s.events.Last()
	s.replies = remember(s.replies, maxReplies, keptReply{id, joined, nil})
	if b.sessions[s.id] != s {
		b.cfg.Media.Dismiss(st.session, signal.Left, "the connection that joined has ended")
		return
	}
	if s.room != nil {
		s.leaveRoom()
	}
	s.room = st
	b.owners[st.session] = s
	// The call may have gone on while media was negotiated.
	switch gate := s.tenant.calls.Gate(room, call.Device{User: s.device.User, ID: s.device.Device}); {
	case gate == call.Closed:
		b.cfg.Media.Dismiss(st.session, signal.CallOver, "the call is over for this device")
	case gate != judged:
		b.cfg.Media.Gate(st.session, gate == call.Open)
	}
	if s.attached {
		s.follow(st)
	}
}

// leaveRoom forgets the room that a session is in. Whose the media plane's
// session was is forgotten when that says what it has used.
func (s *session) leaveRoom() {
	s.room.unfollow()
	s.room = nil
	if !s.attached {
		s.awayAt = time.Now()
	}
}

// follow passes the room's events on for as long as somebody listens, so that
// the media plane knows that nobody does, and watches over the media itself.
func (s *session) follow(st *stay) {
	st.unfollow()
	before := st.done
	ctx, cancel := context.WithCancel(s.board.ctx)
	done := make(chan struct{})
	st.cancel, st.done = cancel, done
	s.board.running.Go(func() {
		defer close(done)
		defer cancel()
		if before != nil {
			<-before
		}
		s.passOn(ctx, st)
	})
}

func (st *stay) unfollow() {
	if st.cancel != nil {
		st.cancel()
		st.cancel = nil
	}
}

// passOn writes the events of a room into the session's own log.
func (s *session) passOn(ctx context.Context, st *stay) {
	events, err := s.board.cfg.Media.Subscribe(ctx, signal.Filter{Session: st.session, After: st.seen.Load()})
	if err != nil {
		if ctx.Err() == nil {
			refused := signal.AsError(err)
			s.left(st, &signal.Closed{Code: refused.Code, Message: refused.Message, Rejoin: true})
		}
		return
	}
	for e := range events {
		if e.Sequence != 0 {
			st.seen.Store(e.Sequence)
		}
		if closed, last := e.Body.(*signal.Closed); last {
			if closed.Code != signal.Replaced { // the device itself has joined anew
				s.left(st, closed)
			}
			return
		}
		s.send(e.Body)
	}
}

// left tells the device that it is in the room no longer; its session goes on.
func (s *session) left(st *stay, why *signal.Closed) {
	s.send(&signal.RoomLeft{Room: st.call, Code: why.Code, Message: why.Message, Rejoin: why.Rejoin})
	s.board.post(func(time.Time) {
		if s.room == st {
			s.leaveRoom()
		}
	})
}

// observed is told of what happens in rooms.
func (b *Board) observed(now time.Time, o sfu.Observation) {
	t := b.tenant(o.Tenant)
	ev := o.Event
	b.journal.write(entry{At: now.UnixNano(), Tenant: t.name, Room: &ev, Kind: string(ev.Kind)})
	t.feed.Append(&ev)
	s := b.owners[o.Session]
	if s == nil || ev.Kind != signal.RoomParted {
		return
	}
	delete(b.owners, o.Session)
	st := s.room
	if h := t.histories[ev.Room]; h != nil {
		d := call.Device{User: s.device.User, ID: s.device.Device}
		used := sfu.Usage{Sent: units.Size(ev.Sent), Received: units.Size(ev.Received), MOS: ev.MOS, Scale: ev.Scale}
		t.reportUsage(now, ev.Room, h, d, used)
		h.used[d] = plus(h.used[d], used)
	}
	if !s.attached && st != nil && st.session == o.Session {
		// Nobody follows the room: note here that it is over.
		s.send(&signal.RoomLeft{Room: st.call, Code: ev.Reason, Message: "the room was left while the connection was away", Rejoin: ev.Reason == signal.ConnectionLost})
		s.leaveRoom()
	}
	if b.sessions[s.id] != s || s.room != nil && s.room.session != o.Session {
		return // the device goes on, over another connection
	}
	switch ev.Reason {
	case signal.ConnectionLost:
		t.leave(now, ev.Room, s.device, call.ReasonLost)
		if !s.attached {
			s.die(now)
		}
	case signal.Removed:
		t.leave(now, ev.Room, s.device, call.ReasonEnded)
	case signal.Ended:
		if c, known := t.calls.Call(ev.Room); known && c.State != call.StateEnded {
			t.report(now, ev.Room)
			_ = t.carryOut(now, call.Command{ID: randomID("b_"), Call: ev.Room, Verb: call.End, Reason: call.ReasonEnded})
		}
	}
}
