package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// ring has ann's phone ring bob's phone and tablet, which may connect early.
func (w *world) ring(call string) {
	w.t.Helper()
	w.act(&signal.Call{Verb: signal.CallCreate, Call: call, From: &signal.Device{User: "ann", Device: "phone"}, Early: true,
		Targets: []signal.Target{{User: "bob", Devices: []string{"phone", "tablet"}}}})
}

// act is a command of the application's backend.
func (w *world) act(body signal.Body) {
	w.t.Helper()
	_, err := w.board.Do(w.t.Context(), signal.Command{Backend: &signal.Backend{}, Body: body})
	must(w.t, err)
}

func says(verb signal.Verb, call, user, device string) *signal.Call {
	return &signal.Call{Verb: verb, Call: call, From: &signal.Device{User: user, Device: device}}
}

// dial joins the call's room from a device, over a session of the call plane.
func (w *world) dial(call, user, device string) *user {
	return w.join(client.Options{
		Room: call, Connect: &signal.Connect{User: user, Device: device}, Publish: publications(signal.Microphone),
	})
}

// ended reads the backend's events of a call to its end.
func (w *world) ended(call string) *signal.CallEvent {
	w.t.Helper()
	events, err := w.board.Subscribe(w.t.Context(), signal.Filter{Backend: &signal.Backend{}, Call: call})
	must(w.t, err)
	var last *signal.CallEvent
	for e := range events {
		last = e.Body.(*signal.CallEvent)
	}
	if last.Kind != signal.CallEnded {
		w.t.Fatalf("the last event is %s", last.Kind)
	}
	return last
}

// TestVoiceIsThereWithTheAnswer builds all media while it rings: nothing flows,
// nobody sees the others, and the answer lets voice through at once, between
// the two devices that are in and to no other.
func TestVoiceIsThereWithTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := switchboard.DefaultConfig()
		w := newWorldWith(t, nil, &calls)
		defer w.close()
		w.ring("c")
		ann, bob, tablet := w.dial("c", "ann", "phone"), w.dial("c", "bob", "phone"), w.dial("c", "bob", "tablet")
		for _, u := range []*user{ann, bob, tablet} {
			defer w.leave(u)
			u.waitConnected(t)
			if j := u.Joined(); !j.Gated || len(j.Participants) != 0 {
				t.Fatalf("joined %+v, want gated and nobody to be seen", j)
			}
			u.talk(t)
		}
		time.Sleep(3 * time.Second) // it rings
		for _, u := range []*user{ann, bob, tablet} {
			if n := u.heard(0); n != 0 {
				t.Fatalf("%d packets were heard while it rang", n)
			}
		}
		w.act(says(signal.CallAccept, "c", "bob", "phone"))
		// The network of this test has no delay; packets may be of 120 ms.
		time.Sleep(150 * time.Millisecond)
		if a, b := ann.heard(0), bob.heard(0); a < 1 || b < 1 {
			t.Errorf("150 ms after the answer ann heard %d packets and bob %d, want voice at once", a, b)
		}
		if n := tablet.heard(0); n != 0 {
			t.Errorf("the tablet heard %d packets of a call that the phone has answered", n)
		}
		select {
		case <-tablet.Done():
		case <-time.After(time.Second):
			t.Error("the tablet's media path is still there")
		}
		if others := ann.Participants(); len(others) != 1 || others[0].Identity != "bob" {
			t.Errorf("ann sees %+v, want bob alone", others)
		}

		w.act(says(signal.CallHold, "c", "bob", "phone"))
		time.Sleep(200 * time.Millisecond)
		held := ann.heard(0)
		time.Sleep(2 * time.Second)
		if n := ann.heard(0) - held; n != 0 {
			t.Errorf("%d packets came from who holds the call", n)
		}
		w.act(says(signal.CallResume, "c", "bob", "phone"))
		time.Sleep(10 * time.Second)
		if n := ann.heard(0) - held; n < 50 {
			t.Errorf("%d packets came after the call was resumed", n)
		}

		w.act(says(signal.CallLeave, "c", "ann", "phone"))
		e := w.ended("c")
		s := e.Summary
		if e.Reason != signal.Hangup || s.DurationMS < 12_000 || s.DurationMS > 13_000 || s.RingMS < 3000 {
			t.Errorf("ended %+v with %+v", e, s)
		}
		if s.Sent < 50_000 || s.Received < 50_000 || s.MOS < 3 || s.Worst < 3 {
			t.Errorf("the summary counts %+v, want the bytes and the quality of twelve seconds of voice", s)
		}
		for _, u := range []*user{ann, bob} {
			select {
			case <-u.Done():
			case <-time.After(time.Second):
				t.Error("a media path outlived its call")
			}
		}
	})
}

