package switchboard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// node is a board that may be started again from its journal.
type node struct {
	*switchboard.Board
	t    *testing.T
	path string
}

func start(t *testing.T) *node {
	n := &node{t: t, path: filepath.Join(t.TempDir(), "journal")}
	n.restart()
	return n
}

func (n *node) restart() {
	n.t.Helper()
	if n.Board != nil {
		if err := n.Close(); err != nil {
			n.t.Fatal(err)
		}
	}
	n.Board = signaltest.NewEngine(n.t, func(c *switchboard.Config) { c.Journal = n.path })
}

func (n *node) try(id string, body signal.Body) (signal.Reply, error) {
	return n.Do(n.t.Context(), signal.Command{ID: id, Backend: &signal.Backend{}, Body: body})
}

func (n *node) do(body signal.Body) signal.Reply {
	n.t.Helper()
	reply, err := n.try("", body)
	if err != nil {
		n.t.Fatalf("%s: %v", body.Type(), err)
	}
	return reply
}

func says(verb signal.Verb, call, user, device string) *signal.Call {
	return &signal.Call{Verb: verb, Call: call, From: &signal.Device{User: user, Device: device}}
}

func (n *node) ring(call, caller string) {
	n.t.Helper()
	c := says(signal.CallCreate, call, caller, "phone")
	c.Targets, c.Payload = []signal.Target{{User: "bob", Devices: []string{"1", "2"}}}, []byte{0, 1, 255}
	n.do(c)
}

func (n *node) state(call string) *signal.CallState {
	n.t.Helper()
	return n.do(&signal.CallQuery{Call: call}).(*signal.CallState)
}

func (n *node) feed(after uint64) *signal.FeedState {
	n.t.Helper()
	return n.do(&signal.FeedQuery{After: after}).(*signal.FeedState)
}

func (n *node) history(call string) []signal.Event {
	n.t.Helper()
	return n.do(&signal.CallHistory{Call: call}).(*signal.CallEvents).Events
}

// TestCallsOutliveARestart: what was acknowledged is there afterwards, under the
// same numbers, and goes on.
func TestCallsOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		first := n.feed(0).First
		n.ring("a", "ann")
		n.do(says(signal.CallAccept, "a", "bob", "1"))
		n.do(says(signal.CallHold, "a", "bob", "1"))
		n.ring("b", "eve")
		_, refused := n.try("refused", says(signal.CallAccept, "a", "bob", "2"))
		time.Sleep(time.Second)
		before := [2]*signal.CallState{n.state("a"), n.state("b")}
		events, feed := n.history("a"), n.feed(first-1)
		n.SetMark("webhook ", feed.Last-1)

		n.restart()

		for i, call := range []string{"a", "b"} {
			if after := n.state(call); !reflect.DeepEqual(after, before[i]) {
				t.Errorf("%s was %+v and is %+v", call, before[i], after)
			}
		}
		if after := n.history("a"); !reflect.DeepEqual(after, events) {
			t.Errorf("the history of a was\n%v and is\n%v", events, after)
		}
		if after := n.feed(first - 1); !reflect.DeepEqual(after, feed) {
			t.Errorf("the feed was\n%v and is\n%v", feed, after)
		}
		if m := n.Mark("webhook "); m != feed.Last-1 {
			t.Errorf("the mark is %d, want %d", m, feed.Last-1)
		}
		if _, err := n.try("refused", says(signal.CallAccept, "a", "bob", "2")); !reflect.DeepEqual(err, refused) {
			t.Errorf("a repeat is answered %v, first %v", err, refused)
		}
		// Both go on: one is resumed and ends, the other is missed in its time.
		n.do(says(signal.CallResume, "a", "bob", "1"))
		n.do(says(signal.CallLeave, "a", "bob", "1"))
		if s := n.state("a"); s.State != "ended" || s.Reason != signal.Hangup {
			t.Errorf("a has ended as %+v", s)
		}
		time.Sleep(20 * time.Second)
		if s := n.state("b"); s.State != "ended" || s.Reason != signal.Missed {
			t.Errorf("b has ended as %+v", s)
		}
	})
}

// TestWhoDoesNotComeBackHasLeft: a device has the time of the dead-man's switch
// to connect after a restart.
func TestWhoDoesNotComeBackHasLeft(t *testing.T) {
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprint("back ", back), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t)
				n.ring("a", "ann")
				n.do(says(signal.CallAccept, "a", "bob", "1"))
				n.restart()
				for user, device := range map[string]string{"ann": "phone", "bob": "1"} {
					if user == "bob" && !back {
						continue
					}
					reply, err := n.Do(t.Context(), signal.Command{Body: &signal.Connect{Version: 1, User: user, Device: device}})
					if err != nil {
						t.Fatal(err)
					}
					c := reply.(*signal.Connected)
					if len(c.Calls) != 1 || c.Calls[0].Call != "a" || c.Calls[0].State != "active" {
						t.Errorf("%s is told of %+v", user, c.Calls)
					}
					if _, err := n.Subscribe(t.Context(), signal.Filter{Session: c.Session, After: c.Sequence}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				s := n.state("a")
				if back && s.State != "active" {
					t.Errorf("both came back and the call is %+v", s)
				}
				if !back && (s.State != "ended" || s.Reason != signal.ConnectionLost) {
					t.Errorf("bob did not come back and the call is %+v", s)
				}
			})
		})
	}
}

// A crash may cut the last line off, which was never answered.
func TestDamagedJournals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		n.ring("a", "ann")
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(n.path)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 1; cut < 60; cut++ {
			if err := os.WriteFile(n.path, whole[:len(whole)-cut], 0o600); err != nil {
				t.Fatal(err)
			}
			n.Board = signaltest.NewEngine(t, func(c *switchboard.Config) { c.Journal = n.path })
			if s := n.state("a"); s.State != "created" && cut > 1 || s.State == "created" && cut == 1 {
				t.Errorf("%d bytes were cut off and a is %s", cut, s.State)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"at":1,"base":7}` + "\n" + `{"at":2,"command":{"ID":"x","Call":"c","From":{"User":"a","ID":"1"},"Verb":"create"}}` + "\n"))
	f.Add([]byte(`{"at":1,"room":{"room":"r"},"kind":"joined"}` + "\n" + `{"mark":"m","number":9}` + "\n"))
	f.Add([]byte("{\n{\n"))
	f.Fuzz(func(t *testing.T, b []byte) { switchboard.Recall(t, b) })
}
