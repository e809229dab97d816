package call

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rig drives an exchange in virtual time.
type rig struct {
	t      testing.TB
	e      *Exchange
	now    time.Time
	serial int
	events []Event
}

func newRig(t testing.TB) *rig {
	e, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, e: e, now: start}
}

func device(s string) Device {
	if s == "" {
		return Device{}
	}
	user, id, _ := strings.Cut(s, "/")
	return Device{user, id}
}

// do answers the refusal's code, or "" for none. Targets are users with
// devices 1, 2 and 3.
func (r *rig) do(from string, verb Verb, targets ...string) Code {
	r.serial++
	m := Command{ID: fmt.Sprint("c", r.serial), Call: "x", From: device(from), Verb: verb}
	for _, u := range targets {
		m.Targets = append(m.Targets, Target{u, []string{"1", "2", "3"}})
	}
	return r.send(m)
}

func (r *rig) send(m Command) Code {
	events, err := r.e.Do(r.now, m)
	r.events = append(r.events, events...)
	if err == nil {
		return ""
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		r.t.Fatalf("%v is no refusal", err)
	}
	return refusal.Code
}

func (r *rig) must(from string, verb Verb, targets ...string) {
	r.t.Helper()
	if code := r.do(from, verb, targets...); code != "" {
		r.t.Fatalf("%s %s: %s", from, verb, code)
	}
}

func (r *rig) wait(d time.Duration) {
	r.now = r.now.Add(d)
	r.events = append(r.events, r.e.Tick(r.now)...)
}

func (r *rig) user(name string) UserState {
	s, _ := r.e.Call("x")
	for _, u := range s.Users {
		if u.User == name {
			return u.State
		}
	}
	return UserAbsent
}

// table reads a table of the package comment: by row, then by column.
func table(t *testing.T, section string) (rows []string, cells map[string]map[string]string) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "// # "+section+"\n")
	if !found {
		t.Fatalf("no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n// # ")
	var columns []string
	cells = map[string]map[string]string{}
	for line := range strings.Lines(rest) {
		fields := strings.Split(strings.TrimPrefix(strings.TrimSpace(line), "//"), "|")
		if len(fields) < 2 {
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		if columns == nil {
			columns = fields
			continue
		}
		if len(fields) != len(columns) {
			t.Fatalf("row %q has %d cells, want %d", fields[0], len(fields), len(columns))
		}
		rows = append(rows, fields[0])
		cells[fields[0]] = map[string]string{}
		for i := 1; i < len(fields); i++ {
			cells[fields[0]][columns[i]] = fields[i]
		}
	}
	return rows, cells
}

func TestEveryEdgeOfACall(t *testing.T) {
	rows, cells := table(t, "A call")
	if len(rows) != 4 {
		t.Fatalf("%d states, want 4", len(rows))
	}
	into := map[string]func(*rig){
		"created": func(r *rig) {},
		"ringing": func(r *rig) { r.must("a/1", Ring, "b") },
		"active":  func(r *rig) { r.must("a/1", Ring, "b"); r.must("b/1", Accept) },
		"ended":   func(r *rig) { r.must("a/1", Leave) },
	}
	edges := 0
	for _, row := range rows {
		for column, want := range cells[row] {
			edges++
			r := newRig(t)
			r.must("a/1", Create)
			into[row](r)
			if s, _ := r.e.Call("x"); string(s.State) != row {
				t.Fatalf("state %s, want %s", s.State, row)
			}
			var code Code
			switch verb := Verb(column); verb {
			case "expiry":
				r.wait(map[string]time.Duration{"created": r.e.config.CreateLifetime, "ringing": r.e.config.RingLifetime,
					"active": r.e.config.MaxDuration, "ended": r.e.config.Linger}[row])
			case Ring:
				code = r.do("a/1", verb, "c")
			case Ringing, Accept, Decline, Busy:
				code = r.do("b/1", verb)
			default:
				code = r.do("a/1", verb)
			}
			s, known := r.e.Call("x")
			got := string(s.State)
			if !known {
				got = "forgotten"
			}
			if code != "" {
				if got != row {
					t.Errorf("%s, %s: refused, and yet now %s", row, column, got)
				}
				got = string(code)
			}
			if got != want {
				t.Errorf("%s, %s: %s, want %s", row, column, got, want)
			}
		}
	}
	if edges != 4*13 {
		t.Errorf("%d edges, want 52", edges)
	}
}

func TestEveryEdgeOfAUser(t *testing.T) {
	rows, cells := table(t, "A user in a call")
	if len(rows) != 10 {
		t.Fatalf("%d states, want 10", len(rows))
	}
	edges := 0
	for _, row := range rows {
		for column, want := range cells[row] {
			edges++
			r := newRig(t)
			r.must("a/1", Create)
			r.must("a/1", Ring, "c")
			r.must("c/1", Accept)
			if UserState(row) != UserAbsent {
				r.must("a/1", Ring, "b")
			}
			switch UserState(row) {
			case UserAlerting:
				r.must("b/1", Ringing)
			case UserJoined:
				r.must("b/1", Accept)
			case UserHeld:
				r.must("b/1", Accept)
				r.must("b/1", Hold)
			case UserDeclined:
				r.must("b/1", Decline)
			case UserBusy:
				r.must("b/1", Busy)
			case UserMissed:
				r.wait(r.e.config.RingLifetime)
			case UserCancelled:
				r.must("a/1", Cancel)
			case UserLeft:
				r.must("b/1", Accept)
				r.must("b/1", Leave)
			}
			if s := r.user("b"); string(s) != row {
				t.Fatalf("state %s, want %s", s, row)
			}
			var code Code
			verb, other := strings.CutPrefix(column, "other ")
			switch {
			case column == "expiry":
				r.wait(r.e.config.RingLifetime)
			case Verb(verb) == Ring || Verb(verb) == Cancel:
				code = r.do("a/1", Verb(verb), "b")
			case other:
				code = r.do("b/2", Verb(verb))
			default:
				code = r.do("b/1", Verb(verb))
			}
			got := string(r.user("b"))
			if code != "" {
				if got != row {
					t.Errorf("%s, %s: refused, and yet now %s", row, column, got)
				}
				if got = string(code); code == CodeJoined {
					got = "joined!"
				}
			}
			if got != want {
				t.Errorf("%s, %s: %s, want %s", row, column, got, want)
			}
		}
	}
	if edges != 10*13 {
		t.Errorf("%d edges, want 130", edges)
	}
}
