package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// await reads events until one fits.
func await[E signal.EventBody](t *testing.T, u *user, fits func(E) bool) E {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case e, open := <-u.Events():
			if !open {
				t.Fatal("the events ended")
			}
			if e, ok := e.(E); ok && fits(e) {
				return e
			}
		case <-limit:
			t.Fatalf("no such event: %T", *new(E))
		}
	}
}

// short is a context for one command.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestPublishMuteUnpublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann"})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		ann.waitConnected(t)
		bob.waitConnected(t)
		if err := ann.Sender(signal.Microphone).Write(time.Now(), client.Frame{Payload: []byte{1}}); !errors.Is(err, client.ErrNotPublished) {
			t.Fatalf("writing before publishing: %v", err)
		}
		if _, err := ann.Publish(short(t), client.Publication{Source: signal.Microphone}); err != nil {
			t.Fatal(err)
		}
		ann.talk(t)
		published := await(t, bob, func(e *signal.TrackPublished) bool { return true })
		time.Sleep(2 * time.Second)
		if n := bob.heard(0); n < 60 { // at first several are in one packet
			t.Errorf("heard %d packets of two seconds of voice", n)
		}
		assigned := bob.Assignments()
		if len(assigned) != 1 || assigned[0].Track != published.Track.ID {
			t.Fatalf("slots carry %+v, want the one track %s", assigned, published.Track.ID)
		}
		bob.mu.Lock()
		if n := bob.sources[assigned[0].Source]; n != bob.packets[0] {
			t.Errorf("%d of %d packets name the source %d", n, bob.packets[0], assigned[0].Source)
		}
		bob.mu.Unlock()
		must(t, ann.Mute(short(t), signal.Microphone, true))
		if e := await(t, bob, func(*signal.TrackMuted) bool { return true }); !e.Muted || e.Track != published.Track.ID {
			t.Errorf("muting told %+v", e)
		}
		must(t, bob.SetDataMode(short(t), signal.DataVoiceOnly))
		must(t, bob.View(short(t), nil))
		if p := bob.Participants(); len(p) != 1 || len(p[0].Tracks) != 1 || !p[0].Tracks[0].Muted {
			t.Errorf("the room looks like %+v", p)
		}
		close(ann.stop)
		ann.media.Wait()
		ann.stop = make(chan struct{})
		must(t, ann.Unpublish(short(t), signal.Microphone))
		await(t, bob, func(*signal.TrackUnpublished) bool { return true })
		if len(bob.Participants()[0].Tracks) != 0 {
			t.Error("the track is still there")
		}
		w.leave(ann)
		await(t, bob, func(e *signal.ParticipantLeft) bool { return e.Reason == signal.Left })
		w.leave(bob)
	})
}

// TestSimulcast sends three layers; a receiver that sees little gets the
// smallest, one that sees much the largest.
func TestSimulcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		camera := client.Publication{Source: signal.Camera, Width: 1280, Height: 720, Layers: []signal.Layer{
			{RID: "q", Width: 320, Height: 180, MaxRate: 200_000},
			{RID: "h", Width: 640, Height: 360, MaxRate: 700_000},
			{RID: "f", Width: 1280, Height: 720, MaxRate: 2_500_000},
		}}
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{camera}})
		ann.waitConnected(t)
		ann.show(t, media.VP8Config{Width: 1280, Height: 720})
		track := ann.Joined().Tracks[0].ID
		view := func(u *user, width, height int) {
			must(t, u.View(short(t), []signal.TrackView{{Track: track, Width: width, Height: height}}))
		}
		small := w.join(client.Options{Identity: "small", ReceiveOnly: true})
		large := w.join(client.Options{Identity: "large", ReceiveOnly: true})
		view(small, 160, 90)
		view(large, 1280, 720)
		time.Sleep(40 * time.Second)
		before := [2]int{small.heard(3), large.heard(3)}
		time.Sleep(10 * time.Second)
		got := [2]int{small.heard(3) - before[0], large.heard(3) - before[1]}
		if got[0] < 250 || got[0] > 500 {
			t.Errorf("the small view got %d packets in 10 s, want those of 30 small frames a second", got[0])
		}
		if got[1] < 1500 {
			t.Errorf("the large view got %d packets in 10 s, want those of 2 Mbit/s and more", got[1])
		}
		for _, u := range []*user{small, large} {
			if s := u.Stats(); s.Lost != 0 || s.Unknown != 0 {
				t.Errorf("%s: %+v", u.Joined().Identity, s)
			}
		}
		for _, u := range []*user{ann, small, large} {
			w.leave(u)
		}
	})
}

