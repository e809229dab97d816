package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// without lets every camera of slot 1 make one frame, of which what lost says
// never comes. It answers the outgoing number that was kept free for it.
func (c *call) without(lost func(*packet.Packet) bool) uint16 {
	c.t.Helper()
	c.frameAt = c.frameAt.Add(frameTime)
	s := &c.d.slots[1]
	number, found := uint16(0), false
	for _, cam := range c.cameras[1] {
		for _, p := range cam.frame(c.now) {
			if p.Layer == uint8(s.selector.Current().Spatial) && lost(p) {
				all := c.media(1)
				number, found = all[len(all)-1].Sequence+1, true
			} else {
				c.d.Forward(c.now, 1, p)
			}
			p.Release()
		}
	}
	if !found {
		c.t.Fatal("no packet was lost")
	}
	return number
}

// asked are the key frames asked for since the test began to listen.
func (c *call) asked() *[]time.Time {
	var at []time.Time
	c.onEvent = func(ev Event) {
		if ev.Kind == KeyframeWanted {
			at = append(at, c.now)
		}
	}
	return &at
}

// steady is a call in which the lowest layer of slot 1 flows, one packet a
// frame, and whose last frame was of a temporal layer before wanted.
func steady(t *testing.T, wanted uint8) *call {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.d.SetView(c.now, 1, View{MaxSpatial: 0})
	c.run(2 * time.Second)
	for cam := c.cameras[1][0]; cadence[cam.frames%4] != wanted || c.d.queue.Len() > 0 || len(c.wire.flight) > 0; {
		c.run(time.Millisecond)
	}
	return c
}

func any1(*packet.Packet) bool { return true }

// A packet that the publisher's path lost for good leaves a decoder waiting:
// three seconds in browsers, until they ask for a key frame. We ask for it, once
// the publisher has had the time to send the packet again.
func TestPacketThatNeverCameIsReplacedByAKeyframe(t *testing.T) {
	for roundTrip, life := range map[time.Duration]time.Duration{
		0: holeLife, 50 * time.Millisecond: holeLife, 600 * time.Millisecond: 1500 * time.Millisecond, 5 * time.Second: maxHoleLife,
	} {
		t.Run(roundTrip.String(), func(t *testing.T) { neverCame(t, roundTrip, life) })
	}
}

func neverCame(t *testing.T, roundTrip, life time.Duration) {
	c := steady(t, 0)
	c.d.SetSourceRTT(1, roundTrip)
	number := c.without(any1)
	asked, begin := c.asked(), c.now
	for c.now.Before(begin.Add(life + 1500*time.Millisecond)) {
		c.run(100 * time.Millisecond)
		c.d.HandleNACK(c.now, videoSSRC+1, nack(number))
	}
	if len(*asked) != 1 {
		t.Fatalf("a key frame was asked for %d times, want once", len(*asked))
	}
	if after := (*asked)[0].Sub(begin); after < life || after > life+200*time.Millisecond {
		t.Errorf("it was asked for after %v, want about %v", after, life)
	}
	if n := c.d.Stats().Slots[1].GivenUp; n != 1 {
		t.Errorf("%d packets counted as given up", n)
	}
}

// What comes late by a retransmission of the publisher closes its hole.
func TestPacketThatComesLateNeedsNoKeyframe(t *testing.T) {
	c := steady(t, 0)
	var late *packet.Packet
	number := c.without(func(p *packet.Packet) bool { late = p.Retain(); return true })
	asked := c.asked()
	c.run(100 * time.Millisecond)
	c.d.HandleNACK(c.now, videoSSRC+1, nack(number))
	c.run(200 * time.Millisecond)
	c.d.Forward(c.now, 1, late)
	late.Release()
	c.run(2 * time.Second)
	if len(*asked) != 0 {
		t.Errorf("a key frame was asked for after %v", (*asked)[0])
	}
}

// A frame to which none refers is done without.
func TestLostFrameThatNobodyNeeds(t *testing.T) {
	for _, c := range []struct {
		temporal uint8
		keys     int
	}{{0, 1}, {2, 0}} {
		call := steady(t, c.temporal)
		number := call.without(any1)
		asked := call.asked()
		call.run(100 * time.Millisecond)
		call.d.HandleNACK(call.now, videoSSRC+1, nack(number))
		call.run(2 * time.Second)
		if len(*asked) != c.keys {
			t.Errorf("a frame of temporal layer %d never came: %d key frames asked for, want %d", c.temporal, len(*asked), c.keys)
		}
	}
}

// A packet of which every repetition is lost as well.
func TestRepetitionsThatAreLostEndInAKeyframe(t *testing.T) {
	c := steady(t, 1)
	all := c.media(1)
	number := all[len(all)-2].Sequence // the base frame before
	for i := range all {
		if p := all[len(all)-1-i]; p.payload[5]>>6 == 0 {
			number = p.Sequence
			break
		}
	}
	asked, begin := c.asked(), c.now
	for c.now.Before(begin.Add(time.Second)) {
		c.d.HandleNACK(c.now, videoSSRC+1, nack(number))
		c.run(50 * time.Millisecond)
	}
	if len(*asked) != 1 {
		t.Fatalf("a key frame was asked for %d times, want once", len(*asked))
	}
	if after := (*asked)[0].Sub(begin); after > 500*time.Millisecond {
		t.Errorf("it was asked for after %v", after)
	}
}

// A request for what was long forgotten means that nothing since can be decoded.
func TestForgottenPacketNeedsAKeyframe(t *testing.T) {
	c := steady(t, 0)
	old := c.media(1)[1].Sequence // just behind the key frame
	asked := c.asked()
	c.run(3 * time.Second)
	c.d.HandleNACK(c.now, videoSSRC+1, nack(old))
	c.run(time.Second)
	c.d.HandleNACK(c.now, videoSSRC+1, nack(old)) // a key frame has come since
	c.run(time.Second)
	if len(*asked) != 1 {
		t.Errorf("a key frame was asked for %d times, want once", len(*asked))
	}
}

// A subscriber that asks for nonsense all the time gets no more key frames
// than one that asks for key frames.
func TestHolesAreBounded(t *testing.T) {
	c := steady(t, 0)
	asked := c.asked()
	begin, first := c.now, c.media(1)[0].Sequence
	for i := range 2000 {
		c.d.HandleNACK(c.now, videoSSRC+1, nack(uint16(i*37), first))
		c.run(time.Millisecond)
	}
	if most := int(c.now.Sub(begin)/keyframePause) + 1; len(*asked) > most {
		t.Errorf("%d key frames asked for, at most %d", len(*asked), most)
	}
}
