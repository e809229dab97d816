package sfu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// negotiationTimeout bounds one offer and answer; candidates are all local.
const negotiationTimeout = 5 * time.Second

// Engine is one node's calls. It implements signal.Engine.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	media  *peer.Media
	mixes  bool // this program has a codec
	joins  *joinLimiter
	bans   *bans
	counts engineCounters
	scores scores

	draining atomic.Bool
	running  sync.WaitGroup
	ending   sync.Once
	ended    error

	mu       sync.Mutex
	closed   bool
	rooms    map[roomKey]*room
	sessions map[string]*session // by id, of live ones
	resumes  map[string]*session // by resume token, of live and lately ended ones
	gone     map[string]*session // lately ended, by id
}

// New starts an engine. It takes over the sockets of cfg.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	media, err := newMedia(cfg)
	if err != nil {
		return nil, err
	}
	return &Engine{
		cfg: cfg, log: cfg.Logger, media: media, mixes: opus.Available(),
		joins: newJoinLimiter(cfg.JoinRate, cfg.JoinBurst), bans: newBans(),
		rooms:    make(map[roomKey]*room),
		sessions: make(map[string]*session),
		resumes:  make(map[string]*session),
		gone:     make(map[string]*session),
	}, nil
}

func newMedia(cfg Config) (*peer.Media, error) {
	mux, err := icemux.NewUDP(icemux.UDPConfig{Sockets: cfg.Sockets, Addresses: cfg.Addresses})
	if err != nil {
		return nil, fmt.Errorf("media sockets: %w", err)
	}
	mediaConfig := peer.Config{
		UDP: mux, Advertise: cfg.Advertise, Workers: cfg.Workers, Net: cfg.Net, BWE: cfg.BWE, PlainVoice: cfg.PlainVoice,
		Repair:            cfg.Repair,
		OverTCP:           cfg.OverTCP,
		DisconnectedAfter: cfg.DisconnectedAfter, FailedAfter: cfg.FailedAfter, Logger: cfg.Logger,
	}
	if cfg.TCP != nil {
		if mediaConfig.TCP, err = icemux.NewTCP(icemux.TCPConfig{Listener: cfg.TCP, IsVoice: peer.IsVoice}); err != nil {
			return nil, errors.Join(fmt.Errorf("media over TCP: %w", err), mux.Close(), cfg.TCP.Close())
		}
	}
	media, err := peer.New(mediaConfig)
	if err != nil {
		if mediaConfig.TCP != nil {
			err = errors.Join(err, mediaConfig.TCP.Close())
		}
		return nil, errors.Join(err, mux.Close())
	}
	return media, nil
}

// Do carries out one command; see signal.Engine.
func (e *Engine) Do(ctx context.Context, c signal.Command) (signal.Reply, error) {
	reply, err := e.do(ctx, c)
	if err != nil {
		e.counts.refused.add(signal.AsError(err).Code)
		var known *signal.Error
		if !errors.As(err, &known) {
			e.log.Error("command failed", "type", c.Body.Type(), "error", err)
		}
		return nil, signal.AsError(err)
	}
	return reply, nil
}

func (e *Engine) do(ctx context.Context, c signal.Command) (signal.Reply, error) {
	if c.Body == nil || len(c.ID) > signal.MaxCommandID {
		return nil, signal.Errorf(signal.BadMessage, "a command needs a type, and an id of at most %d bytes", signal.MaxCommandID)
	}
	if err := c.Body.Validate(); err != nil {
		return nil, err
	}
	switch body := c.Body.(type) {
	case *signal.Join:
		return e.join(ctx, c, body)
	case *signal.Resume:
		return e.resume(body)
	case *signal.Connect, *signal.Call, *signal.CallQuery, *signal.CallHistory, *signal.FeedQuery, *signal.Direct:
		return nil, signal.Errorf(signal.CallPlaneOff, "this server carries media only: it rings nobody")
	case *signal.RoomControl, *signal.RoomQuery:
		if c.Session == "" && c.Backend != nil {
			return e.Control(c.Backend.Tenant, body)
		}
	}
	s := e.session(c.Session)
	if s == nil {
		return nil, signal.Errorf(signal.NotJoined, "join or resume first")
	}
	if kept, ok := s.remembered(c.ID); ok {
		return kept.reply, kept.err
	}
	reply, err := s.member.do(ctx, c.Body)
	var refused *signal.Error
	if err == nil || errors.As(err, &refused) {
		s.remember(c.ID, reply, err) // a failure of ours may be tried again
	}
	return reply, err
}

