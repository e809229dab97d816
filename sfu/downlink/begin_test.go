package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
)

// When a path opens the first word goes first: what was said a moment ago at once, and
// padding that measures the path behind it. Where nobody speaks it does not wait.
func TestFirstWordGoesBeforePadding(t *testing.T) {
	const frame = 20 * time.Millisecond
	for _, test := range []struct {
		name   string
		paused time.Duration // since the newest packet, when the path opens
		voice  time.Duration // after which the first voice leaves; 0: none
		wait   time.Duration // of padding, at least
	}{
		{"said this moment", 0, time.Nanosecond, 0},
		{"its packet is under way", 60 * time.Millisecond, 40 * time.Millisecond, 40 * time.Millisecond},
		{"fallen silent", time.Second, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCall(t, config(1), 0)
			c.d.Assign(c.now, 0, Source{ID: 7, Kind: codec.Opus})
			c.d.Tick(c.now)
			speaker := &talker{pool: c.pool, ssrc: 7}
			for range 10 {
				c.now = c.now.Add(frame)
				p := speaker.packet(c.now, 30)
				c.d.Hold(0, p)
				p.Release()
			}
			c.now = c.now.Add(test.paused)
			opened := c.now
			c.d.probe = probe{id: 1, chunk: 300, asked: 600, left: 600}
			c.d.Begin(c.now)
			var voice, padding time.Duration = -1, -1
			var out Outgoing
			for at := time.Duration(0); at < 400*time.Millisecond; at += 5 * time.Millisecond {
				c.now = opened.Add(at)
				if test.voice > time.Nanosecond && at == test.voice {
					speaker.next += int64((test.paused + at) / frame)
					p := speaker.packet(c.now, 30)
					c.d.Forward(c.now, 0, p)
					p.Release()
				}
				c.d.Tick(c.now)
				for c.d.Poll(c.now, &out) {
					switch {
					case out.Slot == 0 && voice < 0:
						voice = at
					case out.Slot == 1 && padding < 0:
						padding = at
					}
					c.d.Sent(c.now, &out, true)
				}
			}
			if heard := voice >= 0; heard != (test.voice > 0) || heard && voice > test.voice+60*time.Millisecond /* until its packet is full */ {
				t.Errorf("the first voice leaves after %v, want %v", voice, test.voice)
			}
			if padding < test.wait || padding > 300*time.Millisecond || voice >= 0 && padding < voice {
				t.Errorf("padding begins after %v, voice after %v", padding, voice)
			}
		})
	}
}
