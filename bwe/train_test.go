package bwe

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A train whose first packet is a large one of media is asked to be longer by as
// much, for the first packet measures nothing; other probes keep to their size.
func TestTrainBeginsWithMedia(t *testing.T) {
	for _, c := range []struct {
		name  string
		train bool
		sizes []int32
		asked units.Size // in the end
		sent  int        // packets until it is sent
	}{
		{"padding alone", true, []int32{160, 160, 160, 160, 160, 160}, 800, 5},
		{"media first", true, []int32{1200, 160, 160, 160, 160, 160, 160}, 2000, 6},
		{"media later", true, []int32{160, 1200, 160}, 800, 2},
		{"an ordinary probe", false, []int32{1200, 160}, 800, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p probing
			p.start(1, 4*units.Mbps, trainSize)
			p.train = c.train
			n, asked := 0, p.ask.Size
			for i, size := range c.sizes {
				p.onSent(int64(i+1), &sent{sequence: int64(i), size: size, probe: p.id}, true)
				n++
				if !p.sending {
					break
				}
				asked = p.ask.Size
			}
			if n != c.sent || asked != c.asked {
				t.Errorf("sent after %d packets and %v, want %d and %v", n, asked, c.sent, c.asked)
			}
		})
	}
}

// What a path carries is told by a train among whose packets another flow's came:
// on 2 Mbit/s a flow that gets the half sends 1000 bytes at 4 Mbit/s, and 250 of the other
// come between.
func TestPathBehindATrain(t *testing.T) {
	came := units.Size(1000).Over(units.Size(1250).At(2 * units.Mbps))
	if got := behind(came, units.Mbps, 4e6); got < 1900*units.Kbps || got > 2100*units.Kbps {
		t.Errorf("a path of 2 Mbit/s seems to carry %v", got)
	}
	// Nobody else: it came at the path's own rate.
	if got := behind(2*units.Mbps, 2*units.Mbps, 4e6); got < 1990*units.Kbps || got > 2010*units.Kbps {
		t.Errorf("a path of 2 Mbit/s of ours alone seems to carry %v", got)
	}
	// A train that met in a slot tells of no path without end.
	if got := behind(10*units.Mbps, units.Mbps, 4e6); got > 16*units.Mbps {
		t.Errorf("a train at 4 Mbit/s tells of %v", got)
	}
}
