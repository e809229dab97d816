package jitter

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// On any link, packets are accounted for: each accepted one is played, left out
// to catch up, or still there; and while somebody speaks there is no more
// silence than the link's loss and delay explain.
func TestAccountedFor(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		length := 5 * time.Second
		packets := stream(length, rapid.Bool().Draw(r, "LBRR"))
		withRED(packets, rapid.IntRange(0, 2).Draw(r, "distance"))
		jitter := rapid.Int64Range(0, int64(300*ms)).Draw(r, "jitter")
		loss := rapid.IntRange(0, 40).Draw(r, "loss")
		lost := 0
		for i := range packets {
			// Few draws: a third of the packets share each fate.
			if i%3 == 0 {
				packets[i].lost = rapid.IntRange(1, 100).Draw(r, "chance") <= loss
				packets[i].arrives += time.Duration(rapid.Int64Range(0, jitter).Draw(r, "late"))
			}
			if packets[i].lost {
				lost++
			}
		}
		s := call(t, packets, length+3*time.Second, nil)
		accepted := time.Duration(s.Accepted) * 20 * ms
		if s.Played+s.Skipped != accepted || s.Overflows > 0 {
			r.Fatalf("%v accepted, %v played, %v left out: %+v", accepted, s.Played, s.Skipped, s)
		}
		if s.Accepted+s.Late < uint64(len(packets)-lost) {
			r.Fatalf("%d packets sent, %d lost: %+v", len(packets), lost, s)
		}
		if s.Repaired+s.Played > length || s.Delay > time.Second || s.Target > 500*ms {
			r.Fatalf("%+v", s)
		}
		if lost == 0 && jitter == 0 && s.Concealed != 120*ms { // after the last packet only
			r.Fatalf("%v concealed on a clean link", s.Concealed)
		}
	})
}
