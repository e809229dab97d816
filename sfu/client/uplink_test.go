package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A publisher whose uplink becomes thin in a call is told to send the smallest
// layer alone, and more again soon after it is wide.
func TestUplinkBecomesThin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		ann, bob := w.watched(3 * units.Mbps)
		time.Sleep(20 * time.Second)
		if ann.active() != [3]bool{false, false, true} {
			t.Errorf("on a wide uplink %v are asked for", ann.active())
		}
		// So thin that the smallest layer does not fit whole: where it just does, a path
		// that became wide again shows only when the next larger one is tried, which may
		// be 16 s later.
		w.network.Connect(ann.addr, serverAddr, &narrow{rate: 130 * units.Kbps})
		took := until(t, 12*time.Second, "the smallest layer is asked for", func() bool { return ann.active()[0] && !ann.active()[2] })
		time.Sleep(10 * time.Second)
		moves, one := 0, 0
		for range 20 {
			heard := bob.heard(3)
			time.Sleep(time.Second)
			if bob.heard(3)-heard >= 5 {
				moves++
			}
			if ann.active() == [3]bool{true} {
				one++
			}
		}
		if moves < 18 || one < 10 {
			t.Errorf("on a thin uplink the picture moves in %d of 20 s; in %d the smallest layer alone is asked for", moves, one)
		}
		w.network.Connect(ann.addr, serverAddr, &narrow{rate: 3 * units.Mbps})
		back := until(t, 15*time.Second, "more is asked for", func() bool { return ann.active()[1] || ann.active()[2] })
		t.Logf("one layer after %v, moves in %d of 20 s, one layer alone in %d; more %v after the return", took, moves, one, back)
		w.leave(bob)
		w.leave(ann)
	})
}
