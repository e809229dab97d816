package switchboard

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
	"github.com/rivulet-rtc/rivulet/internal/mailbox"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// inboxLimit is not reached by callers that wait for their answer.
	inboxLimit = 4096
	// sessionPrefix and resumePrefix tell our sessions from the media plane's.
	sessionPrefix, resumePrefix = "c_", "cr_"
)

// Board is one node's call plane. It implements signal.Engine.
type Board struct {
	cfg    Config
	log    *slog.Logger
	inbox  *mailbox.Box[func(now time.Time)]
	users  *bucket.Map // rings, by tenant and user
	whole  *bucket.Map // rings, by tenant
	waking chan struct{}

	running sync.WaitGroup
	ctx     context.Context // ends with the board
	cancel  context.CancelFunc
	started time.Time
	closing sync.Once
	closed  error

	// What follows belongs to the board's goroutine.
	tenants  map[string]*tenant
	sessions map[string]*session // by id
	resumes  map[string]*session // by resume token
	owners   map[string]*session // by the media plane's session
	// away are the sessions that nobody listens to: few, and looked at often.
	away   map[*session]struct{}
	ending bool
	// recalling is set while the journal is read back: nobody is told then.
	recalling bool
	journal   *journal
	marks     map[string]uint64
	// unanswered are commands that were carried out and wait for the journal.
	unanswered []chan struct{}
	// repeated says that what is carried out now was found to be a repeat.
	repeated bool
}

// New starts a board.
func New(cfg Config) (*Board, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := prepare(cfg)
	if cfg.Journal != "" {
		if err := b.recall(cfg.Journal, time.Now()); err != nil {
			b.cancel()
			return nil, err
		}
	}
	b.running.Go(b.run)
	return b, nil
}

func prepare(cfg Config) *Board {
	ctx, cancel := context.WithCancel(context.Background())
	return &Board{
		cfg: cfg, log: cfg.Logger, inbox: mailbox.New[func(time.Time)](inboxLimit),
		users:  bucket.New(cfg.RingRate, cfg.RingBurst),
		whole:  bucket.New(cfg.TenantRingRate, cfg.TenantRingBurst),
		waking: make(chan struct{}, maxWaking),
		ctx:    ctx, cancel: cancel, started: time.Now(),
		tenants:  make(map[string]*tenant),
		sessions: make(map[string]*session), resumes: make(map[string]*session), owners: make(map[string]*session), away: make(map[*session]struct{}),
		marks: make(map[string]uint64),
	}
}

// run is the board's goroutine: commands, and what time brings.
func (b *Board) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !b.ending {
		select {
		case <-b.inbox.Wake:
			now := time.Now()
			for _, do := range b.inbox.Take() {
				do(now)
			}
			b.commit()
		case now := <-timer.C:
			b.tick(now)
			b.commit()
		}
		if next := b.next(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
	}
	b.inbox.Close()
	now := time.Now()
	for _, do := range b.inbox.Take() {
		do(now) // answers draining where somebody waits
	}
	b.commit()
	if b.journal != nil && b.journal.commits != nil {
		b.journal.commits.close()
	}
}

// commit has the journal's lines of the commands carried out since put on the
// disk, and then those answered whose commands they are: all at once.
func (b *Board) commit() {
	waiting := b.unanswered
	b.unanswered = nil
	if b.journal == nil || b.journal.commits == nil {
		return // nobody waits
	}
	if b.journal.lines > 0 || len(waiting) > 0 {
		b.journal.lines = 0
		b.journal.commits.put(waiting)
	}
}

// carry carries out what a caller waits for, and lets it go on once that is in
// the journal. Who only looks waits for nothing, but a repeat waits as the first
// did: its answer may not be on the disk yet.
func (b *Board) carry(now time.Time, do func(now time.Time), done chan struct{}) {
	lines := 0
	if b.journal != nil {
		lines = b.journal.lines
	}
	b.repeated = false
	do(now)
	if b.journal != nil && b.journal.commits != nil && (b.repeated || b.journal.lines != lines) {
		b.unanswered = append(b.unanswered, done)
		return
	}
	close(done)
}

// call runs do on the board's goroutine and waits for its end; false when the
// board has ended.
func (b *Board) call(do func(now time.Time)) bool {
	done, ok := make(chan struct{}), false
	if !b.inbox.PutUrgent(func(now time.Time) {
		b.carry(now, func(now time.Time) {
			if ok = !b.ending; ok {
				do(now)
			}
		}, done)
	}) {
		return false
	}
	<-done
	return ok
}

// post has do run on the board's goroutine some time.
func (b *Board) post(do func(now time.Time)) {
	b.inbox.PutUrgent(func(now time.Time) {
		if !b.ending {
			do(now)
		}
	})
}

// tick does what is due.
func (b *Board) tick(now time.Time) {
	for _, t := range b.tenants {
		if next := t.calls.Next(); !next.IsZero() && !next.After(now) {
			if events := t.calls.Tick(now); len(events) > 0 {
				b.journal.write(entry{At: now.UnixNano(), Tenant: t.name, Tick: true})
				t.deliver(now, events)
			}
			t.forget(now)
		}
		t.tickPaths(now)
	}
	for s := range b.away {
		if due := s.dies(); !due.IsZero() && !due.After(now) {
			s.die(now)
		}
	}
}

// next is when something is due; zero for never.
func (b *Board) next() time.Time {
	var first time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, t := range b.tenants {
		sooner(t.calls.Next())
		for _, p := range t.paths {
			sooner(p.Next())
		}
	}
	for s := range b.away {
		sooner(s.dies())
	}
	return first
}

// Observe is told by the media plane what happens in rooms; see
// sfu.Config.Observer.
func (b *Board) Observe(o sfu.Observation) {
	b.post(func(now time.Time) { b.observed(now, o) })
}

// Close ends every session, and all calls with the reason draining unless there
// is a journal, from which they go on after a restart. It waits for every
// goroutine. The media plane is the caller's to close, afterwards.
func (b *Board) Close() error {
	b.closing.Do(func() { b.closed = b.close() })
	return b.closed
}

func (b *Board) close() error {
	b.call(func(now time.Time) {
		if b.journal == nil {
			for _, t := range b.tenants {
				t.drain(now)
			}
		}
		for _, s := range b.sessions {
			s.close(&signal.Closed{Code: signal.Draining, Message: "the server is going down; connect again", Rejoin: true})
		}
		for _, t := range b.tenants {
			t.end()
		}
		b.ending = true
	})
	b.cancel()
	b.running.Wait()
	if b.journal == nil {
		return nil
	}
	return b.journal.file.Close()
}

// randomID answers a prefix and 128 random bits.
func randomID(prefix string) string {
	var bits [16]byte
	rand.Read(bits[:]) // never fails (crypto/rand)
	return prefix + base64.RawURLEncoding.EncodeToString(bits[:])
}

func ours(session string) bool { return strings.HasPrefix(session, sessionPrefix) }

// Stats are the board's totals.
type Stats struct {
	Calls, Sessions, Tenants int
}

// Stats answers the totals.
func (b *Board) Stats() (s Stats) {
	b.call(func(time.Time) {
		s.Sessions, s.Tenants = len(b.sessions), len(b.tenants)
		for _, t := range b.tenants {
			s.Calls += t.calls.Len()
		}
	})
	return s
}
