package switchboard_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// interleavings is how many random orders are played for each seed.
const interleavings = 200

// TestThreeDevicesInAnyOrder: three users with three devices each do whatever
// comes to their minds, up to three of them at once, while connections break and
// come back, on the whole engine in virtual time. Whatever the order: no user has
// two devices in a call, events are numbered without gaps and told to those whom
// they are for, the media plane lets in whom the call plane says, and every call
// ends and leaves nothing behind.
func TestThreeDevicesInAnyOrder(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := signaltest.NewEngine(t, func(c *switchboard.Config) {
					c.RingRate, c.RingBurst, c.TenantRingRate, c.TenantRingBurst = 1e6, 1e6, 1e6, 1e6
					c.Direct.Policy = switchboard.DirectPrefer
				})
				reached := map[string]int{}
				for i := range interleavings {
					w := &crowd{t: t, e: e, random: rand.New(rand.NewPCG(seed, uint64(i))), call: fmt.Sprintf("c%d", i), reached: reached}
					w.play()
					if t.Failed() {
						t.Logf("seed %d, interleaving %d:\n%s", seed, i, w.text())
						return
					}
				}
				for _, kind := range []string{
					"accepted", "elsewhere", "declined", "busy", "cancelled", "missed", "held", "resumed", "taken", "upgraded", "left", "ended", "joined a room",
					"answered_elsewhere", "call_over", "resumed a connection",
				} {
					if reached[kind] < 3 {
						t.Errorf("%s happened %d times in %d interleavings: the test shows little", kind, reached[kind], interleavings)
					}
				}
				time.Sleep(time.Hour)
				if s := e.Stats(); s.Calls != 0 || s.Sessions != 0 {
					t.Errorf("%+v is left of it all", s)
				}
			})
		})
	}
}

// crowd plays one interleaving.
type crowd struct {
	t       *testing.T
	e       *switchboard.Board
	random  *rand.Rand
	call    string
	devices []*member
	// commands counts them, for their ids.
	commands atomic.Int64
	over     bool // the call has ended
	reached  map[string]int

	mu  sync.Mutex
	log []string
}

// member is one device.
type member struct {
	signal.Device
	session, resume string
	hangUp          func()        // breaks its connection
	gone            chan struct{} // closed when its reader has ended
	last            uint64        // the last event that it has seen
	numbers         []uint64      // of the call's events that it was told
}

func (w *crowd) note(format string, values ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, values...))
}

func (w *crowd) text() (all string) {
	for _, line := range w.log {
		all += line + "\n"
	}
	return all
}

func (w *crowd) do(m *member, body signal.Body) (signal.Reply, error) {
	reply, err := w.e.Do(w.t.Context(), signal.Command{ID: fmt.Sprint(w.commands.Add(1)), Session: m.session, Body: body})
	w.mu.Lock()
	defer w.mu.Unlock()
	code := ""
	if err != nil {
		code = string(signal.AsError(err).Code)
		w.reached[code]++
		if code == string(signal.Internal) {
			w.t.Errorf("%s: %v", body.Type(), err)
		}
	}
	w.log = append(w.log, fmt.Sprintf("%s/%s: %s: %s", m.User, m.Device.Device, body.Type(), code))
	return reply, err
}

func (w *crowd) connect(m *member) {
	reply, err := w.e.Do(w.t.Context(), signal.Command{Body: &signal.Connect{Version: 1, User: m.User, Device: m.Device.Device}})
	if err != nil {
		w.t.Fatalf("connect: %v", err)
	}
	c := reply.(*signal.Connected)
	m.session, m.resume, m.last = c.Session, c.Resume, c.Sequence
	w.listen(m)
}

// listen reads what a device is told until its connection breaks.
func (w *crowd) listen(m *member) {
	ctx, cancel := context.WithCancel(w.t.Context())
	events, err := w.e.Subscribe(ctx, signal.Filter{Session: m.session, After: m.last})
	if err != nil {
		w.t.Fatalf("subscribe: %v", err)
	}
	m.hangUp, m.gone = cancel, make(chan struct{})
	go func(gone chan struct{}) {
		defer close(gone)
		for e := range events {
			if e.Sequence != m.last+1 {
				w.t.Errorf("%s is told event %d after %d", m.User, e.Sequence, m.last)
			}
			m.last = e.Sequence
			if v, ok := e.Body.(*signal.CallEvent); ok && v.Call == w.call {
				if n := len(m.numbers); n > 0 && v.Number <= m.numbers[n-1] && v.Kind != signal.CallRung {
					w.t.Errorf("%s is told number %d after %d", m.User, v.Number, m.numbers[n-1])
				}
				m.numbers = append(m.numbers, v.Number)
			}
		}
	}(m.gone)
}

