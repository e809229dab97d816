package switchboard_test

import (
	"testing"
	"testing/synctest"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestLeaveWithoutARoom: a leave that comes after the room was over must not end
// the line; leaving all does, and the device's calls with it.
func TestLeaveWithoutARoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		reply, err := n.Do(t.Context(), signal.Command{Body: &signal.Connect{Version: 1, User: "ann", Device: "phone"}})
		if err != nil {
			t.Fatal(err)
		}
		session := reply.(*signal.Connected).Session
		n.ring("c", "ann")
		act := func(body signal.Body) signal.Code {
			_, err := n.Do(t.Context(), signal.Command{Session: session, Body: body})
			if err == nil {
				return ""
			}
			return signal.AsError(err).Code
		}
		if got := act(&signal.Leave{}); got != "" {
			t.Errorf("leave: %s", got)
		}
		if got := act(&signal.Ping{}); got != "" {
			t.Errorf("the line has ended with a room that was over: %s", got)
		}
		if got := act(&signal.Mute{Source: signal.Camera}); got != signal.NotJoined {
			t.Errorf("mute without a room: %q, want not_joined", got)
		}
		if got := act(&signal.Join{Version: 1, Room: "c"}); got != "" {
			t.Errorf("join: %s", got)
		}
		if got := act(&signal.Join{Version: 1, Room: "d"}); got != signal.CallUnknown {
			t.Errorf("join of no call: %q", got)
		}
		// A leave of an earlier call that comes late leaves the present one alone.
		if got := act(&signal.Leave{Room: "b"}); got != "" || act(&signal.Mute{Source: signal.Camera}) == signal.NotJoined {
			t.Errorf("leave of another room: %q, and the device is out of this one", got)
		}
		if got := act(&signal.Leave{Room: "c"}); got != "" || act(&signal.Ping{}) != "" {
			t.Errorf("leave the room: %s", got)
		}
		if got := act(&signal.Mute{Source: signal.Camera}); got != signal.NotJoined {
			t.Errorf("mute after the room was left: %q, want not_joined", got)
		}
		if s := n.state("c"); s.State != "ringing" {
			t.Errorf("leaving the room ended the call: %+v", s)
		}
		if got := act(&signal.Leave{All: true}); got != "" {
			t.Errorf("leave all: %s", got)
		}
		if got := act(&signal.Ping{}); got != signal.UnknownSession {
			t.Errorf("a line that has ended answers %q", got)
		}
		if s := n.state("c"); s.State != "ended" || s.Reason != signal.Cancelled {
			t.Errorf("the call of who left is %+v", s)
		}
	})
}

// TestJoiningAnew: a device whose media has to be built anew joins the same room
// again, and is not told that it was put out.
func TestJoiningAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		reply, err := n.Do(t.Context(), signal.Command{Body: &signal.Connect{Version: 1, User: "ann", Device: "phone"}})
		if err != nil {
			t.Fatal(err)
		}
		session := reply.(*signal.Connected).Session
		events, err := n.Subscribe(t.Context(), signal.Filter{Session: session})
		if err != nil {
			t.Fatal(err)
		}
		n.ring("c", "ann")
		for range 3 {
			if _, err := n.Do(t.Context(), signal.Command{Session: session, Body: &signal.Join{Version: 1, Room: "c"}}); err != nil {
				t.Fatal(err)
			}
		}
		n.do(says(signal.CallAccept, "c", "bob", "1"))
		n.do(says(signal.CallEnd, "c", "ann", "phone"))
		for e := range events {
			if left, ok := e.Body.(*signal.RoomLeft); ok {
				if left.Code != signal.CallOver {
					t.Errorf("told %+v, want nothing before the end of the call", left)
				}
				return
			}
		}
	})
}

// TestSomebodyElsesCall: a device can neither act on nor learn of a call that is
// not its user's, and a ring that began before it connected is told to it.
func TestSomebodyElsesCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		n.ring("c", "ann")
		for user, concerned := range map[string]bool{"eve": false, "bob": true} {
			reply, err := n.Do(t.Context(), signal.Command{Body: &signal.Connect{Version: 1, User: user, Device: "2"}})
			if err != nil {
				t.Fatal(err)
			}
			c := reply.(*signal.Connected)
			if (len(c.Calls) == 1) != concerned {
				t.Errorf("%s is told of %+v", user, c.Calls)
			}
			_, err = n.Do(t.Context(), signal.Command{Session: c.Session, Body: &signal.CallQuery{Call: "c"}})
			if (err == nil) != concerned {
				t.Errorf("%s asks for the call: %v", user, err)
			}
			if !concerned {
				// Whom a client says to be is not believed.
				_, err = n.Do(t.Context(), signal.Command{Session: c.Session, Body: says(signal.CallAccept, "c", "bob", "2")})
				if err == nil || signal.AsError(err).Code != signal.NotInvited {
					t.Errorf("%s answers for bob: %v", user, err)
				}
				continue
			}
			events, err := n.Subscribe(t.Context(), signal.Filter{Session: c.Session, After: c.Sequence})
			if err != nil {
				t.Fatal(err)
			}
			e := (<-events).Body.(*signal.CallEvent)
			if e.Kind != signal.CallRung || len(e.Payload) != 3 || e.To != nil || e.LifetimeMS <= 0 {
				t.Errorf("bob is told %+v, want the ring with its payload", e)
			}
		}
	})
}
