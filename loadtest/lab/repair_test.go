package lab

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// repairing runs a perfect flow with voice over a megabit and answers its meter.
func repairing(t testing.TB, forward, back link.Config, room time.Duration, seed uint64) (*meter, Result) {
	t.Helper()
	forward.Capacity, forward.Queue.Delay = link.Constant(units.Mbps), 300*ms
	plan := Scenario{
		Suite: "test", Name: "repair", Duration: 60 * sec, Settled: 20 * sec,
		Forward: []link.Config{forward}, Back: []link.Config{back},
		Flows: []Flow{{Media: Media{Perfect: true, Voice: 20 * units.Kbps}, Repair: room}},
	}.withDefaults()
	x := &execution{plan: plan, world: &world{}}
	if err := x.build(seed); err != nil {
		t.Fatal(err)
	}
	x.world.at(0, x, wake)
	x.world.run(plan.Duration)
	var r Result
	o := x.observe()
	o.measure(&r)
	return x.flows[0].meter, r
}

// TestLossAfterRepair holds repair to what chance says: where each way loses p
// and q, a packet is lost after k tries with p (1-(1-p)(1-q))^k.
func TestLossAfterRepair(t *testing.T) {
	for _, c := range []struct {
		name        string
		oneWay      time.Duration
		room        time.Duration
		there, back float64
		tries       int
	}{
		{"10 %, three tries", ms, 2 * sec, 0.1, 0, 3},
		{"20 %, three tries", ms, 2 * sec, 0.2, 0, 3},
		{"40 %, three tries", ms, 2 * sec, 0.4, 0, 3},
		{"20 % and requests lost", ms, 2 * sec, 0.2, 0.3, 3},
		// Noticed by the next frame at the latest, 33 ms, and asked for 15 ms
		// later: there after 170 ms. A second request, 150 ms later, is too late.
		{"20 %, room for one try", 60 * ms, 260 * ms, 0.2, 0, 1},
		{"20 %, round trip beyond the room", 150 * ms, 200 * ms, 0.2, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, r := repairing(t, link.Config{Delay: c.oneWay, Loss: link.Loss{Random: c.there}}, link.Config{Delay: c.oneWay, Loss: link.Loss{Random: c.back}}, c.room, 7)
			n := float64(m.repair.media)
			want := c.there * math.Pow(1-(1-c.there)*(1-c.back), float64(c.tries))
			got := float64(r.More[metricRepaired]) / 100
			// Four deviations; what the end of the run cuts off is less.
			slack := 4*math.Sqrt(want*(1-want)/n) + 1/n
			t.Logf("%.0f packets, loss %.2f %%, after repair %.3f %% (theory %.3f +- %.3f), %.1f kbit/s again, %.2f of requests", n, float64(r.Loss), 100*got, 100*want, 100*slack, float64(r.More[metricResent]), float64(r.More[metricAsked]))
			if math.Abs(got-want) > slack {
				t.Errorf("%.3f %% lost after repair, theory says %.3f +- %.3f", 100*got, 100*want, 100*slack)
			}
			if c.tries == 0 && (m.repair.resent > 0 || m.repair.asked > 0) {
				t.Errorf("%d bytes again and %d of requests, none of which can be in time", m.repair.resent, m.repair.asked)
			}
		})
	}
}

