package call

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// witness watches all events and believes them as a client would.
type witness struct {
	t        *rapid.T
	sequence map[string]uint64
	last     time.Time
	ended    map[string]int
	// winner is the device that is in a call for a user.
	winner map[string]map[string]string
	// rings and gates are what each device believes.
	rings map[string]map[Device]bool
	gates map[string]map[Device]Gate
}

func newWitness(t *rapid.T) *witness {
	return &witness{t, map[string]uint64{}, start, map[string]int{}, map[string]map[string]string{},
		map[string]map[Device]bool{}, map[string]map[Device]Gate{}}
}

func (w *witness) see(events []Event) {
	for _, v := range events {
		if w.winner[v.Call] == nil {
			w.winner[v.Call], w.rings[v.Call], w.gates[v.Call] = map[string]string{}, map[Device]bool{}, map[Device]Gate{}
		}
		w.one(v)
	}
}

func (w *witness) one(v Event) {
	if w.ended[v.Call] > 0 {
		w.t.Fatalf("%s after the end of %s", v.Kind, v.Call)
	}
	w.sequence[v.Call]++
	if v.Sequence != w.sequence[v.Call] || v.At.Before(w.last) {
		w.t.Fatalf("event %d at %v, want %d after %v", v.Sequence, v.At, w.sequence[v.Call], w.last)
	}
	w.last = v.At
	in, rings := w.winner[v.Call], w.rings[v.Call]
	switch v.Kind {
	case OnCreated:
		in[v.User] = v.From.ID
	case OnRing:
		if in[v.User] != "" {
			w.t.Fatalf("%s is rung in a call it is in", v.User)
		}
		for _, d := range v.To {
			rings[d] = true
		}
	case OnAccepted:
		if in[v.User] != "" {
			w.t.Fatalf("two winners for %s: %s and %s", v.User, in[v.User], v.From.ID)
		}
		if !rings[v.From] {
			w.t.Fatalf("%s has accepted and was not rung", v.From)
		}
		in[v.User] = v.From.ID
		delete(rings, v.From)
	case OnDeclined, OnBusy:
		delete(rings, v.From)
	case OnElsewhere, OnMissed, OnCancelled:
		for _, d := range v.To {
			if d.User == v.User {
				delete(rings, d)
			}
		}
	case OnTaken:
		if in[v.User] == "" || in[v.User] == v.From.ID || !slices.Contains(v.To, Device{v.User, in[v.User]}) {
			w.t.Fatalf("%s has taken over from %q, told %v", v.From, in[v.User], v.To)
		}
		in[v.User] = v.From.ID
	case OnLeft:
		if in[v.User] != v.From.ID {
			w.t.Fatalf("%s left for %s", v.From, in[v.User])
		}
		delete(in, v.User)
	case OnGate:
		w.gates[v.Call][v.To[0]] = v.Gate
	case OnEnded:
		w.ended[v.Call]++
		for user, id := range in {
			if !slices.Contains(v.To, Device{user, id}) {
				w.t.Fatalf("%s/%s is not told of the end", user, id)
			}
		}
		clear(in)
		if v.Summary == nil || v.Summary.Duration < 0 || v.Summary.Ended.Before(v.Summary.Created) {
			w.t.Fatalf("summary %+v", v.Summary)
		}
	}
}

