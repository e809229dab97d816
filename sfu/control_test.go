package sfu

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// moderated lets everybody in as their token says who they are; ann moderates.
type moderated struct{}

func (moderated) Verify(_ time.Time, raw string) (token.Grants, error) {
	return token.Grants{Identity: raw, Room: "r", Join: true, Publish: true, Subscribe: true, Admin: raw == "ann"}, nil
}

// TestModerators: what a moderator may do to others, nobody else may, and nobody
// may do it from another room or tenant.
func TestModerators(t *testing.T) {
	e := engine(t, func(c *Config) { c.Authorizer = moderated{} })
	enter := func(identity string) *signal.Joined {
		t.Helper()
		reply, err := e.Do(t.Context(), signal.Command{Remote: identity, Body: &signal.Join{
			Version: 1, Room: "r", Token: identity, Offer: offer(t, 1, 0, nil), Send: []signal.Section{{MID: "0", Source: signal.Camera}},
			Publish: []signal.Publish{{Source: signal.Camera, Width: 640, Height: 360}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return reply.(*signal.Joined)
	}
	ann, bob := enter("ann"), enter("bob")
	if !ann.Admin || bob.Admin {
		t.Errorf("joined says that ann moderates: %v, and that bob does: %v", ann.Admin, bob.Admin)
	}
	do := func(by *signal.Joined, c *signal.RoomControl) signal.Code {
		_, err := e.Do(t.Context(), signal.Command{Session: by.Session, Body: c})
		return code(err)
	}
	for _, c := range []*signal.RoomControl{
		{Verb: signal.RoomMute, Participant: ann.Participant, Source: signal.Camera, Muted: true},
		{Verb: signal.RoomRemove, Participant: ann.Participant},
		{Verb: signal.RoomLock, Locked: true},
		{Verb: signal.RoomEnd},
		{Verb: signal.RoomPermit, Participant: bob.Participant, Permissions: &signal.Permissions{Admin: true}},
		{Verb: signal.RoomAttributes, Participant: ann.Participant, Attributes: map[string]string{"a": "b"}},
	} {
		if got := do(bob, c); got != signal.NotPermitted {
			t.Errorf("%s by who is no moderator: %q, want not_permitted", c.Type(), got)
		}
	}
	for _, c := range []*signal.RoomControl{
		{Verb: signal.RoomAttributes, Attributes: map[string]string{"hand": "up"}},
		{Verb: signal.RoomMessage, Payload: []byte("hello")},
	} {
		if got := do(bob, c); got != "" {
			t.Errorf("%s of one's own: %q", c.Type(), got)
		}
	}
	if got := do(ann, &signal.RoomControl{Verb: signal.RoomMute, Participant: "bob", Source: signal.Camera, Muted: true}); got != "" {
		t.Fatalf("mute by a moderator: %q", got)
	}
	told := func() (kinds string) {
		entries, _, _, _ := e.session(bob.Session).events.After(0, maxMissed)
		for _, ev := range entries {
			kinds += ev.Value.EventType() + " "
		}
		return kinds
	}
	if !strings.Contains(told(), "track_muted") {
		t.Errorf("bob was told %s, want that he is muted", told())
	}
	if got := do(ann, &signal.RoomControl{Verb: signal.RoomPermit, Participant: "bob", Permissions: &signal.Permissions{Subscribe: true}}); got != "" {
		t.Fatalf("permit: %q", got)
	}
	if !strings.Contains(told(), "track_unpublished") || !strings.Contains(told(), "participant_updated") {
		t.Errorf("bob was told %s, want that his camera has ended and why", told())
	}
	if _, err := e.Do(t.Context(), signal.Command{Session: bob.Session, Body: &signal.Publish{Source: signal.Camera}}); code(err) != signal.NotPermitted {
		t.Errorf("bob publishes again: %v", err)
	}
	if _, err := e.Control("other", &signal.RoomControl{Verb: signal.RoomEnd, Room: "r"}); code(err) != signal.UnknownRoom {
		t.Errorf("another tenant's backend ended the room: %v", err)
	}
	if got := do(ann, &signal.RoomControl{Verb: signal.RoomRemove, Participant: bob.Participant}); got != "" {
		t.Errorf("remove: %q", got)
	}
	if last := resumeAndRead(t, e, bob.Resume); last.Code != signal.Removed || last.Rejoin {
		t.Errorf("bob was told %+v", last)
	}
}

// TestMessagesAreLimited: one who talks too much is refused, the others not.
func TestMessagesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		ann, bob := join(t, e, "r", "ann"), join(t, e, "r", "bob")
		refused := 0
		for range 100 {
			_, err := e.Do(t.Context(), signal.Command{Session: ann.Session, Body: &signal.RoomControl{Verb: signal.RoomMessage, Payload: []byte("x")}})
			if code(err) == signal.RateLimited {
				refused++
			}
		}
		if refused != 90 {
			t.Errorf("%d of 100 messages at once were refused, want 90", refused)
		}
		if _, err := e.Do(t.Context(), signal.Command{Session: bob.Session, Body: &signal.RoomControl{Verb: signal.RoomMessage}}); err != nil {
			t.Errorf("bob pays for ann: %v", err)
		}
	})
}
