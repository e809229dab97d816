package sfu

import (
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxBans bounds the bans of a node; beyond it the one that would end first goes.
const maxBans = 10_000

// bans are who may not come into which room until when. They outlive the room,
// and not the process. Any goroutine may use it; the lock is a leaf.
type bans struct {
	mu    sync.Mutex
	until map[ban]time.Time
}

type ban struct {
	room     roomKey
	identity string
}

func newBans() *bans { return &bans{until: make(map[ban]time.Time)} }

// add keeps somebody out for a while, from now on; 0 is no ban.
func (b *bans) add(now time.Time, key roomKey, identity string, length time.Duration) {
	if length <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.until) >= maxBans {
		b.makeRoom(now)
	}
	b.until[ban{key, identity}] = now.Add(length)
}

// makeRoom drops what has ended, or else what ends first.
func (b *bans) makeRoom(now time.Time) {
	var first ban
	var at time.Time
	for k, until := range b.until {
		if !now.Before(until) {
			delete(b.until, k)
		} else if at.IsZero() || until.Before(at) {
			first, at = k, until
		}
	}
	if len(b.until) >= maxBans {
		delete(b.until, first)
	}
}

// refuse answers why somebody may not come in now, or nil.
func (b *bans) refuse(now time.Time, key roomKey, identity string) error {
	b.mu.Lock()
	until, banned := b.until[ban{key, identity}]
	if banned && !now.Before(until) {
		delete(b.until, ban{key, identity})
		banned = false
	}
	b.mu.Unlock()
	if !banned {
		return nil
	}
	err := signal.Errorf(signal.Banned, "a moderator has taken you out of this room; you may come back in %v", until.Sub(now).Round(time.Second))
	err.RetryAfterMS = max(1, until.Sub(now).Milliseconds())
	return err
}
