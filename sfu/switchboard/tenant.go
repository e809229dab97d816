package switchboard

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/eventlog"
	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/direct"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxKnownUsers bounds the users whose devices are remembered after they have
// gone: the default directory.
const maxKnownUsers = 10_000

// tenant is one application's calls, devices and feed. It belongs to the board's
// goroutine.
type tenant struct {
	board     *Board
	name      string
	calls     *call.Exchange
	histories map[string]*history
	devices   map[signal.Device]*session // connected ones
	known     map[string][]string        // devices of users that were ever connected
	paths     map[string]*direct.Path    // of the calls whose devices are willing
	*tenantFeed
	replies []keptReply
	sweepAt time.Time // when to forget histories again
}

// tenantFeed is what a tenant's backends are told. It never changes, and its log
// may be used by any goroutine.
type tenantFeed struct {
	feed *eventlog.Log[signal.EventBody]
	base uint64 // the number before its first event
}

// history is what has happened in one call, and what its devices have used.
type history struct {
	events *eventlog.Log[signal.EventBody]
	rings  map[string]*signal.CallEvent // the present ring of each user
	used   map[call.Device]call.Usage   // by connections that have ended
}

func (h *history) lost(after uint64) bool {
	_, _, _, lost := h.events.After(after, 0)
	return lost
}

// tenant answers one by name, made if need be. Names come from keys that the
// operator has configured, so they are few.
func (b *Board) tenant(name string) *tenant {
	if t := b.tenants[name]; t != nil {
		return t
	}
	// Numbers of an earlier life of this server must not be taken for those of
	// this one.
	base := uint64(b.started.UnixMicro())
	b.journal.write(entry{At: time.Now().UnixNano(), Tenant: name, Base: base})
	return b.tenantFrom(name, base)
}

// tenantFrom makes one whose events are numbered from base on.
func (b *Board) tenantFrom(name string, base uint64) *tenant {
	calls, err := call.New(b.cfg.Calls)
	if err != nil {
		panic("switchboard: " + err.Error()) // Config.Validate has asked the same
	}
	t := &tenant{
		board: b, name: name, calls: calls,
		histories: make(map[string]*history), devices: make(map[signal.Device]*session), known: make(map[string][]string),
		paths:      make(map[string]*direct.Path),
		tenantFeed: &tenantFeed{eventlog.New[signal.EventBody](b.cfg.FeedLength, base), base},
	}
	b.tenants[name] = t
	return t
}

func (t *tenant) history(id string) *history {
	h := t.histories[id]
	if h == nil {
		h = &history{
			events: eventlog.New[signal.EventBody](t.board.cfg.HistoryLength, 0),
			rings:  make(map[string]*signal.CallEvent), used: make(map[call.Device]call.Usage),
		}
		t.histories[id] = h
	}
	return h
}

// sweepEvery is how often histories are dropped, for which all are looked at.
const sweepEvery = 10 * time.Second

// forget drops the histories of calls that are forgotten.
func (t *tenant) forget(now time.Time) {
	if now.Before(t.sweepAt) {
		return
	}
	t.sweepAt = now.Add(sweepEvery)
	for id, h := range t.histories {
		if _, known := t.calls.Call(id); !known {
			h.events.Close()
			delete(t.histories, id)
		}
	}
}

// connected counts the devices of a user that are.
func (t *tenant) connected(user string) (n int) {
	for _, id := range t.known[user] {
		if t.devices[signal.Device{User: user, Device: id}] != nil {
			n++
		}
	}
	return n
}

// noteDevice remembers a device of a user, the latest last.
func (t *tenant) noteDevice(d signal.Device) {
	if len(t.known) >= maxKnownUsers && t.known[d.User] == nil {
		for user := range t.known { // any who is not here
			if t.connected(user) == 0 {
				delete(t.known, user)
				break
			}
		}
	}
	known := slices.DeleteFunc(t.known[d.User], func(id string) bool { return id == d.Device })
	for len(known) >= t.board.cfg.MaxSessionsOfUser {
		i := slices.IndexFunc(known, func(id string) bool { return t.devices[signal.Device{User: d.User, Device: id}] == nil })
		known = slices.Delete(known, max(i, 0), max(i, 0)+1)
	}
	t.known[d.User] = append(known, d.Device)
}

// directory answers the devices of a user to ring when nobody else knows:
// connected ones first, then those that were lately.
func (t *tenant) directory(user string) []string {
	var here, away []string
	for _, id := range slices.Backward(t.known[user]) {
		if t.devices[signal.Device{User: user, Device: id}] != nil {
			here = append(here, id)
		} else {
			away = append(away, id)
		}
	}
	all := append(here, away...)
	return all[:min(len(all), t.board.cfg.Calls.MaxDevices)]
}

// mine says whether a user of a call is in it or rung by it.
func mine(s call.UserState) bool {
	return s == call.UserInvited || s == call.UserAlerting || s == call.UserJoined || s == call.UserHeld
}

// callsOf lists the calls that a user is in or rung by.
func (t *tenant) callsOf(now time.Time, user string) (all []signal.CallState) {
	for _, id := range t.calls.CallsOf(user) {
		s, known := t.calls.Call(id)
		if !known || s.State == call.StateEnded {
			continue
		}
		for _, u := range s.Users {
			if u.User == user && mine(u.State) {
				all = append(all, describe(now, s))
			}
		}
	}
	return all
}

// ringAgain tells a device that has just come of the rings that go on for its
// user, with all that they carry.
func (t *tenant) ringAgain(now time.Time, s *session) {
	for _, id := range t.calls.CallsOf(s.device.User) {
		c, _ := t.calls.Call(id)
		for _, u := range c.Users {
			if u.User != s.device.User || (u.State != call.UserInvited && u.State != call.UserAlerting) {
				continue
			}
			if ring := t.histories[id].rings[u.User]; ring != nil {
				again := *ring
				again.To, again.Wake = nil, nil
				again.LifetimeMS = max(1, u.Expires.Sub(now).Milliseconds())
				s.send(&again)
			}
		}
	}
}

// lost takes a device out of the calls that it is in. why is empty when it has
// said goodbye.
func (t *tenant) lost(now time.Time, d signal.Device, why call.Reason) {
	for _, id := range t.calls.CallsOf(d.User) {
		c, _ := t.calls.Call(id)
		for _, u := range c.Users {
			if u.User == d.User && u.Device == d.Device && (u.State == call.UserJoined || u.State == call.UserHeld) {
				t.leave(now, id, d, why)
			}
		}
	}
}

// leave has a device leave a call on its own account.
func (t *tenant) leave(now time.Time, id string, d signal.Device, why call.Reason) {
	t.report(now, id)
	// It may have left this very moment.
	_ = t.carryOut(now, call.Command{ID: randomID("b_"), Call: id, From: call.Device{User: d.User, ID: d.Device}, Verb: call.Leave, Reason: why})
}

// drain ends all calls because the server goes down.
func (t *tenant) drain(now time.Time) {
	for id := range t.histories {
		if c, known := t.calls.Call(id); known && c.State != call.StateEnded {
			t.report(now, id)
			_ = t.carryOut(now, call.Command{ID: randomID("b_"), Call: id, Verb: call.End, Reason: call.ReasonDraining})
		}
	}
}

// end closes what readers still read to its end.
func (t *tenant) end() {
	t.feed.Close()
	for _, h := range t.histories {
		h.events.Close()
	}
}
