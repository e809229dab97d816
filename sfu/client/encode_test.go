package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// narrow is one direction of a path: a rate, 50 ms, and half a second of queue.
type narrow struct {
	rate units.Rate
	free time.Time
}

func (n *narrow) Send(now time.Time, size int) (time.Time, bool) {
	if n.free.Before(now) {
		n.free = now
	}
	if n.free.Sub(now) > 500*time.Millisecond {
		return time.Time{}, false
	}
	n.free = n.free.Add(units.Size(size).At(n.rate))
	return n.free.Add(50_000_011 * time.Nanosecond), true
}

// threeLayers is a camera as the web client announces it.
var threeLayers = client.Publication{Source: signal.Camera, Width: 1280, Height: 720, Layers: []signal.Layer{
	{RID: "q", Width: 320, Height: 180, MaxRate: 150_000},
	{RID: "h", Width: 640, Height: 360, MaxRate: 424_000},
	{RID: "f", Width: 1280, Height: 720, MaxRate: 1_200_000},
}}

// active says which layers the server wants of the user's camera; all while it
// has said nothing.
func (u *user) active() [3]bool {
	all := [3]bool{true, true, true}
	for i, e := range u.Sender(signal.Camera).Encodings() {
		all[i] = e.Active
	}
	return all
}

// until waits for something in steps of 20 ms and answers how long it took.
func until(t *testing.T, limit time.Duration, what string, is func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !is() {
		if time.Since(begin) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begin)
}

// What nobody receives is not sent, and comes back within a second when it is
// wanted.
func TestNothingIsSentThatNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{threeLayers}})
		ann.waitConnected(t)
		ann.show(t, media.VP8Config{Width: 1280, Height: 720})
		sent := func() uint64 { return w.network.Path(ann.addr, serverAddr).Bytes }
		until(t, 4*time.Second, "alone in the room, everything is off", func() bool { return ann.active() == [3]bool{} })
		time.Sleep(time.Second)
		before := sent()
		time.Sleep(5 * time.Second)
		if n := sent() - before; n > 5*1000 {
			t.Errorf("alone in the room, %d bytes are sent in 5 s", n)
		}

		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		bob.waitConnected(t)
		track := ann.Joined().Tracks[0].ID
		look := func(width, height int) {
			t.Helper()
			var views []signal.TrackView
			if width > 0 {
				views = []signal.TrackView{{Track: track, Width: width, Height: height}}
			}
			must(t, bob.View(short(t), views))
		}
		// The first pictures need the measuring of the path, too.
		look(160, 90)
		until(t, 3*time.Second, "the first picture", func() bool { return bob.heard(3) > 0 })
		time.Sleep(5 * time.Second)
		if ann.active() != [3]bool{true} {
			t.Errorf("a small view: layers %v are on", ann.active())
		}
		for range 3 {
			look(0, 0)
			until(t, 4*time.Second, "hidden, everything is off", func() bool { return ann.active() == [3]bool{} })
			time.Sleep(3 * time.Second)
			heard := bob.heard(3)
			look(160, 90)
			if took := until(t, time.Second, "the picture is back", func() bool { return bob.heard(3) > heard }); took > 500*time.Millisecond {
				t.Errorf("%v until the picture is back, with 5 ms of delay", took)
			}
		}
		look(1280, 720)
		until(t, 15*time.Second, "the largest layer alone", func() bool { return ann.active() == [3]bool{false, false, true} })
		time.Sleep(5 * time.Second)
		must(t, ann.Mute(short(t), signal.Camera, true))
		time.Sleep(10 * time.Second)
		must(t, ann.Mute(short(t), signal.Camera, false))
		heard := bob.heard(3)
		until(t, time.Second, "back from mute", func() bool { return bob.heard(3) > heard })
		w.leave(bob)
		until(t, 4*time.Second, "alone again, everything is off", func() bool { return ann.active() == [3]bool{} })
		w.leave(ann)
	})
}

// A thin subscriber alone: the picture is made for it, and it moves.
func TestPictureMadeForAThinSubscriber(t *testing.T) {
	for _, c := range []struct {
		rate      units.Rate // of the subscriber's path, without voice
		frameRate [2]int     // if it is held down
		free      bool       // or it may not be: at a fifth more motion is whole
		packets   int        // in ten seconds, at least
	}{
		{70 * units.Kbps, [2]int{5, 12}, false, 40},
		{120 * units.Kbps, [2]int{8, 20}, true, 80},
	} {
		t.Run(c.rate.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.close()
				ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{threeLayers}})
				ann.waitConnected(t)
				ann.show(t, media.VP8Config{Width: 1280, Height: 720})
				bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
				w.network.Connect(serverAddr, bob.addr, &narrow{rate: c.rate})
				bob.waitConnected(t)
				must(t, bob.View(short(t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 1280, Height: 720}}))
				time.Sleep(20 * time.Second)
				e := ann.Sender(signal.Camera).Encodings()
				if len(e) != 3 || !e[0].Active || e[1].Active || e[2].Active {
					t.Fatalf("the server wants %+v", e)
				}
				// An estimate may exceed what was never filled, by a fifth at the most.
				if e[0].MaxRate <= 0 || units.Rate(e[0].MaxRate) > c.rate.Scale(1.2) {
					t.Errorf("the server wants %+v", e[0])
				}
				if held := e[0].MaxFrameRate; (held != 0 || !c.free) && (held < c.frameRate[0] || held > c.frameRate[1]) {
					t.Errorf("the server wants %+v", e[0])
				}
				before, losses := bob.heard(3), bob.Stats().Lost
				time.Sleep(10 * time.Second)
				if n := bob.heard(3) - before; n < c.packets {
					t.Errorf("%d packets in 10 s", n)
				}
				if n := bob.Stats().Lost - losses; n > 0 {
					t.Errorf("%d packets lost", n)
				}
				t.Logf("%+v, %d packets", e[0], bob.heard(3)-before)
				w.leave(bob)
				w.leave(ann)
			})
		})
	}
}

