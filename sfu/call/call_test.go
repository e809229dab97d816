package call

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestBadCommandsAreRefused(t *testing.T) {
	long := strings.Repeat("x", MaxID+1)
	good := Command{ID: "c", Call: "x", From: Device{"a", "1"}, Verb: Ring, Targets: []Target{{"b", []string{"1"}}}}
	for name, change := range map[string]func(*Command){
		"no id":              func(m *Command) { m.ID = "" },
		"long id":            func(m *Command) { m.ID = long },
		"no call":            func(m *Command) { m.Call = "" },
		"long call":          func(m *Command) { m.Call = long },
		"half a device":      func(m *Command) { m.From.ID = "" },
		"long user":          func(m *Command) { m.From.User = long },
		"unknown verb":       func(m *Command) { m.Verb = "sing" },
		"accepting backend":  func(m *Command) { m.From, m.Verb = Device{}, Accept },
		"no targets":         func(m *Command) { m.Targets = nil },
		"target twice":       func(m *Command) { m.Targets = append(m.Targets, m.Targets[0]) },
		"device twice":       func(m *Command) { m.Targets = []Target{{"b", []string{"1", "1"}}} },
		"unnamed device":     func(m *Command) { m.Targets = []Target{{"b", []string{""}}} },
		"too many devices":   func(m *Command) { m.Targets = []Target{{"b", make([]string, 9)}} },
		"too many targets":   func(m *Command) { m.Targets = make([]Target, 129) },
		"large payload":      func(m *Command) { m.Payload = make([]byte, MaxPayload+1) },
		"negative lifetime":  func(m *Command) { m.Lifetime = -1 },
		"not a number":       func(m *Command) { m.Usage = &Usage{MOS: math.NaN()} },
		"negative bytes":     func(m *Command) { m.Usage = &Usage{Sent: -1} },
		"a reason not given": func(m *Command) { m.Verb, m.Reason = Leave, ReasonGlare },
	} {
		r := newRig(t)
		r.must("a/1", Create)
		m := good
		change(&m)
		if code := r.send(m); code != CodeBadCommand {
			t.Errorf("%s: %q", name, code)
		}
	}
	r := newRig(t)
	r.must("a/1", Create)
	if code := r.send(good); code != "" {
		t.Errorf("the good one: %s", code)
	}
}

func TestBounds(t *testing.T) {
	config := DefaultConfig()
	config.MaxCalls, config.MaxCallsOfUser, config.MaxUsers, config.MaxDevices = 3, 2, 3, 1
	e, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	do := func(call, from string, verb Verb, users ...string) Code {
		m := Command{ID: fmt.Sprint(from, verb, users), Call: call, From: device(from), Verb: verb}
		for _, u := range users {
			m.Targets = append(m.Targets, Target{u, []string{"1"}})
		}
		if _, err := e.Do(start, m); err != nil {
			return err.(*Refusal).Code
		}
		return ""
	}
	for i, step := range []struct{ got, want Code }{
		{do("1", "a/1", Create), ""},
		{do("2", "a/1", Create), ""},
		{do("3", "a/2", Create), CodeFull}, // of one user
		{do("3", "b/1", Create), ""},
		{do("4", "c/1", Create), CodeFull}, // of all
		{do("1", "a/1", Ring, "b", "c", "d"), CodeFull},
		{do("1", "a/1", Ring, "b", "c"), ""}, // none of b, c, d was taken in
		{do("1", "b/2", Accept), CodeFull},   // a device beyond those rung
		{do("1", "b/1", Accept), ""},
		{do("1", "c/1", Cancel), CodeNotJoined},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %q, want %q", i, step.got, step.want)
		}
	}
}

func TestAnIDIsOneCommand(t *testing.T) {
	r := newRig(t)
	r.must("a/1", Create)
	if code := r.send(Command{ID: "c1", Call: "x", From: device("a/1"), Verb: Leave}); code != CodeReused {
		t.Errorf("reused id: %q", code)
	}
	if code := r.send(Command{ID: "c1", Call: "x", From: device("a/1"), Verb: Create}); code != "" || len(r.events) != 2 {
		t.Errorf("repeated create: %q, %d events", code, len(r.events))
	}
	if code := r.send(Command{ID: "c1", Call: "x", From: device("a/2"), Verb: Create}); code != CodeExists {
		t.Errorf("another's create: %q", code)
	}
}

