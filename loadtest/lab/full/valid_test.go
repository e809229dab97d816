package full_test

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestLinkIsTrue: what real stacks see of the emulated link is what the plan
// says, beside traffic that overfills it: the rate within 1 %, each packet's
// delay within 1 ms, and loss within three sigma.
func TestLinkIsTrue(t *testing.T) {
	const (
		d     = 20 * time.Second
		rate  = units.Mbps
		delay = 50 * time.Millisecond
		loss  = 0.05
	)
	p := over(full.Rivulet, rate, d)
	p.Forward[0].Loss.Random, p.Forward[0].Seed = loss, 9
	p.Flows = []full.Flow{{Voice: 24 * units.Kbps, Most: 300 * units.Kbps}}
	p.UDP = []lab.UDP{{Rate: 1200 * units.Kbps}}
	r, err := full.Run(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	all := append(append([]full.Packet(nil), r.Flows[0].Packets...), r.Other...)

	// The bottleneck is busy from the second second on. What it lost behind
	// itself has used it too.
	var served units.Size
	through, lost := 0, 0
	for _, k := range all {
		if k.Drop != link.None && k.Drop != link.Lost {
			continue
		}
		through++
		if k.Drop == link.Lost {
			lost++
		}
		left := k.Sent + k.Waited + k.Size.At(rate)
		if left >= 2*time.Second && left < d-time.Second {
			served += k.Size
		}
		if k.Drop == link.None {
			if off := k.Arrived - left - delay; off < -time.Millisecond || off > time.Millisecond {
				t.Fatalf("a packet sent at %v that waited for %v came %v off its time", k.Sent, k.Waited, off)
			}
		}
	}
	if got := served.Over(d - 3*time.Second); math.Abs(float64(got)/float64(rate)-1) > 0.01 {
		t.Errorf("%v through a link of %v", got, rate)
	}
	share, sigma := float64(lost)/float64(through), math.Sqrt(loss*(1-loss)/float64(through))
	if math.Abs(share-loss) > 3*sigma {
		t.Errorf("%.2f %% of %d packets lost, want %.0f %% within %.2f", 100*share, through, 100*loss, 300*sigma)
	}
	t.Logf("%d packets, %.2f %% lost", through, 100*share)
}
