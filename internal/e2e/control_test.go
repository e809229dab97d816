package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client/web"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// controlScript joins a room with the SDK, speaks, and keeps what happens.
const controlScript = `(async (token, url) => {
  const { connect } = await import("/rivulet.js");
  const context = new AudioContext(), tone = context.createOscillator(), out = context.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  const call = window.call = await connect({ room: "tea", token, url, publish: { microphone: out.stream.getAudioTracks()[0] } });
  const seen = window.seen = [];
  const other = () => [...call.participants.values()][0];
  window.other = other;
  // What a refusal says, or "done".
  window.refused = (promise) => promise.then(() => "done", (error) => error.code + ": " + error.message);
  call.on("message", ({ detail: { participant, from, topic, data } }) => seen.push(["message", participant?.identity ?? from, topic, [...data]].join(" ")));
  call.on("participantupdated", ({ detail: { participant, permissions } }) =>
    seen.push(["updated", participant.identity, JSON.stringify(participant.attributes), permissions ? JSON.stringify(permissions) : ""].join(" ").trim()));
  call.on("roomlocked", ({ detail }) => seen.push("locked " + detail.locked));
  call.on("moderated", ({ detail }) => seen.push("moderated " + detail.source + " " + detail.muted));
  call.on("localchanged", ({ detail: { source, track } }) => seen.push("own " + source + (track ? (track.muted ? " muted" : " open") : " ended")));
  call.on("trackchanged", ({ detail: { participant, track } }) => seen.push("track of " + participant.identity + (track.muted ? " muted" : " open")));
  call.on("closed", ({ detail }) => seen.push("closed " + detail.code));
  call.on("participantleft", ({ detail }) => seen.push("left " + detail.participant.identity + " " + detail.reason));
})(%q, %q)`

// saw waits until a page has seen something, once, and forgets it.
func (p *page) saw(what string) {
	p.t.Helper()
	until(p.t, p.name+" sees: "+what, 5*time.Second, func() bool {
		found, err := evaluate[bool](p, fmt.Sprintf(`(() => { const at = seen.indexOf(%q); if (at < 0) return false; seen.splice(at, 1); return true })()`, what))
		return err == nil && found
	})
}

// answers evaluates a promise of the SDK and wants it refused so, or "done".
func (p *page) answers(promise, want string) {
	p.t.Helper()
	if got, err := evaluate[string](p, "refused("+promise+")"); err != nil || got != want {
		p.t.Errorf("%s: %s is answered with %q (%v), want %q", p.name, promise, got, err, want)
	}
}

