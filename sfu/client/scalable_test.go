package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/svctest"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// scalable is a camera with three sizes inside one stream of AV1.
var scalable = client.Publication{Source: signal.Camera, Kind: codec.AV1, Width: 1280, Height: 720}

// insideBytes is what a frame of each size weighs at 30 pictures a second: 150,
// 400 and 750 kbit/s.
var insideBytes = []int{620, 1650, 3100}

// showScalable sends a stream of L3T3 as the server wants it until the user
// leaves: fewer layers, frames and bytes when told so. A change of layers begins
// the stream anew, as in browsers.
func (u *user) showScalable(t *testing.T) {
	sender := u.Sender(signal.Camera)
	u.media.Go(func() {
		const full = 3
		encoder, number, inside := svctest.New(svctest.Mode{Spatials: full, Temporals: 3}, 1), uint16(1), full
		timestamp := uint32(0)
		for due := time.Now(); ; {
			order := signal.EncodeLayer{Active: true}
			if all := sender.Encodings(); len(all) > 0 {
				order = all[0]
			}
			rate := 30
			if order.MaxFrameRate > 0 {
				rate = min(rate, order.MaxFrameRate)
			}
			due = due.Add(time.Second / time.Duration(rate))
			timestamp += 90000 / uint32(rate)
			if !u.waitFor(due) {
				return
			}
			if !order.Active {
				continue
			}
			key := sender.KeyframeRequested(0)
			if n := order.Spatials; n == 0 && inside != full || n > 0 && n != inside {
				if inside = full; n > 0 {
					inside = min(n, full)
				}
				encoder, key = svctest.New(svctest.Mode{Spatials: inside, Temporals: 3}, number), true
			}
			// What its frames may weigh together.
			share := 1.0
			if sum := sumOf(insideBytes[:inside]); order.MaxRate > 0 {
				share = min(1, float64(order.MaxRate)/float64(8*rate*sum))
			}
			now := time.Now()
			for _, f := range encoder.Next(key) {
				number = f.Number + 1
				if err := sendFrame(sender, now, timestamp, f, int(share*float64(insideBytes[f.Spatial]))); err != nil {
					t.Errorf("send video: %v", err)
					return
				}
			}
		}
	})
}

func sumOf(all []int) (sum int) {
	for _, n := range all {
		sum += n
	}
	return sum
}

// sendFrame sends one frame in packets of 1100 bytes at the most.
func sendFrame(sender *client.Sender, now time.Time, timestamp uint32, f *svctest.Frame, size int) error {
	if f.Key {
		size *= 3
	}
	for start := true; size > 0; start = false {
		payload := make([]byte, max(min(size, 1100), 2))
		size -= len(payload)
		payload[0], payload[1] = 0x10, 0x30
		if !start {
			payload[0] = 0x90
		}
		end := size <= 0
		err := sender.Write(now, client.Frame{
			Timestamp: timestamp, Marker: end && f.Last(), Payload: payload, Descriptor: f.Descriptor(start, end),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Layers inside a stream that nobody is granted are not sent, and come back
// within a second when they are wanted.
func TestInnerLayersAreSwitchedOffAtTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{scalable}})
		ann.waitConnected(t)
		ann.showScalable(t)
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		eve := w.join(client.Options{Identity: "eve", ReceiveOnly: true})
		bob.waitConnected(t)
		eve.waitConnected(t)
		track := ann.Joined().Tracks[0].ID
		look := func(u *user, width, height int) {
			t.Helper()
			must(t, u.View(short(t), []signal.TrackView{{Track: track, Width: width, Height: height}}))
		}
		// sends says that ann sends between least and most kbit/s for so long.
		sends := func(why string, d time.Duration, least, most units.Rate) {
			t.Helper()
			before := w.network.Path(ann.addr, serverAddr).Bytes
			time.Sleep(d)
			r := units.Size(w.network.Path(ann.addr, serverAddr).Bytes - before).Over(d)
			t.Logf("%s: %v, as wanted: %+v", why, r, ann.Sender(signal.Camera).Encodings())
			if r < least || r > most {
				t.Errorf("%s: %v is sent, want %v to %v", why, r, least, most)
			}
		}
		look(eve, 320, 180)
		look(bob, 1280, 720)
		time.Sleep(8 * time.Second)
		sends("one large and one small", 5*time.Second, 1250*units.Kbps, 1500*units.Kbps)
		for range 2 {
			look(bob, 320, 180)
			time.Sleep(5 * time.Second) // the lingering and one picture
			sends("two small ones", 5*time.Second, 120*units.Kbps, 200*units.Kbps)
			heard := bob.heard(3)
			look(bob, 1280, 720)
			sends("the first second of a large one", time.Second, 1000*units.Kbps, 1600*units.Kbps)
			if n := bob.heard(3) - heard; n < 100 {
				t.Errorf("%d packets in the first second of the large picture", n)
			}
			time.Sleep(5 * time.Second)
		}
		look(bob, 640, 360)
		time.Sleep(5 * time.Second)
		sends("one of middle size and one small", 5*time.Second, 550*units.Kbps, 680*units.Kbps)
		w.leave(bob)
		time.Sleep(5 * time.Second)
		sends("one small", 5*time.Second, 120*units.Kbps, 200*units.Kbps)
		w.leave(eve)
		time.Sleep(5 * time.Second)
		sends("nobody", 5*time.Second, 0, 10*units.Kbps)
		w.leave(ann)
	})
}

// A thin subscriber alone: one layer is sent, made for what the link carries.
func TestInnerLayersForAThinSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 110 * units.Kbps
		w := newWorld(t, nil)
		defer w.close()
		ann := w.join(client.Options{Identity: "ann", Publish: []client.Publication{scalable}})
		ann.waitConnected(t)
		ann.showScalable(t)
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		w.network.Connect(serverAddr, bob.addr, &narrow{rate: rate})
		bob.waitConnected(t)
		must(t, bob.View(short(t), []signal.TrackView{{Track: ann.Joined().Tracks[0].ID, Width: 1280, Height: 720}}))
		time.Sleep(20 * time.Second)
		e := ann.Sender(signal.Camera).Encodings()
		if len(e) != 1 || !e[0].Active || e[0].Spatials != 1 || e[0].Scale != 4 || e[0].MaxRate <= 0 || units.Rate(e[0].MaxRate) > rate.Scale(1.2) {
			t.Errorf("the server wants %+v", e)
		}
		heard, lost := bob.heard(3), bob.Stats().Lost
		before := w.network.Path(ann.addr, serverAddr).Bytes
		const d = 10 * time.Second
		time.Sleep(d)
		if r := units.Size(w.network.Path(ann.addr, serverAddr).Bytes - before).Over(d); r > rate.Scale(1.2) {
			t.Errorf("%v is sent for a link of %v: %+v", r, rate, e)
		}
		if n := bob.heard(3) - heard; n < 60 {
			t.Errorf("%d packets in %v", n, d)
		}
		if n := bob.Stats().Lost - lost; n > 0 {
			t.Errorf("%d packets lost", n)
		}
		w.leave(bob)
		w.leave(ann)
	})
}
