package signaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

func aCall(f *fixture) {
	f.ring("c", "bob")
	f.must(says("c", "bob", "2", signal.CallRinging))
	f.must(says("c", "bob", "2", signal.CallAccept))
	f.must(says("c", "bob", "2", signal.CallHold))
	f.must(says("c", "bob", "2", signal.CallResume))
	if s := f.state("c"); s.State != "active" || s.Group || s.Creator != *device("ann", "phone") ||
		len(s.Users) != 2 || s.Users[1].Device != "2" || s.Users[1].State != "joined" {
		f.Errorf("state %+v", s)
	}
	f.must(says("c", "ann", "phone", signal.CallLeave))
	all := f.events("c", 0, signal.CallEnded)
	f.wantKinds(all, signal.CallCreated, signal.CallRung, signal.CallAlerting, signal.CallAccepted, signal.CallElsewhere,
		signal.CallHeld, signal.CallResumed, signal.CallLeft, signal.CallEnded)
	for _, e := range all {
		switch e.Kind {
		case signal.CallRung:
			if e.User != "bob" || len(e.To) != 3 || len(e.Wake) != 3 || !e.Early || e.LifetimeMS != 20_000 || e.At == 0 {
				f.Errorf("ring %+v", e)
			}
		case signal.CallElsewhere:
			if len(e.To) != 2 || e.Reason != signal.Accepted {
				f.Errorf("elsewhere %+v", e)
			}
		case signal.CallEnded:
			if e.Reason != signal.Hangup || e.Summary == nil || len(e.Summary.Users) != 2 || e.Summary.Users[0].User != "ann" {
				f.Errorf("ended %+v with %+v", e, e.Summary)
			}
		}
	}
}

func withoutAnswer(f *fixture) {
	for verb, want := range map[signal.Verb][]signal.CallEventKind{
		signal.CallDecline: {signal.CallCreated, signal.CallRung, signal.CallDeclined, signal.CallElsewhere, signal.CallEnded},
		signal.CallBusy:    {signal.CallCreated, signal.CallRung, signal.CallIsBusy, signal.CallElsewhere, signal.CallEnded},
		signal.CallCancel:  {signal.CallCreated, signal.CallRung, signal.CallCancelled, signal.CallEnded},
		"":                 {signal.CallCreated, signal.CallRung, signal.CallMissed, signal.CallEnded},
	} {
		id := "c-" + string(verb)
		if verb == "" {
			c := says(id, "ann", "phone", signal.CallCreate)
			c.Targets, c.LifetimeMS = []signal.Target{{User: "bob", Devices: []string{"1"}}}, 60
			f.must(c)
		} else {
			f.ring(id, "bob")
		}
		reason := signal.Missed
		switch verb {
		case signal.CallCancel:
			reason = signal.Cancelled
			f.must(says(id, "ann", "phone", verb))
		case signal.CallDecline:
			reason = signal.Declined
			f.must(says(id, "bob", "3", verb))
		case signal.CallBusy:
			reason = signal.BusyReason
			f.must(says(id, "bob", "3", verb))
		}
		all := f.events(id, 0, signal.CallEnded)
		f.wantKinds(all, want...)
		if last := all[len(all)-1]; last.Reason != reason || last.Summary == nil || last.Summary.DurationMS != 0 {
			f.Errorf("%s: ended %+v, want the reason %s and no duration", verb, last, reason)
		}
	}
}

// oneWins has all devices answer at the same moment.
func oneWins(f *fixture) {
	f.ring("c", "bob", "eve")
	var answering sync.WaitGroup
	errs := make(chan error, 6)
	for _, user := range []string{"bob", "eve"} {
		for _, id := range []string{"1", "2", "3"} {
			answering.Go(func() {
				_, err := f.do(says("c", user, id, signal.CallAccept))
				errs <- err
			})
		}
	}
	answering.Wait()
	won, elsewhere := 0, 0
	for range 6 {
		var refusal *signal.Error
		switch err := <-errs; {
		case err == nil:
			won++
		case errors.As(err, &refusal) && refusal.Code == signal.AnsweredElsewhere && refusal.Reason == signal.Accepted:
			elsewhere++
		default:
			f.Errorf("accept: %v", err)
		}
	}
	if won != 2 || elsewhere != 4 {
		f.Errorf("%d devices won and %d were told that another had, want 2 and 4", won, elsewhere)
	}
}