// watched are a publisher of three layers on an uplink of a rate, and who looks at the
// largest.
func (w *world) watched(uplink units.Rate) (ann, bob *user) {
	w.t.Helper()
	ann = w.join(client.Options{Identity: "ann", Publish: []client.Publication{threeLayers}})
	w.network.Connect(ann.addr, serverAddr, &narrow{rate: uplink})
	ann.waitConnected(w.t)
	ann.show(w.t, media.VP8Config{Width: 1280, Height: 720})
	bob = w.join(client.Options{Identity: "bob", ReceiveOnly: true})
	bob.waitConnected(w.t)
	must(w.t, bob.View(short(w.t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 1280, Height: 720}}))
	return ann, bob
}

// A publisher on an uplink of 100 kbit/s is told to send one layer, not three,
// though everybody wants the best.
func TestThinUplinkSendsOneLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann, bob := w.watched(100 * units.Kbps)
		time.Sleep(25 * time.Second)
		one := 0
		for range 100 {
			time.Sleep(500 * time.Millisecond)
			if ann.active() == [3]bool{true} {
				one++
			}
		}
		if one < 75 {
			t.Errorf("one layer is asked for in %d %% of the time", one)
		}
		var reasons []string
		for draining := true; draining; {
			select {
			case e := <-bob.Events():
				if s, ok := e.(*signal.SlotStates); ok {
					reasons = append(reasons, s.States[0].Reason)
				}
			default:
				draining = false
			}
		}
		if len(reasons) == 0 || !contains(reasons, "publisher") {
			t.Errorf("the viewer is told %v, want the publisher named", reasons)
		}
		heard := bob.heard(3)
		time.Sleep(5 * time.Second)
		if n := bob.heard(3) - heard; n < 30 {
			t.Errorf("%d packets in 5 s", n)
		}
		w.leave(bob)
		w.leave(ann)
	})
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// A client that obeys no encodings, as those of WHIP, is held to what is wanted
// by REMB, and let go again.
func TestLimitByREMB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{threeLayers}, IgnoreEncode: true})
		ann.waitConnected(t)
		ann.show(t, media.VP8Config{Width: 1280, Height: 720})
		sent := func(d time.Duration) units.Rate {
			before := w.network.Path(ann.addr, serverAddr).Bytes
			time.Sleep(d)
			return units.Size(w.network.Path(ann.addr, serverAddr).Bytes - before).Over(d)
		}
		time.Sleep(5 * time.Second)
		if r := sent(5 * time.Second); r > 350*units.Kbps {
			t.Errorf("nobody watches, and %v is sent", r)
		}
		if e := ann.Sender(signal.Camera).Encodings(); e != nil {
			t.Errorf("heeds %+v", e)
		}
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		bob.waitConnected(t)
		must(t, bob.View(short(t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 1280, Height: 720}}))
		time.Sleep(30 * time.Second)
		if r := sent(5 * time.Second); r < 1200*units.Kbps {
			t.Errorf("the best is watched, and %v is sent", r)
		}
		must(t, bob.View(short(t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 160, Height: 90}}))
		time.Sleep(10 * time.Second)
		if r := sent(5 * time.Second); r > 350*units.Kbps {
			t.Errorf("the least is watched, and %v is sent", r)
		}
		w.leave(bob)
		w.leave(ann)
	})
}

// A data budget bounds what is received, is told as the reason, and is kept
// over a resume.
func TestDataBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{threeLayers}})
		ann.waitConnected(t)
		ann.show(t, media.VP8Config{Width: 1280, Height: 720})
		budget := &signal.DataBudget{Hour: 30_000_000} // 56 kbit/s, and 5 MB to begin with
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true, DataBudget: budget})
		bob.waitConnected(t)
		must(t, bob.View(short(t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 1280, Height: 720}}))
		received := func() uint64 { return w.network.Path(serverAddr, bob.addr).Bytes }
		told := func(reason string) bool {
			for {
				select {
				case e := <-bob.Events():
					if s, ok := e.(*signal.SlotStates); ok && s.States[0].Reason == reason {
						return true
					}
				default:
					return false
				}
			}
		}
		time.Sleep(2 * time.Minute)
		if n := received(); n > 4_000_000 || n < 1_000_000 {
			t.Errorf("%d bytes in two minutes", n)
		}
		if !told("data_budget") {
			t.Error("bob was not told why he gets no more")
		}
		bob.DropSignalling()
		time.Sleep(10 * time.Second)
		before := received()
		time.Sleep(time.Minute)
		if n := received() - before; n > 1_300_000 {
			t.Errorf("%d bytes in a minute after the resume", n)
		}
		must(t, bob.SetDataBudget(short(t), signal.DataAuto, signal.DataBudget{}))
		time.Sleep(20 * time.Second)
		before = received()
		time.Sleep(10 * time.Second)
		if n := received() - before; n < 1_000_000 {
			t.Errorf("%d bytes in ten seconds without a budget", n)
		}
		w.leave(bob)
		w.leave(ann)
	})
}