// breaks takes a device's connection away for a while, and has it come back if
// it is not too late.
func (w *crowd) breaks(m *member, away time.Duration) {
	m.hangUp()
	<-m.gone
	time.Sleep(away)
	_, err := w.e.Do(w.t.Context(), signal.Command{Body: &signal.Resume{Version: 1, Token: m.resume, After: m.last}})
	w.note("%s/%s: away for %v: %v", m.User, m.Device.Device, away, err)
	if err != nil {
		w.connect(m)
		return
	}
	w.mu.Lock()
	w.reached["resumed a connection"]++
	w.mu.Unlock()
	w.listen(m)
}

func (w *crowd) play() {
	for _, user := range []string{"ann", "bob", "eve"} {
		for i := range 3 {
			m := &member{Device: signal.Device{User: user + w.call, Device: fmt.Sprint(i)}}
			w.devices = append(w.devices, m)
			w.connect(m)
		}
	}
	create := &signal.Call{Verb: signal.CallCreate, Call: w.call, Early: true, LifetimeMS: 5000 + w.random.Int64N(20000), Targets: []signal.Target{{User: "bob" + w.call}}}
	if _, err := w.do(w.devices[0], create); err != nil {
		w.t.Fatal(err)
	}
	for range 10 + w.random.IntN(30) {
		var group sync.WaitGroup
		var acts []func()
		for _, i := range w.random.Perm(len(w.devices))[:1+w.random.IntN(3)] {
			acts = append(acts, w.action(w.devices[i]))
		}
		for _, act := range acts {
			group.Go(act)
		}
		group.Wait()
		synctest.Wait()
		w.check()
		if w.t.Failed() {
			return
		}
		if w.over && w.random.IntN(4) == 0 {
			break // it goes on for a while: everything is refused then
		}
	}
	w.finish()
}

// action chooses what a device does next.
func (w *crowd) action(m *member) func() {
	say := func(verb signal.Verb) func() {
		return func() { _, _ = w.do(m, &signal.Call{Verb: verb, Call: w.call}) }
	}
	switch n := w.random.IntN(100); {
	case n < 8:
		return say(signal.CallRinging)
	case n < 22:
		return say(signal.CallAccept)
	case n < 26:
		return say(signal.CallDecline)
	case n < 29:
		return say(signal.CallBusy)
	case n < 31:
		return say(signal.CallCancel)
	case n < 36:
		again := w.random.IntN(2) == 0
		return func() {
			if _, err := w.do(m, &signal.Call{Verb: signal.CallHold, Call: w.call}); err == nil && again {
				say(signal.CallResume)()
			}
		}
	case n < 44:
		return say(signal.CallResume)
	case n < 50:
		return say(signal.CallTake)
	case n < 52:
		return say(signal.CallLeave)
	case n < 53:
		return say(signal.CallEnd)
	case n < 62:
		target := signal.Target{User: []string{"ann", "bob", "eve"}[w.random.IntN(3)] + w.call}
		early := w.random.IntN(2) == 0
		return func() {
			_, _ = w.do(m, &signal.Call{Verb: signal.CallRing, Call: w.call, Targets: []signal.Target{target}, Early: early})
		}
	case n < 80:
		return func() {
			if _, err := w.do(m, &signal.Join{Version: 1, Room: w.call}); err == nil {
				w.mu.Lock()
				w.reached["joined a room"]++
				w.mu.Unlock()
			}
		}
	case n < 83:
		return func() { _, _ = w.do(m, &signal.Leave{Room: w.call}) }
	case n < 88:
		step := []signal.DirectVerb{signal.DirectReady, signal.DirectProven, signal.DirectFailed, signal.DirectBack, signal.DirectReturned}[w.random.IntN(5)]
		return func() { _, _ = w.do(m, &signal.Direct{Call: w.call, Step: step, Epoch: 1}) }
	case n < 93:
		away := time.Duration(w.random.IntN(4000)) * time.Millisecond
		if w.random.IntN(8) == 0 {
			away = 40 * time.Second // beyond the dead-man's switch
		}
		return func() { w.breaks(m, away) }
	}
	pause := time.Duration(w.random.IntN(2000)) * time.Millisecond
	return func() { time.Sleep(pause) }
}

