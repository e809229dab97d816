package whip

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
)

const (
	// maxStored bounds the bytes of offers that are kept for restarts.
	maxStored = 64 << 20
	// sampled is how many sessions each new one looks at, to forget those that
	// have ended. More than one, so that they leave faster than they come.
	sampled = 8
	// sampledWhenFull is the same before a new one is refused for want of room.
	sampledWhenFull = 256
	// requestRate and requestBurst bound the PATCH requests of one session, in
	// trickled candidates a second; restartCost is what a restart counts.
	requestRate, requestBurst, restartCost = 5.0, 80.0, 10.0
)

// session is one session of the engine as HTTP sees it: the resource behind a
// Location.
type session struct {
	// These never change.
	id     string // unguessable, 128 bits
	engine string // the session's id at the engine
	kind   kind
	room   string
	token  [sha256.Size]byte // hash of the token that it was made with
	open   bool              // made without one

	// turn is held by the request that reads or changes what follows.
	turn       chan struct{}
	etag       string // quoted; names the ICE session
	offer      string // the last one
	ufrag, pwd string // the client's
	restarted  string // the reply to the last restart; "" when there was none

	mu     sync.Mutex // a leaf, for the bucket
	tokens bucket.Bucket
}

func newSession(k kind, room, token string) *session {
	return &session{
		id: rand.Text(), kind: k, room: room, // rand.Text has at least 128 bits
		token: sha256.Sum256([]byte(token)), open: token == "",
		turn: make(chan struct{}, 1), etag: newTag(),
	}
}

// newTag answers a strong entity tag that was never used before (RFC 9110 §8.8.3).
func newTag() string { return `"` + rand.Text()[:16] + `"` }

// admits says whether a request with this token may touch the session: who
// knows the address must also hold the token, since addresses end up in logs
// (RFC 9725 §4.7: clients send it with every request).
func (s *session) admits(token string) bool {
	if s.open {
		return true
	}
	hash := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(hash[:], s.token[:]) == 1
}

// acquire waits for the session's turn; false when ctx ended first.
func (s *session) acquire(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *session) release() { <-s.turn }

// allow is a token bucket over requests.
func (s *session) allow(now time.Time, cost float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens.Take(now, requestRate, requestBurst, cost)
}

// registry holds the sessions by id. Its lock is a leaf.
type registry struct {
	limit int

	mu       sync.Mutex
	byID     map[string]*session
	stored   map[string]int // bytes counted for a session
	bytes    int
	reserved int // places of sessions that are being made
}

func newRegistry(limit int) *registry {
	return &registry{limit: limit, byID: make(map[string]*session), stored: make(map[string]int)}
}

// reserve takes a place for a session whose offer has so many bytes; false when
// there is none. Every place is given back by add or cancel.
func (g *registry) reserve(size int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.byID)+g.reserved >= g.limit || g.bytes+size > maxStored {
		return false
	}
	g.reserved++
	g.bytes += size
	return true
}

// cancel gives a place back.
func (g *registry) cancel(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reserved--
	g.bytes -= size
}

// add puts a session into its place.
func (g *registry) add(s *session, size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reserved--
	g.byID[s.id] = s
	g.stored[s.id] = size
}

// remove forgets a session; nothing happens when it is forgotten already.
func (g *registry) remove(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes -= g.stored[s.id]
	delete(g.stored, s.id)
	delete(g.byID, s.id)
}

// find answers a session by its address, nil when there is none.
func (g *registry) find(k kind, room, id string) *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.byID[id]; s != nil && s.kind == k && s.room == room {
		return s
	}
	return nil
}

// sample answers some sessions, at random.
func (g *registry) sample(n int) []*session {
	g.mu.Lock()
	defer g.mu.Unlock()
	some := make([]*session, 0, min(n, len(g.byID)))
	for _, s := range g.byID { // Go begins at a random place
		if len(some) == n {
			break
		}
		some = append(some, s)
	}
	return some
}

// size is how many sessions are held.
func (g *registry) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.byID)
}