// TestAnotherDeviceTakesOver moves a running call from bob's phone to his tablet.
func TestAnotherDeviceTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := switchboard.DefaultConfig()
		w := newWorldWith(t, nil, &calls)
		defer w.close()
		w.ring("c")
		w.act(says(signal.CallAccept, "c", "bob", "phone"))
		ann, phone := w.dial("c", "ann", "phone"), w.dial("c", "bob", "phone")
		defer w.leave(ann)
		defer w.leave(phone)
		ann.talk(t)
		phone.waitConnected(t)
		w.act(says(signal.CallTake, "c", "bob", "tablet"))
		tablet := w.dial("c", "bob", "tablet")
		defer w.leave(tablet)
		tablet.waitConnected(t)
		time.Sleep(time.Second)
		if tablet.heard(0) < 5 {
			t.Errorf("the tablet heard %d packets a second after it took over", tablet.heard(0))
		}
		select {
		case <-phone.Done():
		default:
			t.Error("the phone is still in the call")
		}
		if e := w.state("c"); e.State != "active" {
			t.Errorf("the call is %+v", e)
		}
	})
}

func (w *world) state(call string) *signal.CallState {
	w.t.Helper()
	reply, err := w.board.Do(w.t.Context(), signal.Command{Backend: &signal.Backend{}, Body: &signal.CallQuery{Call: call}})
	must(w.t, err)
	return reply.(*signal.CallState)
}

// TestDeadMansSwitch: while media goes on a lost signalling connection harms
// nobody; when media is gone too the device has left after its time.
func TestDeadMansSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := switchboard.DefaultConfig()
		w := newWorldWith(t, nil, &calls)
		defer w.close()
		w.ring("c")
		w.act(says(signal.CallAccept, "c", "bob", "phone"))
		ann, bob := w.dial("c", "ann", "phone"), w.dial("c", "bob", "phone")
		defer w.leave(ann)
		defer w.leave(bob)
		ann.talk(t)
		bob.waitConnected(t)
		w.network.SetFilter(func(p memnet.Packet) bool { return p.From.Addr() != bob.addr && p.To.Addr() != bob.addr })
		time.Sleep(20 * time.Second)
		if s := w.state("c"); s.State != "active" {
			t.Fatalf("the call has ended after 20 s of silence: %+v", s)
		}
		time.Sleep(60 * time.Second)
		if e := w.ended("c"); e.Reason != signal.ConnectionLost {
			t.Errorf("ended %+v, want connection_lost", e)
		}
		w.network.SetFilter(nil)
	})
}

// TestStepsOfADirectPath: a Go client carries what devices say of a direct path,
// both ways; the media of one it does not build.
func TestStepsOfADirectPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := switchboard.DefaultConfig()
		calls.Direct.Policy = switchboard.DirectPrefer
		w := newWorldWith(t, nil, &calls)
		defer w.close()
		w.ring("c")
		ann, bob := w.dial("c", "ann", "phone"), w.dial("c", "bob", "phone")
		defer w.leave(ann)
		defer w.leave(bob)
		w.act(says(signal.CallAccept, "c", "bob", "phone"))
		say := func(u *user, step signal.DirectVerb, epoch uint32, payload string) {
			t.Helper()
			_, err := u.Do(t.Context(), &signal.Direct{Call: "c", Step: step, Epoch: epoch, Payload: []byte(payload)})
			must(t, err)
		}
		hear := func(u *user, step signal.DirectVerb) *signal.DirectStep {
			t.Helper()
			timeout := time.After(5 * time.Second)
			for {
				select {
				case e := <-u.Events():
					if d, ok := e.(*signal.DirectStep); ok {
						if d.Step != step {
							t.Fatalf("told %+v, want %s", d, step)
						}
						return d
					}
				case <-timeout:
					t.Fatalf("never told %s", step)
				}
			}
		}
		say(ann, signal.DirectReady, 0, "")
		say(bob, signal.DirectReady, 0, "")
		if start := hear(ann, signal.DirectStart); !start.Offers || start.Epoch != 1 {
			t.Errorf("ann is told %+v, want to offer", start)
		}
		if start := hear(bob, signal.DirectStart); start.Offers {
			t.Errorf("bob is told to offer too: %+v", start)
		}
		say(ann, signal.DirectOffer, 1, "\x00\xff offer")
		if d := hear(bob, signal.DirectOffer); string(d.Payload) != "\x00\xff offer" || d.From.User != "ann" {
			t.Errorf("bob is told %+v", d)
		}
		say(bob, signal.DirectFailed, 1, "")
		if d := hear(ann, signal.DirectReturn); d.Reason != signal.Failed {
			t.Errorf("ann is told %+v", d)
		}
	})
}
