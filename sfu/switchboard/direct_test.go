package switchboard_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// phone is a connected device that notes what it is told of direct paths.
type phone struct {
	n       *node
	t       *testing.T
	session string
	events  <-chan signal.Event
}

func (n *node) phone(user, device string) *phone {
	n.t.Helper()
	reply, err := n.Do(n.t.Context(), signal.Command{Host: "here", Body: &signal.Connect{Version: 1, User: user, Device: device}})
	if err != nil {
		n.t.Fatal(err)
	}
	p := &phone{n: n, t: n.t, session: reply.(*signal.Connected).Session}
	if p.events, err = n.Subscribe(n.t.Context(), signal.Filter{Session: p.session}); err != nil {
		n.t.Fatal(err)
	}
	return p
}

// direct says a step; "" is done, otherwise the refusal's code.
func (p *phone) direct(step signal.DirectVerb, epoch uint32, payload string) signal.Code {
	p.t.Helper()
	_, err := p.n.Do(p.t.Context(), signal.Command{Session: p.session, Body: &signal.Direct{Call: "c", Step: step, Epoch: epoch, Payload: []byte(payload)}})
	if err == nil {
		return ""
	}
	return signal.AsError(err).Code
}

// told answers the steps that have come.
func (p *phone) told() (all []string) {
	synctest.Wait()
	for {
		select {
		case e := <-p.events:
			if d, ok := e.Body.(*signal.DirectStep); ok {
				text := fmt.Sprintf("%s/%d", d.Step, d.Epoch)
				if d.From != nil {
					text += " " + d.From.User + ":" + string(d.Payload)
				}
				if d.Reason != "" {
					text += " " + string(d.Reason)
				}
				for _, s := range d.ICEServers {
					text += " " + s.URLs[0]
				}
				if d.Relay {
					text += " relay"
				}
				all = append(all, text)
			}
			synctest.Wait()
		default:
			return all
		}
	}
}

func startDirect(t *testing.T, policy switchboard.DirectPolicy) *node {
	n := &node{t: t}
	n.Board = signaltest.NewEngine(t, func(c *switchboard.Config) {
		c.Direct.Policy = policy
		c.Direct.ICEServers = func(_ time.Time, _, call string, d signal.Device, host string) []signal.ICEServer {
			return []signal.ICEServer{{URLs: []string{"stun:" + host + "/" + call + "/" + d.User}}}
		}
	})
	return n
}

func expect(t *testing.T, who string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s is told %q, want %q", who, got, want)
	}
}

// TestDirectPath: devices of a call of two find each other, a third user brings
// them back, and nobody else hears of it or may meddle.
func TestDirectPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startDirect(t, switchboard.DirectRelay)
		ann, bob, tablet, eve := n.phone("ann", "phone"), n.phone("bob", "1"), n.phone("bob", "2"), n.phone("eve", "1")
		n.ring("c", "ann")
		if got := ann.direct(signal.DirectReady, 0, ""); got != signal.NotInvited {
			t.Errorf("ready before the answer: %q", got)
		}
		n.do(says(signal.CallAccept, "c", "bob", "1"))
		for p, want := range map[*phone]signal.Code{ann: "", bob: "", tablet: signal.NotInvited, eve: signal.NotInvited} {
			if got := p.direct(signal.DirectReady, 0, ""); got != want {
				t.Errorf("ready: %q, want %q", got, want)
			}
		}
		expect(t, "ann", ann.told(), "start/1 stun:here/c/ann relay")
		expect(t, "bob", bob.told(), "start/1 stun:here/c/bob relay")
		for _, refused := range []signal.Code{
			eve.direct(signal.DirectOffer, 1, "evil"), tablet.direct(signal.DirectAnswer, 1, "evil"),
		} {
			if refused != signal.NotInvited {
				t.Errorf("a stranger's step: %q", refused)
			}
		}
		if got := ann.direct(signal.DirectOffer, 1, string(make([]byte, signal.MaxDirectPayload+1))); got != signal.TooLarge {
			t.Errorf("a large offer: %q", got)
		}
		ann.direct(signal.DirectOffer, 1, "\x00offer")
		bob.direct(signal.DirectAnswer, 1, "answer")
		bob.direct(signal.DirectCandidate, 1, "candidates")
		ann.direct(signal.DirectProven, 1, "")
		bob.direct(signal.DirectProven, 1, "")
		expect(t, "ann", ann.told(), "answer/1 bob:answer", "candidate/1 bob:candidates", "direct/1")
		expect(t, "bob", bob.told(), "offer/1 ann:\x00offer", "direct/1")
		if got := ann.direct(signal.DirectOffer, 1, "again"); got != signal.WrongState {
			t.Errorf("a second offer: %q", got)
		}

		third := says(signal.CallRing, "c", "ann", "phone")
		third.Targets = []signal.Target{{User: "eve", Devices: []string{"1"}}}
		n.do(third)
		expect(t, "ann", ann.told()) // ringing alone moves nothing
		n.do(says(signal.CallAccept, "c", "eve", "1"))
		expect(t, "ann", ann.told(), "return/1 members")
		ann.direct(signal.DirectBack, 1, "")
		bob.direct(signal.DirectBack, 1, "")
		bob.direct(signal.DirectReturned, 1, "")
		time.Sleep(11 * time.Second) // ann never says returned
		expect(t, "ann", ann.told(), "back/1 bob:", "sfu/1")
		expect(t, "bob", bob.told(), "return/1 members", "back/1 ann:", "sfu/1")

		n.do(says(signal.CallLeave, "c", "eve", "1"))
		time.Sleep(time.Minute)
		if got := ann.told(); len(got) < 1 || got[0] != "start/2 stun:here/c/ann relay" {
			t.Errorf("with eve gone ann is told %q", got)
		}
		n.do(says(signal.CallEnd, "c", "ann", "phone"))
		if got := bob.direct(signal.DirectFailed, 2, ""); got != signal.NotInvited {
			t.Errorf("a step after the end: %q", got)
		}
		expect(t, "eve", eve.told())
		expect(t, "bob's tablet", tablet.told())
	})
}

// TestDirectPathIsOffByDefault: no device can make another send to it.
func TestDirectPathIsOffByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startDirect(t, "")
		ann := n.phone("ann", "phone")
		n.ring("c", "ann")
		n.do(says(signal.CallAccept, "c", "bob", "1"))
		if got := ann.direct(signal.DirectReady, 0, ""); got != signal.DirectOff {
			t.Errorf("ready: %q, want direct_off", got)
		}
	})
}
