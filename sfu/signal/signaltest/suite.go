// Package signaltest is the conformance suite of adapters: what an adapter
// carries to the signalling port must do there what it would have done had it
// been called directly.
//
// An adapter's test gives Run a function that serves a given engine through the
// adapter and answers a signal.Engine which speaks to it over the adapter's own
// wire, as a backend of the tenant "": each Do is one command there and back,
// each Subscribe with a Filter for a backend a stream of events. Where devices speak
// over the adapter too, Devices says how one connects. The suite then
// compares commands, replies, refusals, events and their numbers. Third parties
// may use it for adapters of their own:
//
//	func TestConformance(t *testing.T) {
//		signaltest.Run(t, func(t *testing.T, e signal.Engine) signal.Engine {
//			server := serveMine(t, e)
//			return newClientOfMine(t, server)
//		})
//	}
//
// It runs in real time and takes about a second; an adapter over an in-memory
// network may call it inside testing/synctest.
package signaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// patience bounds the wait for what must come.
const patience = 15 * time.Second

// Run runs the suite.
func Run(t *testing.T, connect func(t *testing.T, engine signal.Engine) signal.Engine, with ...Option) {
	t.Helper()
	o := options{dial: dialDirectly}
	for _, option := range with {
		option(&o)
	}
	for _, c := range []struct {
		name   string
		test   func(*fixture)
		change func(*switchboard.Config)
	}{
		{"a call from ring to end", aCall, nil},
		{"decline, busy, cancel, missed", withoutAnswer, nil},
		{"one of three devices wins", oneWins, nil},
		{"glare", glare, nil},
		{"a third user makes a group", group, nil},
		{"another device takes over", takeover, nil},
		{"payloads are untouched", payloads, nil},
		{"repeats act once", repeats, nil},
		{"events are resumed", resumed, nil},
		{"refusals keep code and reason", refused, nil},
		{"too many rings", tooManyRings, nil},
		{"bounds of commands", bounds, nil},
		{"room control", control, nil},
		{"the feed tells of everything", feed, nil},
		{"a direct path and back", directPath, letDirect},
	} {
		t.Run(c.name, func(t *testing.T) {
			engine := NewEngine(t, c.change)
			ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
			defer cancel()
			c.test(&fixture{T: t, ctx: ctx, direct: engine, via: connect(t, engine), dial: o.dial})
		})
	}
}

// fixture is one test's engine, directly and through the adapter.
type fixture struct {
	*testing.T
	ctx    context.Context
	direct signal.Engine
	via    signal.Engine
	dial   func(*testing.T, signal.Engine, *signal.Connect) *Device
	serial atomic.Int64
}

var backend = &signal.Backend{}

func device(user, id string) *signal.Device { return &signal.Device{User: user, Device: id} }

// do sends one command under a new id.
func (f *fixture) do(body signal.Body) (signal.Reply, error) {
	return f.send(fmt.Sprint("id-", f.serial.Add(1)), body)
}

func (f *fixture) send(id string, body signal.Body) (signal.Reply, error) {
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	return f.via.Do(ctx, signal.Command{ID: id, Backend: backend, Body: body})
}

// must sends one command that is obeyed.
func (f *fixture) must(body signal.Body) signal.Reply {
	f.Helper()
	reply, err := f.do(body)
	if err != nil {
		f.Fatalf("%s: %v", body.Type(), err)
	}
	return reply
}

// says is one command of a device in a call.
func says(call, user, id string, verb signal.Verb) *signal.Call {
	return &signal.Call{Verb: verb, Call: call, From: device(user, id)}
}

// refusedWith wants a refusal.
func (f *fixture) refusedWith(code, reason signal.Code, body signal.Body) {
	f.Helper()
	reply, err := f.do(body)
	var refusal *signal.Error
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.Reason != reason || refusal.Message == "" {
		f.Errorf("%s: answered %+v and %#v, want the code %s with the reason %q and a sentence", body.Type(), reply, err, code, reason)
	}
}

// ring makes a call of ann's phone to users with the devices 1, 2 and 3.
func (f *fixture) ring(call string, users ...string) {
	f.Helper()
	c := says(call, "ann", "phone", signal.CallCreate)
	c.LifetimeMS, c.Early = 20_000, true
	for _, u := range users {
		c.Targets = append(c.Targets, signal.Target{User: u, Devices: []string{"1", "2", "3"}})
	}
	reply := f.must(c)
	if created, ok := reply.(*signal.Created); !ok || created.Call != call {
		f.Fatalf("create: answered %+v", reply)
	}
}

// events reads the events of a call after a number until one of a kind, and
// checks their numbers.
func (f *fixture) events(call string, after uint64, until signal.CallEventKind) []*signal.CallEvent {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	stream, err := f.via.Subscribe(ctx, signal.Filter{Backend: backend, Call: call, After: after})
	if err != nil {
		f.Fatalf("subscribe to %s: %v", call, err)
	}
	var all []*signal.CallEvent
	for e := range stream {
		v, ok := e.Body.(*signal.CallEvent)
		if !ok || v.Call != call {
			f.Fatalf("an event of another kind or call: %+v", e.Body)
		}
		after++
		if v.Number != after || e.Sequence != after {
			f.Fatalf("event %s has the numbers %d and %d, want %d", v.Kind, v.Number, e.Sequence, after)
		}
		all = append(all, v)
		if v.Kind == until {
			return all
		}
	}
	f.Fatalf("the events ended without %s: %s", until, kinds(all))
	return nil
}

// kinds lists what happened, gates left out.
func kinds(events []*signal.CallEvent) (all []signal.CallEventKind) {
	for _, e := range events {
		if e.Kind != signal.CallGate {
			all = append(all, e.Kind)
		}
	}
	return all
}

func (f *fixture) wantKinds(events []*signal.CallEvent, want ...signal.CallEventKind) {
	f.Helper()
	if got := kinds(events); !slices.Equal(got, want) {
		f.Errorf("events %v, want %v", got, want)
	}
}

// state asks how a call stands.
func (f *fixture) state(call string) *signal.CallState {
	f.Helper()
	s, ok := f.must(&signal.CallQuery{Call: call}).(*signal.CallState)
	if !ok || s.Call != call {
		f.Fatalf("call.state: answered %+v", s)
	}
	return s
}
