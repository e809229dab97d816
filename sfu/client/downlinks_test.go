package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// What somebody gets who looks at the largest picture over links of all widths:
// never a large one at a few frames a second where a smaller one would move, and
// all the frames of what is sent. Run with -v it prints the table of docs/layers.md.
func TestPictureFitsTheDownlink(t *testing.T) {
	const length = 60
	for _, c := range []struct {
		rate   units.Rate
		layer  int     // at least this one, as a rule
		frames float64 // a second, at least
	}{
		{60 * units.Kbps, 0, 4},
		{100 * units.Kbps, 0, 9},
		{150 * units.Kbps, 0, 24},
		{250 * units.Kbps, 0, 27},
		{500 * units.Kbps, 1, 24},
		{1000 * units.Kbps, 2, 15},
		{2500 * units.Kbps, 2, 24},
	} {
		t.Run(c.rate.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.close()
				ann, bob := w.watched(5 * units.Mbps)
				w.network.Connect(serverAddr, bob.addr, &narrow{rate: c.rate})
				time.Sleep(30 * time.Second)
				begin, slow := bob.frames, 0
				for range length {
					before := bob.frames
					time.Sleep(time.Second)
					n, larger := 0, 0
					for i := range bob.frames {
						n += bob.frames[i] - before[i]
						if i > 0 {
							larger += bob.frames[i] - before[i]
						}
					}
					if larger > 0 && n < 10 {
						slow++
					}
				}
				all, high := 0, 0
				for i := range bob.frames {
					n := bob.frames[i] - begin[i]
					if all += n; i >= c.layer {
						high += n
					}
				}
				frames := float64(all) / length
				t.Logf("%v: %.1f frames a second, %d %% of layer %d or larger, larger than the smallest with under 10 frames in %d of %d s",
					c.rate, frames, 100*high/max(all, 1), c.layer, slow, length)
				if frames < c.frames || high*10 < all*9 || slow > 3 {
					t.Errorf("want %v frames a second of layer %d, and 10 in all but 3 s", c.frames, c.layer)
				}
				w.leave(bob)
				w.leave(ann)
			})
		})
	}
}

// A way down on which the smallest picture does not fit for a while carries nothing at
// all where nobody speaks: the picture comes back all the same.
func TestPictureComesBackWithoutVoice(t *testing.T) {
	for _, thin := range []units.Rate{3 * units.Kbps, 8 * units.Kbps, 20 * units.Kbps} {
		t.Run(thin.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.close()
				ann, bob := w.watched(5 * units.Mbps)
				way := &narrow{rate: 2500 * units.Kbps}
				w.network.Connect(serverAddr, bob.addr, way)
				time.Sleep(10 * time.Second)
				way.rate = thin
				time.Sleep(20 * time.Second)
				way.rate = 2500 * units.Kbps
				took := time.Duration(0)
				for before := bob.frames; took < time.Minute; took += 100 * time.Millisecond {
					time.Sleep(100 * time.Millisecond)
					if n := bob.frames[0] + bob.frames[1] + bob.frames[2]; n >= before[0]+before[1]+before[2]+30 {
						break
					}
				}
				t.Logf("thirty frames after %v", took)
				if took > 15*time.Second {
					t.Errorf("thirty frames take %v, want 15 s at most", took)
				}
				w.leave(bob)
				w.leave(ann)
			})
		})
	}
}