// Subscribe delivers a session's events; see signal.Engine.
func (e *Engine) Subscribe(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	e.mu.Lock()
	s := e.sessions[f.Session]
	if s == nil {
		s = e.gone[f.Session]
	}
	e.mu.Unlock()
	if s == nil {
		return nil, signal.Errorf(signal.UnknownSession, "there is no such session; join again")
	}
	return s.subscribe(ctx, f.After)
}

func (e *Engine) session(id string) *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[id]
}

// join lets a participant in whose token says that it may.
func (e *Engine) join(ctx context.Context, c signal.Command, j *signal.Join) (signal.Reply, error) {
	joined, err := e.admit(ctx, c, j, func(now time.Time) (Admission, error) {
		grants, err := e.authorize(now, j)
		return Admission{Grants: grants}, err
	})
	if err != nil {
		return nil, err
	}
	return joined, nil
}

// admit lets a participant in: judge, negotiate, enter the room.
func (e *Engine) admit(ctx context.Context, c signal.Command, j *signal.Join, judge func(time.Time) (Admission, error)) (*signal.Joined, error) {
	now := time.Now()
	if e.Draining() || !e.begin() {
		return nil, signal.Errorf(signal.Draining, "this server is going down; join again in a moment")
	}
	defer e.running.Done()
	if !e.joins.allow(now, c.Remote) {
		return nil, signal.Errorf(signal.RateLimited, "too many joins from this address; wait a second and try again")
	}
	if err := e.hasRoom(); err != nil {
		return nil, err
	}
	admission, err := judge(now)
	if err != nil {
		return nil, err
	}
	if err := e.bans.refuse(now, roomKey{admission.Grants.Tenant, j.Room}, admission.Grants.Identity); err != nil {
		return nil, err
	}
	m := newMember(e, newSession(now), c.Host, j, admission)
	var answer string
	if j.Offer != "" {
		ctx, cancel := context.WithTimeout(ctx, negotiationTimeout)
		defer cancel()
		if m.peer, answer, err = e.media.NewPeer(ctx, j.Offer, m); err != nil {
			if errors.Is(err, peer.ErrOffer) {
				return nil, signal.Errorf(signal.BadOffer, "%v", err)
			}
			return nil, err
		}
	}
	joined, err := e.enter(roomKey{admission.Grants.Tenant, j.Room}, m, j)
	if err != nil {
		m.closePeer()
		return nil, err
	}
	joined.Answer = m.askFirst(answer)
	if m.peer != nil {
		joined.Hello = m.peer.Hello()
	}
	joined.ICEServers = e.iceServers(now, m)
	e.counts.joins.Add(1)
	return joined, nil
}

// begin counts one more thing that Close waits for; false once Close began.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.running.Add(1)
	return true
}

// authorize answers what the joining one may do.
func (e *Engine) authorize(now time.Time, j *signal.Join) (token.Grants, error) {
	if e.cfg.Authorizer == nil {
		identity := j.Identity
		if identity == "" {
			identity = randomID("guest_")
		}
		return token.Grants{Identity: identity, Name: j.Name, Room: j.Room, Join: true, Publish: true, Subscribe: true}, nil
	}
	g, err := e.cfg.Authorizer.Verify(now, j.Token)
	if err == nil {
		err = g.Opens(j.Room)
	}
	switch {
	case err == nil:
	case errors.Is(err, token.ErrExpired):
		return g, signal.Errorf(signal.TokenExpired, "the token has expired; ask for a new one")
	case errors.Is(err, token.ErrWrongRoom):
		return g, signal.Errorf(signal.WrongRoom, "the token is for another room")
	case errors.Is(err, token.ErrNoJoin):
		return g, signal.Errorf(signal.NotPermitted, "the token does not allow joining a room")
	default:
		return g, signal.Errorf(signal.BadToken, "%v", err)
	}
	if g.Name == "" {
		g.Name = j.Name
	}
	return g, nil
}