// check compares what devices believe with what the exchange says.
func (w *witness) check(e *Exchange) {
	for id, in := range w.winner {
		s, known := e.Call(id)
		if w.ended[id] > 0 && known && s.State != StateEnded {
			w.t.Fatalf("call %s ended and is %s", id, s.State)
		}
		if w.ended[id] == 0 && (!known || !slices.Contains([]State{StateCreated, StateRinging, StateActive}, s.State)) {
			w.t.Fatalf("call %s has not ended and is %q", id, s.State)
		}
		pending := map[string]bool{}
		for _, u := range s.Users {
			joined := u.State == UserJoined || u.State == UserHeld
			if joined != (in[u.User] != "") || (joined && in[u.User] != u.Device) {
				w.t.Fatalf("call %s: %s is %s by %q, its devices believe %q", id, u.User, u.State, u.Device, in[u.User])
			}
			pending[u.User] = u.State == UserInvited || u.State == UserAlerting
		}
		for d := range w.rings[id] {
			if !pending[d.User] {
				w.t.Fatalf("call %s: %s believes that it rings", id, d)
			}
		}
		for d, g := range w.gates[id] {
			if known && e.Gate(id, d) != g {
				w.t.Fatalf("call %s: gate of %s is %s, it was told %s", id, d, e.Gate(id, d), g)
			}
			if g == Open && (s.State != StateActive || in[d.User] != d.ID) {
				w.t.Fatalf("call %s, %s: media of %s flows", id, s.State, d)
			}
			if g == Gated && in[d.User] != d.ID && !pending[d.User] {
				w.t.Fatalf("call %s: media of %s is being built for nothing", id, d)
			}
		}
	}
}

var (
	users    = []string{"a", "b", "c", "d"}
	carrying = []EventKind{OnCreated, OnRing, OnRinging, OnAccepted, OnDeclined, OnBusy, OnHeld, OnResumed, OnTaken, OnLeft}
	verbs    = []Verb{Create, Ring, Ring, Ringing, Accept, Accept, Decline, Busy, Cancel, Hold, Resume, Take, Leave, End, Report}
)

func anyDevice(t *rapid.T) Device {
	if rapid.IntRange(0, 19).Draw(t, "backend") == 0 {
		return Device{}
	}
	return Device{rapid.SampledFrom(users).Draw(t, "user"), rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "device")}
}

func anyCommand(t *rapid.T, serial int) Command {
	m := Command{
		ID:      fmt.Sprint("c", serial),
		Call:    rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "call"),
		From:    anyDevice(t),
		Verb:    rapid.SampledFrom(verbs).Draw(t, "verb"),
		Early:   rapid.Bool().Draw(t, "early"),
		Payload: []byte{byte(serial)},
		Usage:   &Usage{Sent: 1, Received: 1, MOS: 4},
	}
	if m.Verb == Ring || m.Verb == Cancel {
		for _, u := range users {
			if rapid.IntRange(0, 2).Draw(t, "target") == 0 {
				m.Targets = append(m.Targets, Target{u, []string{"1", "2", "3"}[:rapid.IntRange(0, 3).Draw(t, "known")]})
			}
		}
	}
	return m
}

// sent is a command with what it was answered, and whether its sender was known.
type sent struct {
	m    Command
	err  error
	kept bool
}

func noUndefinedState(t *rapid.T) {
	config := DefaultConfig()
	config.Remembered = 100
	config.MaxDevices = rapid.IntRange(3, 4).Draw(t, "devices")
	e, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	w, now := newWitness(t), start
	var history []sent
	for serial := range rapid.IntRange(10, 80).Draw(t, "commands") {
		switch rapid.IntRange(0, 9).Draw(t, "step") {
		case 0: // time passes, perhaps to the very moment of a deadline
			if next := e.Next(); !next.IsZero() && rapid.Bool().Draw(t, "due") {
				now = next
			} else {
				now = now.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			}
			w.see(e.Tick(now))
		case 1, 2:
			if len(history) == 0 || !w.repeats(e, now, rapid.SampledFrom(history).Draw(t, "repeat")) {
				continue
			}
		default:
			m := anyCommand(t, serial)
			if w.ended[m.Call] > 0 {
				if _, known := e.Call(m.Call); !known {
					continue // an id is not used twice
				}
			}
			events, err := e.Do(now, m)
			w.see(events)
			for _, v := range events {
				if v.From == m.From && v.Call == m.Call && slices.Contains(carrying, v.Kind) && !m.From.Backend() && v.Reason != ReasonGlare && !bytes.Equal(v.Payload, m.Payload) {
					t.Fatalf("%s carries %v, want %v", v.Kind, v.Payload, m.Payload)
				}
			}
			kept := false
			if c := e.calls[m.Call]; c != nil {
				memory := c.memory(m.From)
				kept = memory != nil && memory.find(m.ID) != nil
				if !kept && err == nil {
					t.Fatalf("%+v was obeyed and not kept", m)
				}
			}
			history = append(history, sent{m, err, kept})
		}
		w.check(e)
	}
	w.ends(e)
}

