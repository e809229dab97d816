package signaltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// Device is the session of one device of a user.
type Device struct {
	// Say sends a command under an id; errors are refusals (*signal.Error), or the end of the connection.
	Say func(ctx context.Context, id string, body signal.Body) (signal.Reply, error)
	// Told gives all events since the device has connected, in their order.
	Told <-chan signal.Event
}

// Option changes what Run does.
type Option func(*options)

type options struct {
	dial func(t *testing.T, engine signal.Engine, connect *signal.Connect) *Device
}

// Devices is for adapters over which devices speak too, not backends alone: dial
// connects one over the adapter to the engine. Without it devices speak to the
// engine directly, and what a backend does to them goes over the adapter.
func Devices(dial func(t *testing.T, engine signal.Engine, connect *signal.Connect) *Device) Option {
	return func(o *options) { o.dial = dial }
}

// dialDirectly connects a device to an engine without an adapter.
func dialDirectly(t *testing.T, engine signal.Engine, connect *signal.Connect) *Device {
	t.Helper()
	reply, err := engine.Do(t.Context(), signal.Command{Body: connect})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	session := reply.(*signal.Connected).Session
	told, err := engine.Subscribe(t.Context(), signal.Filter{Session: session})
	if err != nil {
		t.Fatal(err)
	}
	return &Device{Told: told, Say: func(ctx context.Context, id string, body signal.Body) (signal.Reply, error) {
		return engine.Do(ctx, signal.Command{ID: id, Session: session, Body: body})
	}}
}

// letDirect configures an engine for the case direct: paths may be tried again
// soon after one another.
func letDirect(c *switchboard.Config) {
	c.Direct.Policy = switchboard.DirectPrefer
	c.Direct.Path.Offering, c.Direct.Path.Returning = patience, patience
	c.Direct.Path.Retry, c.Direct.Path.RetryMax = 50*time.Millisecond, time.Second
	c.Direct.Path.Candidates = 3
}

// walker is a device in the case direct.
type walker struct {
	*fixture
	name string
	*Device
}

func (f *fixture) walker(user, id string) *walker {
	f.Helper()
	return &walker{f, user, f.dial(f.T, f.direct, &signal.Connect{Version: 1, User: user, Device: id})}
}

// says sends a step; want is the refusal's code, "" for none.
func (w *walker) says(step signal.DirectVerb, epoch uint32, payload string, want signal.Code) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	reply, err := w.Say(ctx, fmt.Sprint("step-", w.serial.Add(1)), &signal.Direct{Call: "c", Step: step, Epoch: epoch, Payload: []byte(payload)})
	var got signal.Code
	if err != nil {
		got = signal.AsError(err).Code
	} else if _, done := reply.(*signal.Done); !done {
		w.Errorf("%s says %s of epoch %d: answered %+v", w.name, step, epoch, reply)
	}
	if got != want {
		w.Errorf("%s says %s of epoch %d: refused with %q (%v), want %q", w.name, step, epoch, got, err, want)
	}
}

// hears waits for the next event direct, whatever else comes, and wants it so.
func (w *walker) hears(step signal.DirectVerb, epoch uint32, reason signal.Code, from, payload string) (told *signal.DirectStep) {
	w.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e, ok := <-w.Told:
			if !ok {
				w.Fatalf("%s: the events ended before %s", w.name, step)
			}
			var is bool
			if told, is = e.Body.(*signal.DirectStep); !is {
				continue
			}
			user := ""
			if told.From != nil {
				user = told.From.User
			}
			if told.Call != "c" || told.Step != step || told.Epoch != epoch || told.Reason != reason || user != from || string(told.Payload) != payload {
				w.Fatalf("%s is told %+v from %q, want %s of epoch %d for %q from %q with %q", w.name, told, user, step, epoch, reason, from, payload)
			}
			return told
		case <-late.C:
			w.Fatalf("%s waited in vain for %s of epoch %d", w.name, step, epoch)
		}
	}
}