func glare(f *fixture) {
	f.ring("y", "bob")
	c := says("x", "bob", "1", signal.CallCreate)
	c.Targets = []signal.Target{{User: "ann", Devices: []string{"phone"}}}
	f.must(c)
	if x, y := f.state("x"), f.state("y"); x.State != "active" || y.State != "ended" || y.Reason != signal.Glare {
		f.Errorf("x is %+v, y is %+v; want the lower id to go on", x, y)
	}
	all := f.events("y", 0, signal.CallEnded)
	if last := all[len(all)-1]; last.Into != "x" {
		f.Errorf("ended %+v, want the call that goes on named", last)
	}
}

func group(f *fixture) {
	f.ring("c", "bob")
	f.must(says("c", "bob", "1", signal.CallAccept))
	invite := says("c", "bob", "1", signal.CallRing)
	invite.Targets = []signal.Target{{User: "eve", Devices: []string{"1"}}}
	f.must(invite)
	f.must(says("c", "eve", "1", signal.CallAccept))
	f.must(says("c", "ann", "phone", signal.CallLeave))
	if s := f.state("c"); s.State != "active" || !s.Group {
		f.Errorf("two of three are left, and the call is %+v", s)
	}
	f.must(&signal.Call{Verb: signal.CallEnd, Call: "c"})
	all := f.events("c", 0, signal.CallEnded)
	f.wantKinds(all, signal.CallCreated, signal.CallRung, signal.CallAccepted, signal.CallElsewhere, signal.CallRung,
		signal.CallAccepted, signal.CallUpgraded, signal.CallLeft, signal.CallEnded)
	if last := all[len(all)-1]; last.Reason != signal.Ended || !last.Summary.Group || last.From != nil {
		f.Errorf("ended %+v", last)
	}
}

func takeover(f *fixture) {
	f.ring("c", "bob")
	f.must(says("c", "bob", "1", signal.CallAccept))
	f.must(says("c", "bob", "tablet", signal.CallTake))
	f.refusedWith(signal.AnsweredElsewhere, signal.Accepted, says("c", "bob", "1", signal.CallHold))
	f.must(says("c", "bob", "tablet", signal.CallHold))
	all := f.events("c", 0, signal.CallHeld)
	f.wantKinds(all, signal.CallCreated, signal.CallRung, signal.CallAccepted, signal.CallElsewhere, signal.CallTaken, signal.CallHeld)
}

func payloads(f *fixture) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := bytes.Repeat(every, signal.MaxPayload/len(every))
	c := says("c", "ann", "phone", signal.CallCreate)
	c.Targets, c.Payload = []signal.Target{{User: "bob", Devices: []string{"1"}}}, every
	f.must(c)
	accept := says("c", "bob", "1", signal.CallAccept)
	accept.Payload = large
	f.must(accept)
	for _, e := range f.events("c", 0, signal.CallAccepted) {
		want := map[signal.CallEventKind][]byte{signal.CallRung: every, signal.CallAccepted: large}[e.Kind]
		if want != nil && !bytes.Equal(e.Payload, want) {
			f.Errorf("%s carries %d bytes, want the %d that were sent, untouched", e.Kind, len(e.Payload), len(want))
		}
	}
}

func repeats(f *fixture) {
	create := says("", "ann", "phone", signal.CallCreate)
	first, err := f.send("once", create)
	if err != nil {
		f.Fatal(err)
	}
	again, err := f.send("once", says("", "ann", "phone", signal.CallCreate))
	if err != nil || !reflect.DeepEqual(first, again) {
		f.Fatalf("a repeat was answered %+v and %v, first %+v", again, err, first)
	}
	id := first.(*signal.Created).Call
	ring := says(id, "ann", "phone", signal.CallRing)
	ring.Targets = []signal.Target{{User: "bob", Devices: []string{"1"}}}
	var repeating sync.WaitGroup
	for range 8 { // at the same time, as after a lost connection
		repeating.Go(func() {
			if _, err := f.send("ring", ring); err != nil {
				f.Errorf("a repeat was refused: %v", err)
			}
		})
	}
	repeating.Wait()
	for range 3 {
		_, err := f.send("refused", says(id, "eve", "1", signal.CallAccept))
		if refusal := signal.AsError(err); err == nil || refusal.Code != signal.NotInvited {
			f.Errorf("a repeat of what was refused: %v", err)
		}
	}
	f.must(says(id, "bob", "1", signal.CallAccept))
	f.wantKinds(f.events(id, 0, signal.CallAccepted), signal.CallCreated, signal.CallRung, signal.CallAccepted)
}

