package sfu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// engine starts an engine on an in-memory network; it ends with the test.
func engine(t *testing.T, change func(*Config)) *Engine {
	t.Helper()
	network := memnet.New(memnet.Config{})
	host := network.Host(netip.MustParseAddr("10.0.0.1"))
	conn, err := host.ListenPacket("udp4", "10.0.0.1:7882")
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Sockets = []*udp.Socket{udp.Wrap(conn)}
	cfg.Net = host
	cfg.Workers = 1
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
		if n := e.media.BuffersInUse(); n != 0 {
			t.Errorf("%d packet buffers outlived their rooms", n)
		}
		network.Close()
	})
	return e
}

// join joins without media.
func join(t *testing.T, e *Engine, room, identity string) *signal.Joined {
	t.Helper()
	reply, err := e.Do(t.Context(), signal.Command{Remote: "192.0.2.1", Body: &signal.Join{Version: 1, Room: room, Identity: identity, Name: identity}})
	if err != nil {
		t.Fatalf("join %s: %v", identity, err)
	}
	return reply.(*signal.Joined)
}

func code(err error) signal.Code {
	var e *signal.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func follow(t *testing.T, ctx context.Context, e *Engine, session string, after uint64) <-chan signal.Event {
	t.Helper()
	events, err := e.Subscribe(ctx, signal.Filter{Session: session, After: after})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// resumeAndRead resumes an ended session and answers its last event.
func resumeAndRead(t *testing.T, e *Engine, resume string) *signal.Closed {
	t.Helper()
	reply, err := e.Do(t.Context(), signal.Command{Body: &signal.Resume{Version: 1, Token: resume}})
	if err != nil {
		t.Fatalf("resume: %v", err)
	}
	var last signal.Event
	for ev := range follow(t, t.Context(), e, reply.(*signal.Resumed).Session, 0) {
		last = ev
	}
	closed, ok := last.Body.(*signal.Closed)
	if !ok {
		t.Fatalf("the last event is %+v, want closed", last.Body)
	}
	return closed
}

func TestReplacedWhileAwayIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		old := join(t, e, "r", "ann") // its connection has dropped
		join(t, e, "r", "ann")
		if last := resumeAndRead(t, e, old.Resume); last.Code != signal.Replaced || last.Rejoin {
			t.Fatalf("told %+v, want replaced and not to join again", last)
		}
	})
}

func TestRefusedJoinHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		ann := join(t, e, "r", "ann")
		_, err := e.Do(t.Context(), signal.Command{Remote: "192.0.2.2", Body: &signal.Join{Version: 1, Room: "r", Identity: "ann",
			Publish: []signal.Publish{{Source: signal.Camera}}}})
		if code(err) != signal.BadMessage {
			t.Fatalf("a join that publishes on no section: %v", err)
		}
		if _, err := e.Do(t.Context(), signal.Command{Session: ann.Session, Body: &signal.Ping{}}); err != nil {
			t.Fatalf("the session that was there is gone: %v", err)
		}
	})
}

func TestNewerOfTheSameIdentityWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		first := join(t, e, "r", "ann")
		watcher := join(t, e, "r", "bob")
		old := follow(t, t.Context(), e, first.Session, first.Sequence)
		seen := follow(t, t.Context(), e, watcher.Session, watcher.Sequence)
		second := join(t, e, "r", "ann")
		if len(second.Participants) != 1 || second.Participants[0].Identity != "bob" {
			t.Fatalf("the newer one sees %+v, want only bob", second.Participants)
		}
		var last signal.Event
		for ev := range old {
			last = ev
		}
		if c, ok := last.Body.(*signal.Closed); !ok || c.Code != signal.Replaced || c.Rejoin {
			t.Fatalf("the older one was told %+v, want closed: replaced, do not rejoin", last.Body)
		}
		if left := (<-seen).Body.(*signal.ParticipantLeft); left.Participant != first.Participant || left.Reason != signal.Replaced {
			t.Fatalf("others were told %+v", left)
		}
		if in := (<-seen).Body.(*signal.ParticipantJoined); in.Participant.ID != second.Participant {
			t.Fatalf("others were told %+v", in)
		}
		_, err := e.Do(t.Context(), signal.Command{Session: first.Session, Body: &signal.Ping{}})
		if code(err) != signal.NotJoined {
			t.Fatalf("the older session still answers: %v", err)
		}
	})
}

func TestResumeDeliversWhatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		ann := join(t, e, "r", "ann")
		ctx, drop := context.WithCancel(t.Context())
		events := follow(t, ctx, e, ann.Session, 0)
		join(t, e, "r", "bob")
		got := <-events
		drop() // the WebSocket drops
		time.Sleep(5 * time.Second)
		join(t, e, "r", "cy")
		reply, err := e.Do(t.Context(), signal.Command{Body: &signal.Resume{Version: 1, Token: ann.Resume, After: got.Sequence}})
		if err != nil {
			t.Fatal(err)
		}
		resumed := reply.(*signal.Resumed)
		next := <-follow(t, t.Context(), e, resumed.Session, got.Sequence)
		in, ok := next.Body.(*signal.ParticipantJoined)
		if !ok || in.Participant.Identity != "cy" || next.Sequence != got.Sequence+1 {
			t.Fatalf("after resuming came %d %+v, want %d: cy joined", next.Sequence, next.Body, got.Sequence+1)
		}
	})
}

func TestSilentParticipantIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		gone := join(t, e, "r", "gone") // never subscribes
		ann := join(t, e, "r", "ann")
		events := follow(t, t.Context(), e, ann.Session, ann.Sequence)
		start := time.Now()
		left := (<-events).Body.(*signal.ParticipantLeft)
		if left.Participant != gone.Participant || left.Reason != signal.ConnectionLost {
			t.Fatalf("told %+v", left)
		}
		if waited := time.Since(start); waited < e.cfg.ResumeFor || waited > e.cfg.ResumeFor+time.Second {
			t.Fatalf("removed after %v, want about %v", waited, e.cfg.ResumeFor)
		}
		last := resumeAndRead(t, e, gone.Resume)
		if last.Code != signal.ConnectionLost || !last.Rejoin {
			t.Fatalf("resuming a removed session tells %+v, want connection_lost and to join again", last)
		}
		time.Sleep(e.cfg.ResumeFor + time.Second)
		_, err := e.Do(t.Context(), signal.Command{Body: &signal.Resume{Version: 1, Token: gone.Resume}})
		if code(err) != signal.UnknownSession {
			t.Fatalf("resume long after the end: %v", err)
		}
	})
}

func TestReaderThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, func(c *Config) { c.JoinRate, c.JoinBurst = 1e6, 1e6 })
		slow := join(t, e, "r", "slow")
		events := follow(t, t.Context(), e, slow.Session, 0) // subscribed, never reads
		for range maxMissed + 10 {
			other := join(t, e, "r", "other")
			if _, err := e.Do(t.Context(), signal.Command{Session: other.Session, Body: &signal.Leave{}}); err != nil {
				t.Fatal(err)
			}
		}
		kept, _, _, _ := e.session(slow.Session).events.After(e.session(slow.Session).last()-maxMissed, 2*maxMissed)
		if n := len(kept); n != maxMissed || !e.session(slow.Session).lost(e.session(slow.Session).last()-maxMissed-1) {
			t.Fatalf("%d events are kept for a client that never reads, want at most %d", n, maxMissed)
		}
		var last signal.Event
		for ev := range events {
			last = ev
		}
		if c, ok := last.Body.(*signal.Closed); !ok || c.Code != signal.SlowClient {
			t.Fatalf("the stream ended with %+v, want closed: slow_client", last.Body)
		}
		_, err := e.Do(t.Context(), signal.Command{Body: &signal.Resume{Version: 1, Token: slow.Resume, After: 1}})
		if code(err) != signal.EventsLost {
			t.Fatalf("resume far behind: %v, want events_lost", err)
		}
	})
}

func TestRepeatedCommandActsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		ann := join(t, e, "r", "ann")
		c := signal.Command{ID: "7", Session: ann.Session, Body: &signal.Mute{Source: signal.Camera, Muted: true}}
		_, first := e.Do(t.Context(), c)
		c.Body = &signal.Ping{} // the id counts, not the body
		_, again := e.Do(t.Context(), c)
		if code(first) != signal.UnknownTrack || code(again) != signal.UnknownTrack {
			t.Fatalf("answers %v and %v, want unknown_track twice", first, again)
		}
	})
}

func TestJoinsOfOneAddressAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, func(c *Config) { c.JoinRate, c.JoinBurst = 10, 20 })
		try := func(address string) signal.Code {
			_, err := e.Do(t.Context(), signal.Command{Remote: address, Body: &signal.Join{Version: 1, Room: "r"}})
			return code(err)
		}
		refused := 0
		for range 1000 { // a thousand joins in one second
			if try("198.51.100.1") == signal.RateLimited {
				refused++
			}
			time.Sleep(time.Millisecond)
		}
		if allowed := 1000 - refused; allowed < 20 || allowed > 31 {
			t.Fatalf("%d joins of 1000 in a second were let in, want the burst of 20 and 10 a second", allowed)
		}
		for i := range 100 { // one network's addresses share its allowance
			try(fmt.Sprintf("2001:db8:0:1::%x", i))
		}
		if c := try("2001:db8:0:1:ffff::1"); c != signal.RateLimited {
			t.Fatalf("the next address of one /64 was answered %q, want rate_limited", c)
		}
		if c := try("198.51.100.2"); c != "" {
			t.Fatalf("another address was refused with %s", c)
		}
	})
}

func TestRoomsEndAndDrainingRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		ann := join(t, e, "r", "ann")
		if _, err := e.Do(t.Context(), signal.Command{Session: ann.Session, Body: &signal.Leave{}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := e.Stats(); s.Rooms != 0 || s.Sessions != 0 {
			t.Fatalf("after everybody left: %d rooms, %d sessions", s.Rooms, s.Sessions)
		}
		bob := join(t, e, "r", "bob")
		events := follow(t, t.Context(), e, bob.Session, bob.Sequence)
		e.Drain()
		_, err := e.Do(t.Context(), signal.Command{Body: &signal.Join{Version: 1, Room: "r"}})
		if code(err) != signal.Draining {
			t.Fatalf("join while draining: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if c := (<-events).Body.(*signal.Closed); c.Code != signal.Draining || !c.Rejoin {
			t.Fatalf("told %+v, want closed: draining, rejoin", c)
		}
	})
}

func TestBadCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, nil)
		ann := join(t, e, "r", "ann")
		long := make([]byte, 10_000*3)
		for i := range long {
			long[i] = "a=\n"[i%3]
		}
		for name, tt := range map[string]struct {
			body signal.Body
			want signal.Code
		}{
			"no sdp":            {&signal.Join{Version: 1, Room: "r", Offer: "hello"}, signal.BadOffer},
			"10,000 lines":      {&signal.Join{Version: 1, Room: "r", Offer: "v=0\n" + string(long)}, signal.BadOffer},
			"broken sdp":        {&signal.Join{Version: 1, Room: "r", Offer: "v=0\r\nm=\r\n"}, signal.BadOffer},
			"no media":          {&signal.Join{Version: 1, Room: "r", Offer: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}, signal.BadOffer},
			"version":           {&signal.Join{Version: 2, Room: "r"}, signal.UnsupportedVersion},
			"no room":           {&signal.Join{Version: 1}, signal.BadMessage},
			"control character": {&signal.Join{Version: 1, Room: "a\x00b"}, signal.BadMessage},
			"no section":        {&signal.Publish{Source: signal.Camera}, signal.BadMessage},
			"source":            {&signal.Publish{Source: "keyboard"}, signal.BadMessage},
			"hostname":          {&signal.Candidate{Candidate: "candidate:1 1 udp 2122260223 evil.example.org 40000 typ host"}, signal.BadCandidate},
			"not a candidate":   {&signal.Candidate{Candidate: "candidate:nonsense"}, signal.BadCandidate},
			"slot":              {&signal.Acknowledge{Slot: 3}, signal.UnknownSlot},
			"restart":           {&signal.Restart{Offer: "v=0\r\n"}, signal.BadMessage},
			"data mode":         {&signal.SetDataMode{Mode: "turbo"}, signal.BadMessage},
		} {
			_, err := e.Do(t.Context(), signal.Command{Session: ann.Session, Remote: name, Body: tt.body})
			if code(err) != tt.want {
				t.Errorf("%s: answered %v, want %s", name, err, tt.want)
			}
		}
		good := "candidate:1 1 udp 2122260223 2001:db8::1 40000 typ host"
		if _, err := e.Do(t.Context(), signal.Command{Session: ann.Session, Body: &signal.Candidate{Candidate: good}}); err != nil {
			t.Errorf("a good candidate was refused: %v", err)
		}
	})
}
