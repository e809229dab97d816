package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// phone is a call page that rings and is rung.
type phone struct{ *page }

// reads waits until the page says something.
func (p phone) reads(want string) {
	p.t.Helper()
	var said string
	for until := time.Now().Add(15 * time.Second); !strings.Contains(said, want); time.Sleep(20 * time.Millisecond) { // of the browser's time
		if time.Now().After(until) {
			p.t.Fatalf("%s reads %q, want %q", p.name, said, want)
		}
		said, _ = evaluate[string](p.page, `document.querySelector("h1")?.textContent ?? ""`)
	}
}

// presses clicks a button as soon as it is there.
func (p phone) presses(id string) {
	p.t.Helper()
	for until := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		done, _ := evaluate[bool](p.page, fmt.Sprintf(`(() => { const b = document.getElementById(%q); b?.click(); return !!b })()`, id))
		if done {
			return
		}
		if time.Now().After(until) {
			p.t.Fatalf("%s has no button %s", p.name, id)
		}
	}
}

func (p phone) calls(user string) {
	p.t.Helper()
	p.run(`(() => { whom.value = %q; whom.form.requestSubmit(); return 0 })()`, user)
}

// hears waits until the page is in a call with somebody whose sound it gets.
func (p phone) hears() {
	p.t.Helper()
	var heard bool
	for until := time.Now().Add(joinLimit); !heard; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			p.t.Fatalf("%s hears nobody", p.name)
		}
		heard, _ = evaluate[bool](p.page, `rivulet.view === "call" && rivulet.call.statistics.audio.energy > 0`)
	}
}

// TestCallPageRings: the ringing screens of the call page, each way in which a
// ring can go.
func TestCallPageRings(t *testing.T) {
	s := startNode(t, func(cfg *node.Config) {
		calls := switchboard.DefaultConfig()
		calls.Calls.RingLifetime = 6 * time.Second
		cfg.Calls = &calls
	})
	open := func(user, device string) phone {
		p := phone{openTab(t, user+"'s "+device)}
		p.open(fmt.Sprintf("http://127.0.0.1:%d/?user=%s&device=%s&video=0", s.ports.HTTP, user, device))
		p.reads("You are " + user)
		return p
	}
	ann, bob, tablet, eve := open("ann", "laptop"), open("bob", "laptop"), open("bob", "tablet"), open("eve", "laptop")

	ann.calls("bob")
	bob.reads("ann is calling")
	tablet.reads("ann is calling")
	ann.reads("Ringing bob on 2 devices")
	bob.presses("accept")
	tablet.reads("Answered on another device")
	ann.hears()
	bob.hears()
	ann.reads("bob") // the call's title
	eve.calls("ann")
	eve.reads("ann is busy")
	bob.run(`rivulet.phone.line.interrupt()`) // the line breaks: the call goes on
	bob.reload()                              // and so it does when the page is loaded anew
	bob.hears()
	bob.reads("ann")
	ann.run(`document.querySelector(".controls .leave, [data-control=leave], button[aria-label='Leave']").click()`)
	ann.reads("The call has ended")
	bob.reads("The call has ended")
	if live, err := evaluate[bool](ann.page, `rivulet.call.tracks.get("microphone")?.track.readyState === "live"`); err != nil || live {
		t.Errorf("ann's microphone is open after the call (%v)", err)
	}

	ann.calls("bob")
	tablet.presses("decline")
	ann.reads("bob declined")
	bob.reads("Declined on another device")

	ann.calls("eve")
	eve.reads("ann is calling")
	ann.presses("cancel")
	eve.reads("Missed call from ann")
	ann.reads("The call has ended")

	ann.calls("eve")
	eve.reads("ann is calling")
	eve.reads("Missed call from ann") // nobody answers
	ann.reads("eve does not answer")
}

// shows waits until the page says how media go.
func (p phone) shows(way string) {
	p.t.Helper()
	until(p.t, p.name+" shows "+way, 15*time.Second, func() bool {
		said, err := evaluate[string](p.page, `document.getElementById("way")?.textContent ?? ""`)
		return err == nil && said == way
	})
}

// TestCallPageGoesDirect: a call of two goes from device to device, and by the
// server once a third is in; the page says so, and counts what goes directly.
func TestCallPageGoesDirect(t *testing.T) {
	s := startNode(t, withDirect(switchboard.DirectPrefer, ""))
	open := func(user string) phone {
		p := phone{openTab(t, user)}
		p.open(fmt.Sprintf("http://127.0.0.1:%d/?user=%s&device=laptop&video=0", s.ports.HTTP, user))
		p.reads("You are " + user)
		return p
	}
	ann, bob, eve := open("ann"), open("bob"), open("eve")
	ann.calls("bob")
	bob.presses("accept")
	for _, p := range []phone{ann, bob} {
		p.shows("direct")
	}
	used := func() float64 {
		bytes, _ := evaluate[float64](ann.page, `rivulet.call.statistics.bytesReceived`)
		return bytes
	}
	before := used()
	until(t, "what comes directly is counted", 10*time.Second, func() bool { return used() > before+5000 }) // 20 s by the server's silence alone
	ann.run(`(() => {
		window.read = [];
		new MutationObserver((all) => read.push(...all.flatMap((one) => [...one.addedNodes].map((node) => node.textContent))))
			.observe(document.getElementById("live"), { childList: true });
		return 0;
	})()`)
	ann.run(`rivulet.phone.line.ring(rivulet.call.room, [{ user: "eve" }])`)
	eve.presses("accept")
	for _, p := range []phone{ann, bob, eve} {
		p.shows("via server")
	}
	if said, err := evaluate[[]string](ann.page, `read`); err != nil || !slices.Contains(said, "Sound and pictures go by the server") {
		t.Errorf("ann's page reads out %q (%v) of the move", said, err)
	}
	eve.hears()
}
