package fault

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestServerIsKilledInACall: the server's process is killed while two devices talk
// and a backend gives 200 commands a second. Started again it knows every command
// that was answered and has numbered every event on; the devices come back to the
// call by themselves and hear each other.
func TestServerIsKilledInACall(t *testing.T) {
	t.Parallel()
	testenv.Sockets(t)
	server := startServer(t)
	b := newBackend(t, server)
	ann, bob := call(t, b)
	l := b.load(0, 5*time.Millisecond)
	time.Sleep(time.Second) // of the other process' time
	before := b.feed()
	server.Kill()
	time.Sleep(500 * time.Millisecond) // the devices notice
	server.Start()
	began := time.Now()
	for _, d := range []*device{ann, bob} {
		d.hears(20 * time.Second)
		t.Logf("%s hears again %v after the server was started", d.user, time.Since(began))
		if n := d.rejoin.Load(); n != 1 {
			t.Errorf("%s joined anew %d times", d.user, n)
		}
	}
	l.end()
	if len(l.acknowledged) < 50 {
		t.Errorf("only %d commands were answered", len(l.acknowledged))
	}
	t.Logf("%d commands were answered, %d were not", len(l.acknowledged), len(l.unanswered))
	nothingLost(t, b, l, before)
	var state signal.CallState
	b.must(http.MethodGet, "/v1/calls/c", "", nil, &state)
	if state.State != "active" || len(state.Users) != 2 || state.Users[0].State != "joined" || state.Users[1].State != "joined" {
		t.Errorf("the call is %+v", state)
	}
	ann.leave()
	bob.leave()
	b.must(http.MethodPost, "/v1/calls/c/end", "3", &signal.Call{}, nil)
}

// nothingLost checks that each answered command is known, gives the same answer
// again and has happened once, that unanswered ones may be repeated, and that the
// feed goes on where it was.
func nothingLost(t *testing.T, b *backend, l *load, before []signal.Event) {
	t.Helper()
	for _, i := range append(l.unanswered, l.acknowledged...) {
		if status := b.create(i, nil); status < 200 || status > 299 {
			t.Errorf("command k%d, repeated: status %d", i, status)
		}
	}
	created := make(map[string]int)
	events := b.feed()
	for _, e := range events {
		if v, ok := e.Body.(*signal.CallEvent); ok && v.Kind == signal.CallCreated {
			created[v.Call]++
		}
	}
	for _, i := range append(l.unanswered, l.acknowledged...) {
		if n := created[fmt.Sprint("k", i)]; n != 1 {
			t.Errorf("call k%d was created %d times", i, n)
		}
	}
	if len(before) == 0 {
		return
	}
	for i, e := range events {
		if e.Sequence == before[0].Sequence {
			for j, was := range before {
				a, _ := e.MarshalJSON()
				if i+j < len(events) {
					a, _ = events[i+j].MarshalJSON()
				}
				if was, _ := was.MarshalJSON(); string(a) != string(was) {
					t.Fatalf("event %s is %s afterwards", was, a)
				}
			}
			return
		}
	}
	t.Errorf("event %d is gone", before[0].Sequence)
}
