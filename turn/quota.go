package turn

import (
	"errors"
	"sync"
)

// Why an allocation is refused.
var (
	errQuota       = errors.New("all allocations are in use")
	errUserQuota   = errors.New("all allocations of this user are in use")
	errUnsupported = errors.New("not supported by this relay")
	errClosed      = errors.New("the relay is closing")
)

// quota counts the relays in use and holds them, to be closed with the server.
type quota struct {
	total, perUser int

	mu     sync.Mutex
	closed bool
	users  map[string]int
	relays map[*relay]struct{}
	taken  int // reservations, relays being opened among them
}

func newQuota(limits Limits) *quota {
	return &quota{
		total: limits.Allocations, perUser: limits.AllocationsPerUser,
		users:  make(map[string]int),
		relays: make(map[*relay]struct{}),
	}
}

// room says whether reserve would succeed: errQuota, errUserQuota, errClosed or nil.
func (q *quota) room(user string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.roomLocked(user)
}

func (q *quota) roomLocked(user string) error {
	switch {
	case q.closed:
		return errClosed
	case q.taken >= q.total:
		return errQuota
	case q.users[user] >= q.perUser:
		return errUserQuota
	}
	return nil
}

// reserve takes one allocation for user, to be given back by release.
func (q *quota) reserve(user string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.roomLocked(user); err != nil {
		return err
	}
	q.taken++
	q.users[user]++
	return nil
}

// hold ties an open relay to its reservation. It answers errClosed, and the
// relay must be closed at once, if the server was closed meanwhile.
func (q *quota) hold(r *relay) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	q.relays[r] = struct{}{}
	return nil
}

// release gives back one allocation of user; r may be nil if none was opened.
func (q *quota) release(user string, r *relay) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.relays, r)
	q.taken--
	if q.users[user]--; q.users[user] <= 0 {
		delete(q.users, user)
	}
}

// inUse answers how many allocations there are.
func (q *quota) inUse() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken
}

// close refuses all further allocations and answers the relays that are open.
func (q *quota) close() []*relay {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	open := make([]*relay, 0, len(q.relays))
	for r := range q.relays {
		open = append(open, r)
	}
	return open
}