// enter puts m into its room, which is made if need be.
func (e *Engine) enter(key roomKey, m *member, j *signal.Join) (*signal.Joined, error) {
	for {
		r, err := e.room(key)
		if err != nil {
			return nil, err
		}
		joined, err := r.join(m, j)
		if errors.Is(err, errRoomClosed) {
			continue // it emptied this very moment
		}
		return joined, err
	}
}

// hasRoom refuses when the node is full, before anything costly is begun.
func (e *Engine) hasRoom() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.sessions) >= e.cfg.MaxParticipants {
		return signal.Errorf(signal.ServerFull, "this server holds %d participants already", len(e.sessions))
	}
	return nil
}

func (e *Engine) room(key roomKey) (*room, error) {
	if err := e.hasRoom(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, signal.Errorf(signal.Draining, "this server is going down; join again in a moment")
	}
	if r := e.rooms[key]; r != nil {
		return r, nil
	}
	if len(e.rooms) >= e.cfg.MaxRooms {
		return nil, signal.Errorf(signal.ServerFull, "this server holds %d rooms already", len(e.rooms))
	}
	r := newRoom(e, key)
	e.rooms[key] = r
	e.running.Go(r.run)
	return r, nil
}

// forget removes an empty room, so that the next join makes a new one.
func (e *Engine) forget(r *room) {
	e.scores.drop(r)
	e.mu.Lock()
	defer e.mu.Unlock()
	if key := (roomKey{r.tenant, r.name}); e.rooms[key] == r {
		delete(e.rooms, key)
	}
}

func (e *Engine) addSession(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions[s.id] = s
	e.resumes[s.resume] = s
}

// endSession ends a session. For a while it can still be resumed, to be told why
// it ended: otherwise a page that was away would only learn that it is gone,
// join again, and throw out the very one that replaced it.
func (e *Engine) endSession(now time.Time, s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.id)
	s.endedAt = now
	e.gone[s.id] = s
	for id, old := range e.gone {
		if now.Sub(old.endedAt) > e.cfg.ResumeFor {
			delete(e.gone, id)
			delete(e.resumes, old.resume)
		}
	}
}

func (e *Engine) resume(r *signal.Resume) (signal.Reply, error) {
	e.mu.Lock()
	s := e.resumes[r.Token]
	gone := s == nil || s.endedBefore(time.Now().Add(-e.cfg.ResumeFor))
	e.mu.Unlock()
	if gone {
		return nil, signal.Errorf(signal.UnknownSession, "the session is gone; join again")
	}
	if s.lost(r.After) {
		return nil, signal.Errorf(signal.EventsLost, "events after %d are gone; join again", r.After)
	}
	return &signal.Resumed{
		Session: s.id, Participant: s.member.id, Sequence: s.last(),
		ICEServers: e.iceServers(time.Now(), s.member),
	}, nil
}

func (e *Engine) iceServers(now time.Time, m *member) []signal.ICEServer {
	if e.cfg.ICEServers == nil || m.peer == nil {
		return nil
	}
	return e.cfg.ICEServers(now, m.id, m.host)
}

// Drain refuses new joins from now on; running calls go on.
func (e *Engine) Drain() { e.draining.Store(true) }

// Draining says whether new joins are refused.
func (e *Engine) Draining() bool { return e.draining.Load() }

// Close tells every client to join again (elsewhere, or here after the
// restart), ends all rooms and closes the sockets. It waits for every goroutine.
func (e *Engine) Close() error {
	e.ending.Do(func() { e.ended = e.end() })
	return e.ended
}

func (e *Engine) end() error {
	e.Drain()
	e.mu.Lock()
	e.closed = true
	rooms := make([]*room, 0, len(e.rooms))
	for _, r := range e.rooms {
		rooms = append(rooms, r)
	}
	e.mu.Unlock()
	for _, r := range rooms {
		r.post(func(now time.Time) { r.end(now, signal.Draining, "the server is going down; join again", true) })
	}
	e.running.Wait()
	return e.media.Close()
}