func resumed(f *fixture) {
	f.ring("c", "bob")
	f.must(says("c", "bob", "1", signal.CallAccept))
	f.must(says("c", "ann", "phone", signal.CallLeave))
	whole := f.events("c", 0, signal.CallEnded)
	for after := range whole {
		rest := f.events("c", uint64(after), signal.CallEnded)
		if !reflect.DeepEqual(rest, whole[after:]) {
			f.Errorf("after %d: %v, want %v", after, kinds(rest), kinds(whole[after:]))
		}
	}
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	if stream, err := f.via.Subscribe(ctx, signal.Filter{Backend: backend, Call: "c", After: 1000}); signal.AsError(err).Code != signal.EventsLost {
		f.Errorf("events after a number that never was: %v and %v, want events_lost", stream, err)
	}
	if stream, err := f.via.Subscribe(ctx, signal.Filter{Backend: backend, Call: "never"}); signal.AsError(err).Code != signal.CallUnknown {
		f.Errorf("events of a call that never was: %v and %v, want unknown_call", stream, err)
	}
}

func refused(f *fixture) {
	f.refusedWith(signal.CallUnknown, "", says("never", "ann", "phone", signal.CallAccept))
	f.refusedWith(signal.CallUnknown, "", &signal.CallQuery{Call: "never"})
	f.ring("c", "bob")
	f.refusedWith(signal.CallExists, "", says("c", "eve", "1", signal.CallCreate))
	f.refusedWith(signal.NotInvited, "", says("c", "eve", "1", signal.CallAccept))
	f.refusedWith(signal.NotInvited, "", says("c", "eve", "1", signal.CallLeave))
	f.refusedWith(signal.NotAnswered, "", says("c", "bob", "1", signal.CallHold))
	f.refusedWith(signal.BadMessage, "", &signal.Call{Verb: signal.CallAccept, Call: "c"})
	f.must(says("c", "bob", "1", signal.CallAccept))
	f.refusedWith(signal.AnsweredElsewhere, signal.Accepted, says("c", "bob", "2", signal.CallAccept))
	f.refusedWith(signal.InCall, "", says("c", "bob", "1", signal.CallDecline))
	f.refusedWith(signal.NotPermitted, "", says("c", "bob", "1", signal.CallEnd))
	f.refusedWith(signal.WrongState, "", says("c", "ann", "phone", signal.CallCancel))
	f.must(says("c", "ann", "phone", signal.CallEnd))
	f.refusedWith(signal.CallOver, signal.Ended, says("c", "bob", "1", signal.CallHold))
	f.refusedWith(signal.UnknownRoom, "", &signal.RoomQuery{Room: "nobody"})
}

func tooManyRings(f *fixture) {
	refusals := 0
	for i := range 30 {
		c := says("", "ann", "phone", signal.CallCreate)
		c.Targets = []signal.Target{{User: fmt.Sprint("user", i), Devices: []string{"1"}}}
		_, err := f.do(c)
		if refusal := signal.AsError(err); err != nil && refusal.Code == signal.RateLimited && refusal.RetryAfterMS > 0 {
			refusals++
		} else if err != nil && refusal.Code != signal.CallFull {
			f.Fatalf("ring %d: %v", i, err)
		}
	}
	if refusals == 0 {
		f.Error("30 rings at once were not limited")
	}
	other := says("", "bob", "1", signal.CallCreate)
	other.Targets = []signal.Target{{User: "eve", Devices: []string{"1"}}}
	f.must(other) // another user is not to blame
}

func bounds(f *fixture) {
	long := strings.Repeat("x", 65)
	for name, body := range map[string]signal.Body{
		"a long call id":     says(long, "ann", "phone", signal.CallCreate),
		"a long user":        says("c", long, "phone", signal.CallCreate),
		"a control char":     says("c", "a\nb", "phone", signal.CallCreate),
		"no targets":         says("c", "ann", "phone", signal.CallRing),
		"a negative time":    &signal.Call{Verb: signal.CallCreate, Call: "c", From: device("ann", "phone"), LifetimeMS: -1},
		"an invented reason": &signal.Call{Verb: signal.CallLeave, Call: "c", From: device("ann", "phone"), Reason: "because"},
		"no participant":     &signal.RoomControl{Verb: signal.RoomRemove, Room: "c"},
	} {
		if _, err := f.do(body); err == nil || signal.AsError(err).Code != signal.BadMessage {
			f.Errorf("%s: %v, want bad_message", name, err)
		}
	}
	huge := says("c", "ann", "phone", signal.CallCreate)
	huge.Payload = make([]byte, signal.MaxPayload+1)
	if _, err := f.do(huge); err == nil || signal.AsError(err).Code != signal.TooLarge {
		f.Errorf("a payload over the bound: %v, want too_large", err)
	}
}
