package switchboard

import (
	"context"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/eventlog"
	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// maxMissed bounds the events that a session keeps for a device that is
	// away or slow.
	maxMissed = 512
	// maxReplies is how many replies are kept to answer repeated commands.
	maxReplies = 32
	// pingSeconds is how often a client should ping.
	pingSeconds = 10
)

// session is one connected device of a user, or one backend. It belongs to the
// board's goroutine but for its events.
type session struct {
	board   *Board
	tenant  *tenant
	id      string
	resume  string
	device  signal.Device // empty for a backend
	backend bool
	name    string // shown in rooms
	host    string // by which it reached this server
	// events are the device's, or the tenant's feed for a backend.
	events *eventlog.Log[signal.EventBody]

	attachment uint64        // counts subscriptions, so that a newer one ends an older one
	taken      chan struct{} // closed when a newer subscription has come
	attached   bool
	awayAt     time.Time
	joining    chan struct{} // holds one token: one join at a time
	room       *stay         // of the room that it is in; nil for none
	replies    []keptReply
}

type keptReply struct {
	id    string
	reply signal.Reply
	err   error
}

// remembered answers what a command was answered that is repeated.
func remembered(kept []keptReply, id string) *keptReply {
	for i := range kept {
		if id != "" && kept[i].id == id {
			return &kept[i]
		}
	}
	return nil
}

func remember(kept []keptReply, limit int, r keptReply) []keptReply {
	if r.id == "" {
		return kept
	}
	if len(kept) >= limit {
		kept = append(kept[:0], kept[len(kept)-limit+1:]...)
	}
	return append(kept, r)
}

// dies is when the dead-man's switch ends a session that is away; zero for not.
// While its media goes on the media plane watches instead.
func (s *session) dies() time.Time {
	if s.attached || s.room != nil {
		return time.Time{}
	}
	return s.awayAt.Add(s.board.cfg.DeadAfter)
}

// die ends a session that nobody has heard of.
func (s *session) die(now time.Time) {
	if !s.backend {
		s.tenant.lost(now, s.device, call.ReasonLost)
	}
	s.close(&signal.Closed{Code: signal.ConnectionLost, Message: "the connection did not come back in time", Rejoin: true})
}

// close ends a session with its last event.
func (s *session) close(last *signal.Closed) {
	if !s.backend {
		s.events.Append(last)
		s.events.Close()
	} else {
		s.takeOver()
	}
	delete(s.board.sessions, s.id)
	delete(s.board.away, s)
	delete(s.board.resumes, s.resume)
	if s.tenant.devices[s.device] == s {
		delete(s.tenant.devices, s.device)
	}
	if s.room != nil {
		s.board.cfg.Media.Dismiss(s.room.session, last.Code, last.Message)
		s.leaveRoom()
	}
}

func (s *session) send(body signal.EventBody) { s.events.Append(body) }

// takeOver ends the subscription that there is.
func (s *session) takeOver() {
	s.attachment++
	close(s.taken)
	s.taken = make(chan struct{})
}

// subscribe delivers a session's events until ctx ends or the session does.
func (b *Board) subscribe(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	var s *session
	var taken chan struct{}
	var attachment uint64
	err := error(signal.Errorf(signal.UnknownSession, "there is no such session; connect again"))
	b.call(func(now time.Time) {
		if s = b.sessions[f.Session]; s == nil {
			return
		}
		if _, _, _, lost := s.events.After(f.After, 0); lost {
			err = signal.Errorf(signal.EventsLost, "events after %d are gone; connect again", f.After)
			return
		}
		s.takeOver()
		s.attached, taken, attachment, err = true, s.taken, s.attachment, nil
		delete(b.away, s)
		if s.room != nil {
			s.follow(s.room)
		}
	})
	if err != nil {
		return nil, err
	}
	out := make(chan signal.Event)
	go func() { // ends with ctx, which is the caller's
		defer close(out)
		pump(ctx, s.events, f.After, taken, false, out)
		b.post(func(now time.Time) { s.detach(now, attachment) })
	}()
	return out, nil
}

// detach notes that nobody listens any longer.
func (s *session) detach(now time.Time, attachment uint64) {
	if s.attachment != attachment {
		return
	}
	s.attached, s.awayAt = false, now
	if s.board.sessions[s.id] == s {
		s.board.away[s] = struct{}{}
	}
	if s.room != nil {
		s.room.unfollow()
	}
}

// pump hands over what a log has and gets until ctx ends, the log does, or
// another has taken over. A lossy reader that is too far behind misses some.
func pump(ctx context.Context, log *eventlog.Log[signal.EventBody], after uint64, taken <-chan struct{}, lossy bool, out chan<- signal.Event) {
	deliver := func(e signal.Event) bool {
		select {
		case out <- e:
			return true
		case <-ctx.Done():
		case <-taken:
		}
		return false
	}
	for {
		entries, more, closed, lost := log.After(after, 64)
		if lost && lossy {
			after = log.Oldest()
			continue
		}
		if lost {
			deliver(signal.Event{Body: &signal.Closed{Code: signal.SlowClient, Message: "too many events were not read; connect again", Rejoin: true}})
			return
		}
		for _, e := range entries {
			if !deliver(signal.Event{Sequence: e.Sequence, Body: e.Value}) {
				return
			}
			after = e.Sequence
		}
		if closed {
			return
		}
		if len(entries) > 0 {
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		case <-taken:
			return
		}
	}
}