// TestSignallingLost drops the WebSocket; the call goes on, and what was missed
// is told afterwards.
func TestSignallingLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: publications(signal.Microphone)})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		ann.waitConnected(t)
		bob.waitConnected(t)
		ann.talk(t)
		w.network.SetFilter(func(p memnet.Packet) bool { return !p.Stream || p.From.Addr() != bob.addr && p.To.Addr() != bob.addr })
		bob.DropSignalling()
		cy := w.join(client.Options{Identity: "cy", ReceiveOnly: true})
		time.Sleep(5 * time.Second)
		heard := bob.heard(0)
		if heard < 200 {
			t.Errorf("heard %d packets in 5 s without signalling", heard)
		}
		w.network.SetFilter(nil)
		in := await(t, bob, func(e *signal.ParticipantJoined) bool { return e.Participant.Identity == "cy" })
		if in.Participant.ID != cy.Joined().Participant {
			t.Errorf("told of %+v", in.Participant)
		}
		must(t, bob.SetDataMode(short(t), signal.DataLow)) // commands go through again
		if err := bob.Err(); err != nil {
			t.Errorf("the call ended: %v", err)
		}
		for _, u := range []*user{ann, bob, cy} {
			w.leave(u)
		}
	})
}

// TestRestart renews ICE in a running call, without a gap.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: publications(signal.Microphone)})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		ann.waitConnected(t)
		bob.waitConnected(t)
		ann.talk(t)
		time.Sleep(time.Second)
		must(t, bob.Restart(short(t)))
		before := bob.heard(0)
		time.Sleep(2 * time.Second)
		if n := bob.heard(0) - before; n < 60 { // merged until the new path is measured
			t.Errorf("heard %d packets in the two seconds after the restart", n)
		}
		must(t, ann.Restart(short(t)))
		before = bob.heard(0)
		time.Sleep(2 * time.Second)
		if n := bob.heard(0) - before; n < 60 { // merged until the new path is measured
			t.Errorf("heard %d packets in the two seconds after the speaker's restart", n)
		}
		w.leave(ann)
		w.leave(bob)
	})
}

// TestPathFails cuts the media for so long that the path fails; the client
// restarts it by itself.
func TestPathFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: publications(signal.Microphone)})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		ann.waitConnected(t)
		bob.waitConnected(t)
		ann.talk(t)
		time.Sleep(time.Second)
		w.network.SetFilter(func(p memnet.Packet) bool { return p.Stream || p.From.Addr() != bob.addr && p.To.Addr() != bob.addr })
		time.Sleep(40 * time.Second)
		w.network.SetFilter(nil)
		before := bob.heard(0)
		time.Sleep(15 * time.Second)
		if n := bob.heard(0) - before; n < 100 {
			t.Errorf("heard %d packets in the 15 s after the path came back; %v", n, bob.Err())
		}
		w.leave(ann)
		w.leave(bob)
	})
}

// lossy loses a share of packets at random.
type lossy struct {
	random *rand.Rand
	share  float64
}

func (l lossy) Send(now time.Time, _ int) (time.Time, bool) {
	return now.Add(20*time.Millisecond + 11), l.random.Float64() >= l.share
}

// TestRepair loses a twentieth of all packets both ways: video is whole after
// retransmission.
func TestRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: publications(signal.Camera)})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		ann.waitConnected(t)
		bob.waitConnected(t)
		random := rand.New(rand.NewPCG(1, 2))
		for _, u := range []*user{ann, bob} {
			w.network.Connect(serverAddr, u.addr, lossy{random, 0.05})
			w.network.Connect(u.addr, serverAddr, lossy{random, 0.05})
		}
		ann.show(t, media.VP8Config{Width: 320, Height: 180, Rate: 150 * units.Kbps})
		time.Sleep(30 * time.Second)
		s := bob.Stats()
		t.Logf("%+v", s)
		if s.Received < 700 || s.Recovered < 20 || s.NACKs < s.Recovered {
			t.Errorf("%+v; want 700 packets and more, 20 of them by retransmission", s)
		}
		if float64(s.Lost) > 0.01*float64(s.Received) {
			t.Errorf("%d of %d packets never came; want less than 1 %%", s.Lost, s.Received)
		}
		w.leave(ann)
		w.leave(bob)
	})
}

func TestServerEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		first := w.join(client.Options{Identity: "ann"})
		second := w.join(client.Options{Identity: "ann"})
		<-first.Done()
		var why *signal.Error
		if !errors.As(first.Err(), &why) || why.Code != signal.Replaced {
			t.Errorf("ended by %v, want replaced", first.Err())
		}
		if err := first.Mute(short(t), signal.Microphone, true); !errors.As(err, &why) {
			t.Errorf("a command after the end: %v", err)
		}
		w.leave(first)
		w.leave(second)
		if err := second.Err(); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestJoinIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *sfu.Config) { c.MaxParticipants = 1 })
		defer w.close()
		ann := w.join(client.Options{Identity: "ann"})
		for name, o := range map[string]client.Options{
			"full":        {URL: "http://10.0.0.1/", Room: "room"},
			"no room":     {URL: "ws://10.0.0.1/v1/ws"},
			"nobody here": {URL: "ws://10.0.0.1:81/v1/ws", Room: "room"},
		} {
			o.Net, o.HTTPClient = ann.host, newHTTP(ann)
			_, err := client.Join(short(t), o)
			var refused *signal.Error
			if err == nil || errors.As(err, &refused) == (name == "nobody here") {
				t.Errorf("%s: %v", name, err)
			}
			o.HTTPClient.CloseIdleConnections()
		}
		w.leave(ann)
	})
}