// TestRepairOfOnePacket loses one packet by script: one request, one
// retransmission, nothing lost after it.
func TestRepairOfOnePacket(t *testing.T) {
	m, r := repairing(t, link.Config{Delay: 10 * ms, Loss: link.Loss{Packets: []uint64{500}}}, link.Config{Delay: 10 * ms}, playoutRoom, 1)
	if m.lost != 1 || len(m.repair.mended) != 1 || r.More[metricRepaired] != 0 {
		t.Fatalf("%d lost, %d mended, %v %% after repair; want 1, 1, 0", m.lost, len(m.repair.mended), r.More[metricRepaired])
	}
	// There 10 ms, noticed within a frame, asked for 10 ms later, back, again.
	if d := m.repair.mended[0]; d < 40*ms || d > 110*ms {
		t.Errorf("mended %v after it was sent", d)
	}
	if m.repair.resent < 50 || m.repair.resent > largest+originalNumber {
		t.Errorf("%d bytes sent again", m.repair.resent)
	}
	if want := 16 + reportHeaders; m.repair.asked != want {
		t.Errorf("a request of %d bytes, want %d: 12 of header, 4 of one pair", m.repair.asked, want)
	}
}

// TestRepairCostsNothingWithoutLoss compares a flow with itself.
func TestRepairCostsNothingWithoutLoss(t *testing.T) {
	_, with := repairing(t, link.Config{Delay: 50 * ms}, link.Config{Delay: 50 * ms}, playoutRoom, 1)
	_, without := repairing(t, link.Config{Delay: 50 * ms}, link.Config{Delay: 50 * ms}, 0, 1)
	if _, told := without.More[metricRepaired]; told {
		t.Error("a flow that repairs nothing tells its loss after repair")
	}
	if with.More[metricResent] != 0 || with.More[metricAsked] != 0 || with.Rate != without.Rate {
		t.Errorf("%v again, %v asked, rates %v and %v", with.More[metricResent], with.More[metricAsked], with.Rate, without.Rate)
	}
}

// TestRepairIsBounded tries paths of any kind: nothing is sent again more than
// maxAsks times or too late, loss after repair is never more than loss, and the
// link's queue holds.
func TestRepairIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		oneWay := time.Duration(rapid.IntRange(1, 300).Draw(t, "oneWay")) * ms
		room := time.Duration(rapid.IntRange(50, 2000).Draw(t, "room")) * ms
		there := link.Config{
			Delay: oneWay, Loss: link.Loss{Random: float64(rapid.IntRange(0, 60).Draw(t, "loss")) / 100},
			Reordering: link.Reordering{Share: float64(rapid.IntRange(0, 5).Draw(t, "reorder")) / 100, By: 30 * ms},
		}
		if rapid.Bool().Draw(t, "duplicate") {
			there.Duplicate = 0.02
		}
		back := link.Config{Delay: oneWay, Loss: link.Loss{Random: float64(rapid.IntRange(0, 60).Draw(t, "back")) / 100}}
		plan := Scenario{
			Suite: "test", Name: "repair", Duration: 10 * sec, Settled: 5 * sec,
			Forward: []link.Config{there}, Back: []link.Config{back},
			Flows: []Flow{{Media: Media{Perfect: true, Most: 500 * units.Kbps, Voice: 20 * units.Kbps}, Repair: room}},
		}.withDefaults()
		plan.Forward[0].Capacity, plan.Forward[0].Queue.Delay = link.Constant(400*units.Kbps), 300*ms
		x := &execution{plan: plan, world: &world{}}
		if err := x.build(rapid.Uint64Range(1, 1000).Draw(t, "seed")); err != nil {
			t.Fatal(err)
		}
		x.world.run(plan.Duration)
		f := x.flows[0]
		lost := uint64(len(f.meter.repair.gone) + len(f.meter.repair.mended))
		if left := f.meter.repair.left(0); left > lost {
			t.Fatalf("%d lost after repair of %d lost", left, lost)
		}
		for c := range f.resend.copies {
			for _, k := range f.resend.copies[c] {
				if k.tries > maxAsks {
					t.Fatalf("sent again %d times", k.tries)
				}
			}
		}
		if len(f.asker.lacks) > maxLacks {
			t.Fatalf("%d packets missed at one time", len(f.asker.lacks))
		}
		for _, d := range f.meter.repair.mended {
			if d < 3*oneWay {
				t.Fatalf("mended after %v, one way is %v", d, oneWay)
			}
		}
	})
}