// build goes from start to direct, in an epoch.
func build(offerer, answerer *walker, epoch uint32) {
	offerer.says(signal.DirectOffer, epoch, "\x00 an offer \xff", "")
	answerer.hears(signal.DirectOffer, epoch, "", offerer.name, "\x00 an offer \xff")
	answerer.says(signal.DirectAnswer, epoch, "an answer", "")
	answerer.says(signal.DirectCandidate, epoch, "candidates", "")
	offerer.hears(signal.DirectAnswer, epoch, "", answerer.name, "an answer")
	offerer.hears(signal.DirectCandidate, epoch, "", answerer.name, "candidates")
	for _, w := range []*walker{offerer, answerer} {
		w.says(signal.DirectProven, epoch, "", "")
	}
	for _, w := range []*walker{offerer, answerer} {
		w.hears(signal.DirectMoved, epoch, "", "", "")
	}
}

// comeBack goes from a return, which both are told, to media by the server alone.
func comeBack(a, b *walker, epoch uint32, reason signal.Code) {
	for _, w := range []*walker{a, b} {
		w.hears(signal.DirectReturn, epoch, reason, "", "")
	}
	a.says(signal.DirectBack, epoch, "", "")
	b.hears(signal.DirectBack, epoch, "", a.name, "")
	b.says(signal.DirectBack, epoch, "", "")
	a.hears(signal.DirectBack, epoch, "", b.name, "")
	for _, w := range []*walker{a, b} {
		w.says(signal.DirectReturned, epoch, "", "")
	}
	for _, w := range []*walker{a, b} {
		w.hears(signal.DirectOver, epoch, "", "", "")
	}
}

// directPath: two devices go to a direct path, come back for a third user and
// because it failed, and each attempt has an epoch of its own.
func directPath(f *fixture) {
	ann, bob, eve := f.walker("ann", "phone"), f.walker("bob", "1"), f.walker("eve", "1")
	f.ring("c", "bob")
	ann.says(signal.DirectReady, 0, "", signal.NotInvited) // nobody has answered
	f.must(says("c", "bob", "1", signal.CallAccept))
	ann.says(signal.DirectReady, 0, "", "")
	eve.says(signal.DirectReady, 0, "", signal.NotInvited)
	bob.says(signal.DirectReady, 0, "", "")
	starts := func(epoch uint32) (offerer, answerer *walker) {
		f.Helper()
		a, b := ann.hears(signal.DirectStart, epoch, "", "", ""), bob.hears(signal.DirectStart, epoch, "", "", "")
		switch {
		case a.Offers == b.Offers:
			f.Fatalf("epoch %d: ann offers %v, bob %v: exactly one is to", epoch, a.Offers, b.Offers)
		case a.Offers:
			return ann, bob
		}
		return bob, ann
	}
	offerer, answerer := starts(1)
	answerer.says(signal.DirectOffer, 1, "not its turn", signal.WrongState)
	offerer.says(signal.DirectOffer, 7, "of no epoch", signal.WrongState)
	eve.says(signal.DirectOffer, 1, "a stranger's", signal.NotInvited)
	offerer.says(signal.DirectOffer, 1, string(make([]byte, signal.MaxDirectPayload+1)), signal.TooLarge)
	build(offerer, answerer, 1)

	// A third user is rung, which moves nothing, and answers.
	third := says("c", "ann", "phone", signal.CallRing)
	third.Targets = []signal.Target{{User: "eve", Devices: []string{"1"}}}
	f.must(third)
	f.must(says("c", "eve", "1", signal.CallAccept))
	comeBack(ann, bob, 1, signal.Members)
	ann.says(signal.DirectProven, 1, "", signal.WrongState)

	// It leaves: the two try again, in an epoch of its own.
	f.must(says("c", "eve", "1", signal.CallLeave))
	offerer, answerer = starts(2)
	offerer.says(signal.DirectOffer, 1, "of the epoch before", signal.WrongState)
	for range 3 {
		answerer.says(signal.DirectCandidate, 2, "early", "")
		offerer.hears(signal.DirectCandidate, 2, "", answerer.name, "early")
	}
	answerer.says(signal.DirectCandidate, 2, "one too many", signal.RateLimited)
	offerer.says(signal.DirectFailed, 2, "", "")
	comeBack(ann, bob, 2, signal.Failed)

	// After a failure it is tried again by itself, until somebody will not.
	offerer, answerer = starts(3)
	build(offerer, answerer, 3)
	bob.says(signal.DirectUnready, 0, "", "")
	comeBack(ann, bob, 3, signal.Unready)
}