// A device that is in a ring by what it repeats from an earlier one would
// answer without its user.
func TestARepeatAnswersNoLaterRing(t *testing.T) {
	r := newRig(t)
	r.must("a/1", Create)
	r.must("a/1", Ring, "c")
	r.must("c/1", Accept)
	r.must("a/1", Ring, "b")
	r.must("b/1", Decline)
	yes := Command{ID: "yes", Call: "x", From: device("b/9"), Verb: Accept}
	if code := r.send(yes); code != CodeElsewhere {
		t.Fatal(code)
	}
	r.must("a/1", Ring, "b")
	if code := r.send(yes); code != CodeElsewhere || r.user("b") != UserInvited {
		t.Errorf("%q, b is %s", code, r.user("b"))
	}
}

func TestARingLastsBetweenItsBounds(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{0: 45 * time.Second, 1: 5 * time.Second,
		30 * time.Second: 30 * time.Second, time.Hour: 2 * time.Minute} {
		r := newRig(t)
		r.must("a/1", Create)
		r.send(Command{ID: "r", Call: "x", From: device("a/1"), Verb: Ring, Lifetime: asked, Targets: []Target{{User: "b"}}})
		if got := r.e.Next().Sub(start); got != want {
			t.Errorf("%v lasts %v, want %v", asked, got, want)
		}
	}
}

func TestAnAnswerAtTheDeadlineIsLate(t *testing.T) {
	r := newRig(t)
	r.must("a/1", Create)
	r.must("a/1", Ring, "b")
	r.now = r.e.Next()
	if code := r.do("b/1", Accept); code != CodeOver {
		t.Errorf("%q", code)
	}
	r.now = start // a clock that goes back brings nothing back
	if code := r.do("b/1", Accept); code != CodeOver {
		t.Errorf("%q", code)
	}
}

func TestPayloadBelongsToTheCall(t *testing.T) {
	r := newRig(t)
	r.must("a/1", Create)
	payload := []byte("offer")
	r.send(Command{ID: "r", Call: "x", From: device("a/1"), Verb: Ring, Payload: payload, Targets: []Target{{User: "b"}}})
	copy(payload, "XXXXX")
	r.must("b/1", Ringing)
	rings := 0
	for _, v := range r.events {
		if v.Kind == OnRing {
			rings++
			if string(v.Payload) != "offer" {
				t.Errorf("payload %q", v.Payload)
			}
		}
	}
	if rings != 2 {
		t.Errorf("%d rings, want one of the user and one of the device that turned up", rings)
	}
}

func TestLateReportsTakeNothingAway(t *testing.T) {
	u := Usage{100, 200, 4, ""}
	u.merge(Usage{50, 100, 1, ""})
	if u != (Usage{100, 200, 4, ""}) {
		t.Errorf("%+v", u)
	}
	u.merge(Usage{150, 250, 3, ""})
	if u != (Usage{150, 250, 3, ""}) {
		t.Errorf("%+v", u)
	}
}

func TestConfigIsValidated(t *testing.T) {
	for i, change := range []func(*Config){
		func(c *Config) { c.MaxCalls = 0 },
		func(c *Config) { c.MaxUsers = 1 },
		func(c *Config) { c.Remembered = 0 },
		func(c *Config) { c.MinRing = 0 },
		func(c *Config) { c.MaxRing = c.RingLifetime - 1 },
		func(c *Config) { c.Linger = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("change %d is accepted", i)
		}
	}
}

// Scores of different scales are not averaged: those count that most devices have.
func TestSummaryKeepsScalesApart(t *testing.T) {
	var s Summary
	s.score([]Usage{{MOS: 4.4, Scale: "narrowband"}, {MOS: 3, Scale: "fullband"}, {MOS: 2, Scale: "fullband"}})
	if s.MOS != 2.5 || s.Worst != 2 || s.Scale != "fullband" {
		t.Errorf("%+v", s)
	}
	s = Summary{}
	s.score(nil)
	if s.MOS != 0 || s.Worst != 0 || s.Scale != "" {
		t.Errorf("of nobody: %+v", s)
	}
}
