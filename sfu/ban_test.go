package sfu

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestBan: who was taken out with a ban stays out of that room for its time, also
// when the room was empty meanwhile, and of no other.
func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, func(c *Config) { c.Authorizer = moderated{} })
		enter := func(identity string) (string, error) {
			reply, err := e.Do(t.Context(), signal.Command{Remote: identity, Body: &signal.Join{Version: 1, Room: "r", Token: identity}})
			if err != nil {
				return "", err
			}
			return reply.(*signal.Joined).Session, nil
		}
		remove := func(by, who string, ban time.Duration) signal.Code {
			_, err := e.Do(t.Context(), signal.Command{Session: by, Body: &signal.RoomControl{Verb: signal.RoomRemove, Participant: who, BanMS: ban.Milliseconds()}})
			return code(err)
		}
		ann, _ := enter("ann")
		bob, err := enter("bob")
		if err != nil {
			t.Fatal(err)
		}
		if got := remove(bob, "ann", time.Hour); got != signal.NotPermitted {
			t.Errorf("a ban by who is no moderator: %q", got)
		}
		if got := remove(ann, "bob", 0); got != "" {
			t.Fatal(got)
		}
		if _, err := enter("bob"); err != nil {
			t.Errorf("removed without a ban, bob comes back: %v", err)
		}
		if got := remove(ann, "bob", time.Hour); got != "" {
			t.Fatal(got)
		}
		if _, err := enter("eve"); err != nil {
			t.Errorf("eve is not banned: %v", err)
		}
		if got := remove(ann, "ann", 0); got != "" { // the room is empty but for eve
			t.Fatal(got)
		}
		time.Sleep(time.Hour - time.Second)
		_, err = enter("bob")
		if refused := signal.AsError(err); err == nil || refused.Code != signal.Banned || refused.RetryAfterMS != 1000 {
			t.Errorf("bob comes back a second early: %+v", refused)
		}
		time.Sleep(time.Second)
		if _, err := enter("bob"); err != nil {
			t.Errorf("bob's ban has ended: %v", err)
		}
		if got := remove(ann, "bob", signal.MaxBan+time.Second); got != signal.BadMessage {
			t.Errorf("a ban for ever: %q", got)
		}
	})
}

// TestBansAreBounded: beyond the bound the one that ends first goes.
func TestBansAreBounded(t *testing.T) {
	b, now, key := newBans(), time.Unix(1e9, 0), roomKey{"", "r"}
	for i := range maxBans + 10 {
		b.add(now, key, fmt.Sprint(i), time.Hour+time.Duration(i)*time.Second)
	}
	if len(b.until) != maxBans || b.refuse(now, key, "9") != nil || b.refuse(now, key, "10") == nil {
		t.Errorf("%d bans, want %d and the first ten gone", len(b.until), maxBans)
	}
	if b.refuse(now, roomKey{"other", "r"}, "10") != nil {
		t.Error("a ban holds for another tenant's room")
	}
}
