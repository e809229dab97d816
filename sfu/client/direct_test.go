package client_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/direct"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/turn"
)

// ear notes how long nothing is heard of each source.
type ear struct {
	mu      sync.Mutex
	last    map[uint32]time.Time
	longest map[uint32]time.Duration
	// Packets of pictures since they came another way (with another SSRC), those of
	// key frames, and the slots in which any have come.
	ssrc           uint32
	pictures, keys int
	slots          map[int]bool
}

func (e *ear) hear(slot int, source uint32, p *packet.Packet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !p.Kind.Audio() {
		if p.SSRC != e.ssrc {
			e.ssrc, e.pictures, e.keys = p.SSRC, 0, 0
		}
		e.pictures++
		if p.Info.Keyframe {
			e.keys++
		}
		e.slots[slot] = true
		return
	}
	if last, known := e.last[source]; known {
		e.longest[source] = max(e.longest[source], p.Arrival.Sub(last))
	}
	e.last[source] = p.Arrival
}

// gap answers the longest time without any sound of the source that was heard
// last, until now, and begins anew.
func (e *ear) gap() (longest time.Duration, sources int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for source, last := range e.last {
		longest = max(longest, e.longest[source], time.Since(last))
	}
	sources = len(e.last)
	clear(e.longest)
	return longest, sources
}

// pair is a call of two devices that want a direct path.
type pair struct {
	*world
	ann, bob       *user
	annEar, bobEar *ear
	// Datagrams from ann to bob and to the server.
	mu             sync.Mutex
	direct, server int
	cut            bool // nothing passes between the two
}

// directWorld starts a server that lets devices send to each other, and a call of
// two who talk.
func directWorld(t *testing.T, policy switchboard.DirectPolicy) *pair {
	t.Helper()
	calls := switchboard.DefaultConfig()
	calls.Direct.Policy, calls.Direct.Path = policy, direct.DefaultConfig()
	calls.Direct.Path.Retry = time.Second
	p := &pair{world: newWorldWith(t, nil, &calls)}
	p.call(t, false)
	return p
}

// call has ann call bob; both talk. Ann may keep her address to herself.
func (p *pair) call(t *testing.T, hidden bool) {
	t.Helper()
	p.act(&signal.Call{Verb: signal.CallCreate, Call: "c", From: &signal.Device{User: "ann", Device: "phone"}, Early: true,
		Targets: []signal.Target{{User: "bob", Devices: []string{"phone"}}}})
	p.ann, p.annEar = p.device("ann", hidden)
	p.bob, p.bobEar = p.device("bob", false)
	for _, u := range []*user{p.ann, p.bob} {
		u.waitConnected(t)
		u.talk(t)
	}
	p.network.SetFilter(p.see)
	time.Sleep(time.Second) // it rings
	p.act(says(signal.CallAccept, "c", "bob", "phone"))
}

// device joins the call from one that wants a direct path.
func (p *pair) device(name string, hidden bool) (*user, *ear) {
	e := &ear{last: make(map[uint32]time.Time), longest: make(map[uint32]time.Duration), slots: make(map[int]bool)}
	return p.join(client.Options{
		Room: "c", Connect: &signal.Connect{User: name, Device: "phone"}, Publish: publications(signal.Microphone, signal.Camera),
		Direct: true, DirectRelayOnly: hidden, OnPacket: e.hear,
	}), e
}

func (p *pair) see(d memnet.Packet) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Stream {
		return true
	}
	a, b := d.From.Addr(), d.To.Addr()
	between := a == p.ann.addr && b == p.bob.addr || a == p.bob.addr && b == p.ann.addr
	switch {
	case between && p.cut:
		return false
	case between:
		p.direct++
	case a == p.ann.addr && b == serverAddr && d.Size > 100:
		p.server++
	}
	return true
}

// sent answers how many datagrams went either way since it was asked last.
func (p *pair) sent() (directly, byServer int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	directly, byServer = p.direct, p.server
	p.direct, p.server = 0, 0
	return directly, byServer
}

// until waits until both play what is said.
func (p *pair) until(playing bool, limit time.Duration) {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		a, _ := p.ann.Direct()
		b, _ := p.bob.Direct()
		if a == playing && b == playing {
			p.t.Logf("direct is %v after %v", playing, time.Since(began))
			return
		}
		if time.Since(began) > limit {
			p.t.Fatalf("ann plays the direct path: %v, bob: %v, after %v", a, b, limit)
		}
	}
}

// unheard judges how long ann and bob heard nothing of anybody.
func (p *pair) unheard(what string, most time.Duration) {
	p.t.Helper()
	time.Sleep(500 * time.Millisecond) // what comes right after belongs to it
	for name, e := range map[string]*ear{"ann": p.annEar, "bob": p.bobEar} {
		gap, sources := e.gap()
		p.t.Logf("%s: %s heard nothing for %v at the longest", what, name, gap)
		if gap > most || sources == 0 {
			p.t.Errorf("%s: %s heard nothing for %v of one of %d voices, at most %v", what, name, gap, sources, most)
		}
	}
}

