package sfu

import (
	"context"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/eventlog"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// maxMissed bounds the events that a session keeps for a client that is
	// away or slow. A speaker change a second for half a minute fits ten times.
	maxMissed = 512
	// maxReplies is how many replies are kept to answer repeated commands.
	maxReplies = 32
)

// session is one participant's numbered stream of events and its memory of
// commands. Any goroutine may use it; its lock is a leaf.
type session struct {
	id     string
	resume string
	member *member

	events *eventlog.Log[signal.EventBody]

	mu      sync.Mutex
	endedAt time.Time     // guarded by the engine's lock
	changed chan struct{} // closed and replaced when attachment changes
	// attachment counts subscriptions, so that a newer one ends an older one.
	attachment uint64
	attached   bool
	detachedAt time.Time
	replies    []keptReply
}

type keptReply struct {
	id    string
	reply signal.Reply
	err   error
}

func newSession(now time.Time) *session {
	return &session{
		id: randomID("s_"), resume: randomID("r_") + randomID(""),
		events: eventlog.New[signal.EventBody](maxMissed, 0), changed: make(chan struct{}), detachedAt: now,
	}
}

// send appends one event.
func (s *session) send(body signal.EventBody) { s.events.Append(body) }

// close sends the last event and ends the stream.
func (s *session) close(last signal.EventBody) {
	s.send(last)
	s.events.Close()
}

// endedBefore says whether the session ended before t; the engine's lock guards it.
func (s *session) endedBefore(t time.Time) bool {
	return !s.endedAt.IsZero() && s.endedAt.Before(t)
}

// away answers since when nobody is subscribed; the zero time when somebody is.
func (s *session) away() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attached {
		return time.Time{}
	}
	return s.detachedAt
}

// last is the number of the newest event.
func (s *session) last() uint64 { return s.events.Last() }

// lost says that events after a number are gone.
func (s *session) lost(sequence uint64) bool {
	_, _, _, lost := s.events.After(sequence, 0)
	return lost
}

// attach takes the stream over from an older subscription.
func (s *session) attach() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attachment++
	s.attached = true
	close(s.changed)
	s.changed = make(chan struct{})
	return s.attachment
}

func (s *session) detach(attachment uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attachment == attachment {
		s.attached = false
		s.detachedAt = now
	}
}

// current says whether a subscription has not been taken over, and answers what
// tells when it is.
func (s *session) current(attachment uint64) (taken <-chan struct{}, current bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed, s.attachment == attachment
}

// subscribe delivers events until ctx ends or the session does.
func (s *session) subscribe(ctx context.Context, sequence uint64) (<-chan signal.Event, error) {
	if s.lost(sequence) {
		return nil, signal.Errorf(signal.EventsLost, "events after %d are gone; join again", sequence)
	}
	attachment := s.attach()
	out := make(chan signal.Event)
	go func() {
		defer close(out)
		defer func() { s.detach(attachment, time.Now()) }()
		for s.deliver(ctx, attachment, &sequence, out) {
		}
	}()
	return out, nil
}

// deliver hands over what there is and waits for more; false at the end.
func (s *session) deliver(ctx context.Context, attachment uint64, sequence *uint64, out chan<- signal.Event) bool {
	events, more, closed, lost := s.events.After(*sequence, maxMissed)
	if lost {
		// The reader fell too far behind: end the stream, it must join again.
		select {
		case out <- signal.Event{Body: &signal.Closed{Code: signal.SlowClient, Message: "too many events were not read; join again", Rejoin: true}}:
		case <-ctx.Done():
		}
		return false
	}
	for _, e := range events {
		select {
		case out <- signal.Event{Sequence: e.Sequence, Body: e.Value}:
			*sequence = e.Sequence
		case <-ctx.Done():
			return false
		}
		if _, current := s.current(attachment); !current {
			return false
		}
	}
	if closed {
		return false
	}
	taken, current := s.current(attachment)
	if !current {
		return false
	}
	select {
	case <-more:
	case <-taken:
	case <-ctx.Done():
		return false
	}
	return true
}

// remembered answers the reply to a command that was carried out before.
func (s *session) remembered(id string) (keptReply, bool) {
	if id == "" {
		return keptReply{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.replies {
		if r.id == id {
			return r, true
		}
	}
	return keptReply{}, false
}

func (s *session) remember(id string, reply signal.Reply, err error) {
	if id == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.replies) == maxReplies {
		s.replies = append(s.replies[:0], s.replies[1:]...)
	}
	s.replies = append(s.replies, keptReply{id, reply, err})
}