// TestModeratorsInTheSDK: what the SDK's room control does between two pages, and
// what it is told where it may not.
func TestModeratorsInTheSDK(t *testing.T) {
	v := authorizer(t)
	s := startNode(t, func(cfg *node.Config) { cfg.Engine.Authorizer, cfg.Origins = v, []string{"*"} })
	files := httptest.NewServer(http.FileServerFS(web.Files()))
	t.Cleanup(files.Close)
	enter := func(p *page, admin bool) {
		t.Helper()
		raw, err := v.Sign(time.Now(), token.Grants{Identity: p.name, Room: "tea", Join: true, Publish: true, Subscribe: true, Admin: admin}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		p.open(files.URL + "/")
		p.run(controlScript, raw, fmt.Sprintf("ws://127.0.0.1:%d/v1/ws", s.ports.HTTP))
	}
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	enter(ann, true)
	enter(bob, false)
	until(t, "ann sees bob", 5*time.Second, func() bool {
		there, err := evaluate[bool](ann, `other()?.track("microphone") !== undefined && call.admin`)
		return err == nil && there
	})

	everybodyTells(ann, bob)
	moderatorsOnly(bob)
	moderatorsMute(t, ann, bob)

	// After a join anew attributes are there again.
	bob.run(`call.rejoin({ code: "connection_lost", message: "" })`)
	ann.saw("left bob left")
	ann.saw(`updated bob {"role":"guest"}`)

	ann.answers(`call.control.permit(other(), { publish: false, subscribe: true })`, "done")
	bob.saw(`updated bob {"role":"guest"} {"publish":false,"subscribe":true}`)
	bob.saw("own microphone ended")
	ann.answers(`call.control.lock(true)`, "done")
	bob.saw("locked true")
	eve := openTab(t, "eve")
	raw, err := v.Sign(time.Now(), token.Grants{Identity: "eve", Room: "tea", Join: true, Publish: true, Subscribe: true}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	eve.open(files.URL + "/")
	code, err := evaluate[string](eve, fmt.Sprintf(`import("/rivulet.js").then(({ connect }) => connect({ room: "tea", token: %q, url: %q })).then(() => "in", (error) => error.code)`,
		raw, fmt.Sprintf("ws://127.0.0.1:%d/v1/ws", s.ports.HTTP)))
	if err != nil || code != "room_locked" {
		t.Errorf("eve, at a locked room: %q (%v)", code, err)
	}
	ann.answers(`call.control.remove(other(), 60_000)`, "done")
	bob.saw("closed removed")
	ann.saw("left bob removed")
	bob.answers(`call.control.message("a")`, "network: the call is not connected at present; try again when it is")
	ann.answers(`call.control.end()`, "done")
	ann.saw("closed ended")
}

// everybodyTells: attributes of one's own, and messages.
func everybodyTells(ann, bob *page) {
	bob.answers(`call.control.attributes({ seat: "3" })`, "done")
	ann.saw(`updated bob {"seat":"3"}`)
	bob.saw(`updated bob {"seat":"3"}`)
	bob.answers(`call.control.message(new Uint8Array([0, 255]), { topic: "hand" })`, "done")
	ann.saw("message bob hand 0,255")
	ann.answers(`call.control.message("a", { to: [other()] })`, "done")
	bob.saw("message ann  97")
	ann.answers(`call.control.message("a", { to: ["nobody"] })`, "unknown_participant: none of those whom the message is for is in the room")
	ann.answers(`call.control.message("x".repeat(1025))`, "too_large: a message has 1025 bytes; at most 1024 are carried")
	ann.answers(`call.control.attributes({ a: "x".repeat(100000) })`, "too_large: room.attributes says more than is carried")
}

// moderatorsOnly: what bob, who is none, may not do.
func moderatorsOnly(bob *page) {
	for promise, verb := range map[string]string{
		`call.control.mute(other(), "microphone", true)`:                     "mute",
		`call.control.remove(other())`:                                       "remove",
		`call.control.permit(other(), { publish: false, subscribe: false })`: "permit",
		`call.control.lock(true)`:                                            "lock",
		`call.control.end()`:                                                 "end",
		`call.control.attributes({ seat: "1" }, other())`:                    "attributes",
	} {
		bob.answers(promise, "not_permitted: room."+verb+" is for moderators of the room")
	}
}

// moderatorsMute: ann mutes bob at once, and asks him to unmute.
func moderatorsMute(t *testing.T, ann, bob *page) {
	t.Helper()
	ann.answers(`call.control.mute(other(), "microphone", true)`, "done")
	bob.saw("moderated microphone true")
	bob.saw("own microphone muted")
	ann.saw("track of bob muted")
	if sends, err := evaluate[bool](bob, `call.tracks.get("microphone").track.enabled`); err != nil || sends {
		t.Errorf("bob, muted by ann, still sends sound (%v)", err)
	}
	ann.answers(`call.control.mute(other(), "microphone", false)`, "done")
	bob.saw("moderated microphone false")
	ann.saw("track of bob open")
	ann.saw("track of bob muted") // told so by bob's page: nobody opens another's microphone
	if open, err := evaluate[bool](bob, `call.tracks.get("microphone").track.enabled`); err != nil || open {
		t.Errorf("ann has opened bob's microphone (%v)", err)
	}
	ann.answers(`call.control.attributes({ seat: "", role: "guest" }, other())`, "done")
	bob.saw(`updated bob {"role":"guest"}`)
}

// TestCallPageModerates: the call page's settings let a moderator mute and remove
// others, and lock the room; those whom it is done to are told in words.
func TestCallPageModerates(t *testing.T) {
	v := authorizer(t)
	s := startServer(t, func(c *sfu.Config) { c.Authorizer = v })
	ticket := func(who string) string {
		raw, err := v.Sign(time.Now(), token.Grants{Identity: who, Room: "tea", Join: true, Publish: true, Subscribe: true, Admin: who == "ann"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return "token=" + raw
	}
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	if err := chromedp.Do(ann.ctx, chromedp.EmulateViewport(360, 640, chromedp.EmulateMobile)); err != nil {
		t.Fatal(err)
	}
	s.call(bob, "tea", "video=0", ticket("bob"))
	s.call(ann, "tea", "video=0", ticket("ann"))
	says := func(p *page, where, want string) {
		t.Helper()
		until(t, p.name+" reads "+want, 5*time.Second, func() bool {
			said, err := evaluate[string](p, fmt.Sprintf(`document.querySelector(%q)?.textContent ?? ""`, where))
			return err == nil && strings.Contains(said, want)
		})
	}
	press := func(label string) {
		t.Helper()
		until(t, "ann presses "+label, 5*time.Second, func() bool {
			done, err := evaluate[bool](ann, fmt.Sprintf(`(() => {
				const button = [...document.querySelectorAll(".moderation button")].find((b) => !b.disabled && (b.getAttribute("aria-label") ?? b.textContent) === %q);
				button?.click();
				return button !== undefined;
			})()`, label))
			return err == nil && done
		})
	}
	until(t, "ann is in", joinLimit, func() bool {
		in, err := evaluate[bool](ann, `rivulet.call?.state === "connected" && rivulet.call.participants.size === 1`)
		return err == nil && in
	})
	ann.run(`(() => { document.getElementById("control-settings").click(); return 0 })()`)
	ann.audited("a moderator's settings")
	press("Mute bob")
	says(bob, "#live", "Microphone: muted by a moderator")
	if muted, err := evaluate[bool](bob, `rivulet.call.tracks.get("microphone").muted`); err != nil || !muted {
		t.Errorf("bob's microphone is open (%v)", err)
	}
	press("Lock the room")
	says(bob, "#live", "The room is locked")
	eve := openTab(t, "eve")
	eve.open(fmt.Sprintf("http://127.0.0.1:%d/r/tea?auto=1&video=0&%s", s.ports.HTTP, ticket("eve")))
	says(eve, "main", "The room is locked")
	press("Remove bob")
	says(bob, "main", "You were taken out of this call")
	if there, err := evaluate[bool](bob, `document.querySelector(".moderation") !== null`); err != nil || there {
		t.Errorf("bob is offered what moderators do (%v)", err)
	}

	// The end is asked about first.
	press("Unlock the room")
	says(ann, "#live", "The room is open again")
	eve.reload()
	until(t, "eve is in", joinLimit, func() bool {
		in, err := evaluate[bool](eve, `rivulet.call?.state === "connected"`)
		return err == nil && in
	})
	ann.run(`(() => { window.asked = []; window.confirm = (what) => (asked.push(what), asked.length > 1); return 0 })()`)
	press("End for everybody")
	if asked, err := evaluate[string](ann, `asked.join() + " " + rivulet.call.state`); err != nil || asked != "End this call for everybody? connected" {
		t.Errorf("ann is asked %q (%v)", asked, err)
	}
	press("End for everybody")
	for _, p := range []*page{ann, eve} {
		says(p, "main", "The call was ended for everybody")
	}
}