func (w *crowd) ask(body signal.Body) (signal.Reply, error) {
	return w.e.Do(w.t.Context(), signal.Command{Backend: &signal.Backend{}, Body: body})
}

// check compares the call with its history, and the room with the call.
func (w *crowd) check() {
	w.t.Helper()
	reply, err := w.ask(&signal.CallQuery{Call: w.call})
	if err != nil {
		if !w.over || signal.AsError(err).Code != signal.CallUnknown {
			w.t.Fatalf("the state of the call: %v", err)
		}
		return // it has ended a while ago
	}
	state := reply.(*signal.CallState)
	w.over = state.State == "ended"
	reply, err = w.ask(&signal.CallHistory{Call: w.call})
	if err != nil {
		w.t.Fatalf("the history of the call: %v", err)
	}
	events := reply.(*signal.CallEvents).Events
	in := map[string]string{}
	for i, e := range events {
		v := e.Body.(*signal.CallEvent)
		if e.Sequence != uint64(i+1) || v.Number != e.Sequence {
			w.t.Errorf("event %d of the history has the number %d", i+1, v.Number)
		}
		if i > 0 && events[i-1].Body.(*signal.CallEvent).Kind == signal.CallEnded {
			w.t.Errorf("%s follows the end", v.Kind)
		}
		switch v.Kind {
		case signal.CallCreated:
			in[v.User] = v.From.Device
		case signal.CallAccepted:
			if in[v.User] != "" {
				w.t.Errorf("%s answers on %s and is in the call on %s", v.User, v.From.Device, in[v.User])
			}
			in[v.User] = v.From.Device
		case signal.CallTaken:
			if in[v.User] == "" {
				w.t.Errorf("%s takes over what it is not in", v.User)
			}
			in[v.User] = v.From.Device
		case signal.CallLeft:
			delete(in, v.User)
		case signal.CallEnded:
			in = map[string]string{}
		}
	}
	stands := map[string]string{}
	for _, u := range state.Users {
		joined := u.State == "joined" || u.State == "held"
		if joined != (in[u.User] != "") || joined && u.Device != in[u.User] {
			w.t.Errorf("%s is %s on %q; by the events it is in on %q", u.User, u.State, u.Device, in[u.User])
		}
		stands[u.User] = u.State
	}
	// In the room are those alone whom the call lets build media: of who has
	// answered one device, of who is rung any.
	reply, err = w.ask(&signal.RoomQuery{Room: w.call})
	if err != nil {
		return // nobody is
	}
	devices := map[string]int{}
	for _, p := range reply.(*signal.RoomState).Participants {
		devices[p.Identity]++
	}
	for user, n := range devices {
		switch stands[user] {
		case "joined", "held":
			if n > 1 {
				w.t.Errorf("%s has answered and has %d devices in the room", user, n)
			}
		case "invited", "alerting":
		default:
			w.t.Errorf("%s is %q in a call that is %s, and in its room", user, stands[user], state.State)
		}
		if state.State == "ended" {
			w.t.Errorf("the call has ended, and %s is in its room", user)
		}
	}
}

// finish lets time or somebody end the call, and looks at what is left.
func (w *crowd) finish() {
	if w.random.IntN(2) == 0 {
		for _, m := range w.devices { // all vanish without a word
			m.hangUp()
			<-m.gone
		}
		time.Sleep(31 * time.Second)
	} else {
		_, _ = w.ask(&signal.Call{Verb: signal.CallEnd, Call: w.call})
		synctest.Wait()
		for _, m := range w.devices {
			_, _ = w.do(m, &signal.Leave{All: true})
			<-m.gone
			m.hangUp()
		}
	}
	synctest.Wait()
	w.check()
	reply, err := w.ask(&signal.CallHistory{Call: w.call})
	if err != nil {
		return // forgotten; check has seen that it had ended
	}
	events := reply.(*signal.CallEvents).Events
	last := events[len(events)-1].Body.(*signal.CallEvent)
	if last.Kind != signal.CallEnded {
		w.t.Errorf("the call ends with %s", last.Kind)
	}
	for _, e := range events {
		w.reached[string(e.Body.(*signal.CallEvent).Kind)]++
	}
	// Nobody was told what was not for it.
	for _, m := range w.devices {
		for _, n := range m.numbers {
			v := events[n-1].Body.(*signal.CallEvent)
			if v.Kind != signal.CallRung && !slices.Contains(v.To, m.Device) {
				w.t.Errorf("%+v was told of %s, number %d, which is for %+v", m.Device, v.Kind, n, v.To)
			}
		}
	}
}