// TestDirectPathIsNotHeard: two Go clients move to a direct path, back for a third,
// there again, and back when the path breaks.
func TestDirectPathIsNotHeard(t *testing.T) {
	const bound = 300 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		p := directWorld(t, switchboard.DirectPrefer)
		defer p.close()
		defer p.leave(p.ann)
		defer p.leave(p.bob)
		time.Sleep(300 * time.Millisecond)
		p.annEar.gap()
		p.bobEar.gap()
		p.until(true, 10*time.Second)
		p.unheard("to the direct path", bound)
		p.sent()
		time.Sleep(2 * time.Second)
		if directly, byServer := p.sent(); directly < 40 || byServer > 5 {
			t.Errorf("%d datagrams go directly and %d by the server: twice, or not at all", directly, byServer)
		}

		p.act(&signal.Call{Verb: signal.CallRing, Call: "c", From: &signal.Device{User: "ann", Device: "phone"}, Early: true,
			Targets: []signal.Target{{User: "eve", Devices: []string{"phone"}}}})
		eve := p.dial("c", "eve", "phone")
		eve.waitConnected(t)
		eve.talk(t)
		p.annEar.gap()
		p.bobEar.gap()
		p.act(says(signal.CallAccept, "c", "eve", "phone"))
		p.until(false, 10*time.Second)
		p.unheard("back for a third", bound)
		time.Sleep(time.Second)
		if eve.heard(0) == 0 || eve.heard(1) == 0 {
			t.Errorf("the third hears %d and %d packets", eve.heard(0), eve.heard(1))
		}
		p.sent()
		time.Sleep(time.Second)
		if directly, byServer := p.sent(); directly > 0 || byServer < 5 {
			t.Errorf("%d datagrams go directly and %d by the server with a third in the call", directly, byServer)
		}

		p.leave(eve)
		p.act(says(signal.CallLeave, "c", "eve", "phone"))
		p.annEar.forget()
		p.bobEar.forget()
		p.until(true, 15*time.Second)
		p.unheard("to the direct path again", bound)

		p.mu.Lock()
		p.cut = true
		p.mu.Unlock()
		p.until(false, 10*time.Second)
		p.unheard("over a path that breaks without a word", 3*time.Second)
	})
}

// forget forgets who has spoken.
func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.last)
	clear(e.longest)
}

// TestDirectPathHasPictures: a picture goes directly with its key frame, in the
// slot that it has by the server, and comes back.
func TestDirectPathHasPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := directWorld(t, switchboard.DirectPrefer)
		defer p.close()
		defer p.leave(p.ann)
		defer p.leave(p.bob)
		p.ann.show(t, media.VP8Config{Width: 320, Height: 180, Rate: 150 * units.Kbps})
		seen := func(what string) {
			t.Helper()
			time.Sleep(3 * time.Second)
			p.bobEar.mu.Lock()
			defer p.bobEar.mu.Unlock()
			if e := p.bobEar; e.pictures < 20 || e.keys == 0 || len(e.slots) != 1 {
				t.Errorf("%s: bob receives %d packets of pictures, %d of key frames, in the slots %v", what, e.pictures, e.keys, e.slots)
			}
		}
		p.until(true, 10*time.Second)
		seen("directly")
		p.sent()
		time.Sleep(time.Second)
		if directly, byServer := p.sent(); directly < 30 || byServer > 5 {
			t.Errorf("%d datagrams go directly and %d by the server", directly, byServer)
		}
		p.mu.Lock()
		p.cut = true
		p.mu.Unlock()
		p.until(false, 10*time.Second)
		seen("by the server again")
	})
}

// TestDirectPathIsNotForced: without a policy of the server's, or where one device
// does not want it, media stays on the server.
func TestDirectPathIsNotForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := directWorld(t, switchboard.DirectNever)
		defer p.close()
		defer p.leave(p.ann)
		defer p.leave(p.bob)
		time.Sleep(5 * time.Second)
		if directly, byServer := p.sent(); directly > 0 || byServer < 20 {
			t.Errorf("%d datagrams go directly and %d by the server", directly, byServer)
		}
	})
}

// TestDirectPathHidesAnAddress: who wants to be reached by the server's relay alone
// gets a direct path all the same, and the other never learns where to send to.
func TestDirectPathHidesAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := switchboard.DefaultConfig()
		calls.Direct.Policy, calls.Direct.Path = switchboard.DirectPrefer, direct.DefaultConfig()
		var relay *turn.Server
		p := &pair{}
		p.world = newWorldWith(t, func(cfg *sfu.Config) {
			relay = relayTo(t, cfg.Net.(*memnet.Host), cfg, turn.Peers{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
			servers := cfg.ICEServers
			calls.Direct.ICEServers = func(now time.Time, _, _ string, d signal.Device, host string) []signal.ICEServer {
				return servers(now, d.User, host)
			}
		}, &calls)
		p.beside = append(p.beside, relay)
		defer p.close()
		p.call(t, true)
		defer p.leave(p.ann)
		defer p.leave(p.bob)
		p.until(true, 15*time.Second)
		time.Sleep(500 * time.Millisecond)
		p.annEar.gap()
		p.bobEar.gap()
		before := relay.Stats()
		time.Sleep(2 * time.Second)
		if now := relay.Stats(); now.ToPeers.Packets < before.ToPeers.Packets+40 {
			t.Errorf("nothing is relayed: %+v", now)
		}
		p.unheard("through the relay", 300*time.Millisecond)
		if directly, _ := p.sent(); directly > 0 {
			t.Errorf("%d datagrams went from one device to the other", directly)
		}
	})
}