// repeats gives a command once more, which changes nothing and is answered as it
// was. It answers whether the command's call is remembered.
func (w *witness) repeats(e *Exchange, now time.Time, old sent) bool {
	w.see(e.Tick(now))
	before, known := e.Call(old.m.Call)
	if !known {
		return false
	}
	events, err := e.Do(now, old.m)
	w.see(events)
	if !old.kept {
		return true
	}
	after, _ := e.Call(old.m.Call)
	if len(events) > 0 || !reflect.DeepEqual(before, after) {
		w.t.Fatalf("a repeat of %+v acted: %+v", old.m, events)
	}
	if !reflect.DeepEqual(err, old.err) {
		w.t.Fatalf("a repeat of %+v was answered %v, first %v", old.m, err, old.err)
	}
	return true
}

// ends waits: left alone, every call ends once and is forgotten.
func (w *witness) ends(e *Exchange) {
	for range 100 {
		next := e.Next()
		if next.IsZero() {
			break
		}
		w.see(e.Tick(next))
		w.check(e)
	}
	if e.Len() != 0 || len(e.made) != 0 || len(e.of) != 0 || len(e.queue) != 0 {
		w.t.Fatalf("%d calls never end", e.Len())
	}
	for id := range w.sequence {
		if w.ended[id] != 1 {
			w.t.Fatalf("call %s ended %d times", id, w.ended[id])
		}
	}
}

func TestNoOrderOfCommandsLeadsAstray(t *testing.T) { rapid.Check(t, noUndefinedState) }

func FuzzCommands(f *testing.F) { f.Fuzz(rapid.MakeFuzz(noUndefinedState)) }

// Whatever the order in which the two rings come, and which devices have rung
// by then, one call of the same id results between the same devices.
func TestGlareIsDecidedAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := [2]string{"x", "y"}
		if rapid.Bool().Draw(t, "swap") {
			ids = [2]string{"y", "x"}
		}
		from := [2]Device{{"a", rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "a")}, {"b", rapid.SampledFrom([]string{"1", "2", "3", "4"}).Draw(t, "b")}}
		rung := rapid.Bool().Draw(t, "rung")
		var results [2]Snapshot
		for turn := range results {
			e, _ := New(DefaultConfig())
			w := newWitness(t)
			do := func(i int, from Device, verb Verb, targets ...Target) {
				events, err := e.Do(start, Command{ID: string(verb), Call: ids[i], From: from, Verb: verb, Targets: targets})
				if err != nil {
					t.Fatal(err)
				}
				w.see(events)
				w.check(e)
			}
			for k := range 2 {
				i := (turn + k) % 2
				do(i, from[i], Create)
				do(i, from[i], Ring, Target{from[1-i].User, []string{"1", "2", "3"}})
				if k == 0 && rung {
					do(i, Device{from[1-i].User, "3"}, Ringing)
				}
			}
			stays, _ := e.Call("x")
			yields, _ := e.Call("y")
			if stays.State != StateActive || yields.State != StateEnded || yields.Reason != ReasonGlare {
				t.Fatalf("%+v and %+v", stays, yields)
			}
			for i := range from {
				if g := e.Gate("x", from[i]); g != Open {
					t.Fatalf("gate of %s is %s", from[i], g)
				}
			}
			stays.Sequence = 0
			results[turn] = stays
		}
		if !reflect.DeepEqual(results[0], results[1]) {
			t.Fatalf("%+v, the other way round %+v", results[0], results[1])
		}
	})
}
