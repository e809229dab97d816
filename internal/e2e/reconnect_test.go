package e2e

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

func TestReloadedPageReplacesItself(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "reload", "video=640x360")
	s.call(bob, "reload", "video=640x360")
	before := ann.talking(1)
	bob.talking(1)
	bob.reload()
	bob.talking(1)
	after := ann.wait(joinLimit, "bob is seen again", func(s state) bool {
		return s.Participants == 1 && s.Others[0] != before.Others[0] && s.from(s.Others[0]).Decoded > before.decoded()+10
	})
	if after.Counters.SDP != 2 {
		t.Errorf("ann negotiated anew when bob reloaded: %+v", after.Counters)
	}
	if snapshot, _ := s.room("reload"); len(snapshot.Participants) != 2 {
		t.Errorf("%d participants after the reload, want 2", len(snapshot.Participants))
	}
}

func TestSignallingDropsForFiveSeconds(t *testing.T) {
	s := startServer(t, nil)
	front := startProxy(t, loopback(s.ports.HTTP))
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	ann.open(callURL(ports{HTTP: front.port()}, "ann", "drop", "video=640x360"))
	s.call(bob, "drop", "video=640x360")
	before := ann.talking(1)
	bob.talking(1)

	front.cut()
	outage := time.Now().Add(5 * time.Second)
	ann.wait(3*time.Second, "the loss is noticed", func(s state) bool { return s.Call == "reconnecting" })
	bob.run(`rivulet.call.mute("microphone", true)`)
	last := ann.state().decoded()
	ann.wait(10*time.Second, "media goes on without signalling", func(now state) bool {
		if now.Call != "reconnecting" {
			t.Fatalf("state %q while the connection is cut", now.Call)
		}
		return time.Now().After(outage) && now.decoded() > last+60
	})
	front.mend()
	after := ann.wait(15*time.Second, "the session is taken up again", func(s state) bool { return s.Call == "connected" })
	if c := after.Counters; c.Resumes != 1 || c.Rejoins != 0 || c.SDP != 2 || c.ICERestarts != 0 {
		t.Errorf("want one resume and nothing else: %+v", c)
	}
	if after.Me != before.Me {
		t.Errorf("ann became another participant")
	}
	if after.Counters.MessagesCompact == 0 {
		t.Error("the compact form was not used on the second connection")
	}
	muted, err := evaluate[bool](ann, `[...[...rivulet.call.participants.values()][0].tracks.values()].find((t) => t.source === "microphone").muted`)
	if err != nil || !muted {
		t.Errorf("what bob did meanwhile did not arrive: muted %v, error %v", muted, err)
	}
	if now := bob.state(); now.Participants != 1 || now.Others[0] != before.Me {
		t.Errorf("bob lost ann: %+v", now)
	}
}

func TestRestartedServer(t *testing.T) {
	testenv.Sockets(t)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	p, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	pages := []*page{ann, bob}
	server := startChild(t, p)
	for _, one := range pages {
		one.open(callURL(p, one.name, "restart", "video=640x360"))
	}
	ann.talking(1)
	before := bob.talking(1)

	server.kill() // it crashes
	ann.wait(5*time.Second, "the loss is noticed", func(s state) bool { return s.Call == "reconnecting" })
	server = startChild(t, p)
	for _, one := range pages {
		again := one.talking(1)
		if again.Counters.Rejoins == 0 || again.Me == before.Me {
			t.Errorf("%s did not join again: %+v", one.name, again.Counters)
		}
	}

	again := ann.state()
	if code := server.terminate(t); code != 0 { // it is stopped
		t.Errorf("the server ended with %d:\n%s", code, server.output.String())
	}
	startChild(t, p)
	ann.wait(joinLimit, "ann joins a third time", func(s state) bool {
		return s.Call == "connected" && s.Counters.Rejoins > again.Counters.Rejoins && s.Me != again.Me
	})
	for _, one := range pages {
		one.goesOn(10*time.Second, one.talking(1))
	}
}

func TestOlderPageOfTheSameIdentityIsReplaced(t *testing.T) {
	v := authorizer(t)
	s := startServer(t, func(c *sfu.Config) { c.Authorizer = v })
	tokenFor := func(identity string) string {
		raw, err := v.Sign(time.Now(), token.Grants{Identity: identity, Room: "one", Join: true, Publish: true, Subscribe: true}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return "token=" + raw
	}
	older, newer, other := openTab(t, "older"), openTab(t, "newer"), openTab(t, "other")
	s.call(other, "one", "video=320x180", tokenFor("other"))
	s.call(older, "one", "video=320x180", tokenFor("ann"))
	was := older.talking(1)
	s.call(newer, "one", "video=320x180", tokenFor("ann"))
	older.wait(10*time.Second, "the older page is told", func(s state) bool {
		return s.View == "ended" && s.Error == "replaced" && s.Call == "closed"
	})
	now := newer.talking(1)
	if now.Me == was.Me {
		t.Error("the newer page took the older one's place instead of its own")
	}
	other.wait(10*time.Second, "others see one ann", func(s state) bool {
		return s.Participants == 1 && s.Others[0] == now.Me
	})
	if got := older.state(); got.Call != "closed" || got.Counters.Rejoins != 0 {
		t.Errorf("the older page came back: %+v", got)
	}
}
