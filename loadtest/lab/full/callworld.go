package full

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// roomName is the one room of a call.
const roomName = "call"

// RunCall runs a whole call in a bubble of its own and answers what happened.
// It must not be called in a parallel test.
//
//	microphone, camera ─> client ─> memnet ─> the person's up link ─> server
//	ear, screen <──────── client <─ memnet <─ the person's down link <──┘
//
// Unlike in [Run] the links are in use from the beginning: joining is part of
// what is measured.
func RunCall(t *testing.T, p CallPlan, adapter Adapter) (rec lab.CallRecording, err error) {
	t.Helper()
	return runCall(t, p, adapter, nil)
}

// runCall is RunCall that tells trace, unless it is nil, of each packet that is
// sent.
func runCall(t *testing.T, p CallPlan, adapter Adapter, trace func(at time.Duration, p memnet.Packet)) (rec lab.CallRecording, err error) {
	t.Helper()
	if testing.Testing() {
		cryptotest.SetGlobalRandom(t, p.Seed)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &callWorld{
			plan: p, trace: trace, network: memnet.New(memnet.Config{}), quit: make(chan struct{}),
			up: map[netip.Addr]*crossing{}, down: map[netip.Addr]*crossing{}, gone: map[netip.Addr]bool{},
		}
		err = w.run(t.Context(), adapter)
		err = errors.Join(err, w.close())
		for _, p := range w.people {
			rec.People = append(rec.People, p.record())
		}
	})
	return rec, err
}

// callWorld is everything in a bubble of a call.
type callWorld struct {
	plan    CallPlan
	trace   func(at time.Duration, p memnet.Packet)
	network *memnet.Network
	server  *server
	begin   time.Time
	people  []*person
	repair  downlink.RepairMode
	quit    chan struct{}
	busy    sync.WaitGroup

	mu       sync.Mutex // a leaf, taken below the network's
	up, down map[netip.Addr]*crossing
	gone     map[netip.Addr]bool
}

func (w *callWorld) run(ctx context.Context, adapter Adapter) error {
	var err error
	if w.repair, err = repairMode(w.plan.Call.Repair); err != nil {
		return err
	}
	if w.server, err = newServer(w.network, adapter, func(c *sfu.Config) {
		c.PlainVoice, c.Repair = w.plan.Call.PlainVoice, w.repair
	}); err != nil {
		return err
	}
	w.network.SetFilter(w.pass)
	w.begin = time.Now()
	for i, spec := range w.plan.Call.People {
		p, err := newPerson(w, i, spec)
		w.people = append(w.people, p)
		if err != nil {
			return err
		}
	}
	for _, p := range w.people {
		w.busy.Go(func() { p.live(ctx) })
	}
	w.watch()
	now := time.Now()
	for _, p := range w.people {
		p.stopLinks(now)
	}
	return nil
}

// pass tells each packet's link what comes; an address that is given up has
// none.
func (w *callWorld) pass(p memnet.Packet) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trace != nil {
		w.trace(w.since(time.Now()), p)
	}
	if w.gone[p.From.Addr()] || w.gone[p.To.Addr()] {
		return false
	}
	if c := w.up[p.From.Addr()]; c != nil {
		c.next(p.Stream)
	}
	if c := w.down[p.To.Addr()]; c != nil {
		c.next(p.Stream)
	}
	return true
}

// giveUp takes an address off the network.
func (w *callWorld) giveUp(a netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[a] = true
}

// since is the time since the beginning.
func (w *callWorld) since(t time.Time) time.Duration { return t.Sub(w.begin) }

// wait waits until a time of the plan; false when the call is over before.
func (w *callWorld) wait(at time.Duration) bool {
	select {
	case <-time.After(time.Until(w.begin.Add(at))):
		return true
	case <-w.quit:
		return false
	}
}

// watch notes what the server and the clients decide until the call is over.
func (w *callWorld) watch() {
	for at := time.Duration(0); at < w.plan.Duration; at += lab.StateStep {
		time.Sleep(time.Until(w.begin.Add(at + 1)))
		rooms := w.server.engine.Rooms()
		for _, p := range w.people {
			p.note(at, rooms)
		}
	}
	time.Sleep(time.Until(w.begin.Add(w.plan.Duration)))
}

// close ends everything that the bubble would wait for.
func (w *callWorld) close() error {
	close(w.quit)
	w.busy.Wait()
	var errs []error
	for _, p := range w.people {
		errs = append(errs, p.close())
	}
	if w.server != nil {
		errs = append(errs, w.server.close())
	}
	return errors.Join(append(errs, w.network.Close())...)
}

// stateOf answers what the server decided for a participant.
func stateOf(rooms []sfu.RoomSnapshot, id string, capacity units.Rate) (state lab.StateRecord, ok bool) {
	for _, r := range rooms {
		for _, p := range r.Participants {
			if p.ID != id || p.Path == nil {
				continue
			}
			state.Down = p.Path.Decision.Target
			state.Mode = modeOf(p.Path)
			for _, s := range p.Path.Slots {
				state.Granted += s.Grant.Rate
			}
			state.Oracle = oracle(p.Path, capacity)
			for _, s := range p.Slots {
				switch {
				case !s.Video:
				case s.Spatial < 0:
					state.Layers += "-"
				default:
					state.Layers += fmt.Sprint(s.Spatial)
				}
			}
			return state, true
		}
	}
	return state, false
}

// oracle is what all slots would be granted by who knows the capacity, and so
// needs no room for doubt: the allocator takes what is new only where a fifth of
// the budget would still be left.
func oracle(path *downlink.Stats, capacity units.Rate) (total units.Rate) {
	if capacity == 0 || len(path.Demands) == 0 {
		return 0
	}
	for _, budget := range []units.Rate{capacity.Scale(1.25), capacity} {
		total = 0
		for _, g := range allocator.Allocate(budget, path.Demands, nil, nil) {
			total += g.Rate
		}
		if total <= capacity {
			break
		}
	}
	return total
}

// modeOf is how voice is sent in the slots that have any.
func modeOf(path *downlink.Stats) string {
	mode := ""
	for _, s := range path.Slots {
		if s.Kind != downlink.Audio || s.Source == 0 {
			continue
		}
		if m := s.Voice.Mode.String(); !strings.Contains(mode, m) {
			mode = strings.TrimSpace(mode + " " + m)
		}
	}
	return mode
}

// repairMode is the mode of a plan.
func repairMode(name string) (downlink.RepairMode, error) {
	if name == "" {
		return downlink.RepairAhead, nil
	}
	mode, err := downlink.ParseRepair(name)
	if err != nil {
		return mode, fmt.Errorf("full: %w", err)
	}
	return mode, nil
}
