package blend

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

var start = time.Unix(1000, 0)

const overhead = units.Size(50)

// after runs a planner at one need for a while, ten times a second.
func after(p *Planner, from time.Time, length time.Duration, n Need) Plan {
	for at := time.Duration(0); at <= length; at += 100 * time.Millisecond {
		p.Update(from.Add(at), n)
	}
	return p.Plan()
}

func TestCost(t *testing.T) {
	// Measured in the field: 12 kbit/s in 60 ms packets of 50 bytes beside the payload.
	if got := Cost(12*units.Kbps, 60*time.Millisecond, overhead); got < 18600 || got > 18700 {
		t.Errorf("12 kbit/s at 60 ms: %v", got)
	}
	if got := Cost(6*units.Kbps, 120*time.Millisecond, overhead); got < 9300 || got > 9400 {
		t.Errorf("6 kbit/s at 120 ms: %v", got)
	}
}

func TestPlans(t *testing.T) {
	for name, test := range map[string]struct {
		need Need
		want Plan
	}{
		"a good link":          {Need{Budget: units.Mbps, Voices: 5, Payload: 30 * units.Kbps}, Plan{Reason: Fits}},
		"nobody else":          {Need{Budget: 8 * units.Kbps}, Plan{Reason: Fits}},
		"one thin voice":       {Need{Budget: 16 * units.Kbps, Voices: 1, Payload: 12 * units.Kbps}, Plan{Reason: Fits}},
		"one rich voice":       {Need{Budget: 20 * units.Kbps, Voices: 1, Payload: 30 * units.Kbps}, Plan{Thinned, 12 * units.Kbps, 60 * time.Millisecond, OneThin}},
		"one, less":            {Need{Budget: 16 * units.Kbps, Voices: 1, Payload: 30 * units.Kbps}, Plan{Thinned, 8 * units.Kbps, 60 * time.Millisecond, OneThin}},
		"two of a browser":     {Need{Budget: 40 * units.Kbps, Voices: 2}, Plan{Mixed, 12 * units.Kbps, 60 * time.Millisecond, ManyThin}},
		"two thin voices":      {Need{Budget: 40 * units.Kbps, Voices: 2, Payload: 12 * units.Kbps}, Plan{Reason: Fits}},
		"two, gprs's uplink":   {Need{Budget: 12 * units.Kbps, Voices: 2, Payload: 12 * units.Kbps}, Plan{Mixed, 8 * units.Kbps, 120 * time.Millisecond, ManyThin}},
		"many, hardly a link":  {Need{Budget: 10 * units.Kbps, Voices: 9, Payload: 12 * units.Kbps}, Plan{Mixed, 6 * units.Kbps, 120 * time.Millisecond, ManyThin}},
		"less than a voice":    {Need{Budget: 5 * units.Kbps, Voices: 2, Payload: 12 * units.Kbps}, Plan{Mixed, 6 * units.Kbps, 120 * time.Millisecond, Thinnest}},
		"an absurd payload":    {Need{Budget: 5 * units.Kbps, Voices: 2, Payload: 10 * units.Gbps}, Plan{Mixed, 6 * units.Kbps, 120 * time.Millisecond, Thinnest}},
		"no budget, no voices": {Need{}, Plan{Reason: Fits}},
	} {
		t.Run(name, func(t *testing.T) {
			test.need.Overhead = overhead
			var p Planner
			if got := after(&p, start, 10*time.Second, test.need); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// A dip of the budget changes nothing; a lasting one does, and the way back takes
// longer and some room.
func TestPatience(t *testing.T) {
	thin := Need{Budget: 30 * units.Kbps, Voices: 2, Overhead: overhead}
	rich := thin
	rich.Budget = 200 * units.Kbps
	var p Planner
	after(&p, start, 10*time.Second, rich)
	if got := after(&p, start.Add(10*time.Second), Patience-200*time.Millisecond, thin); got.Kind != Separate {
		t.Errorf("after a dip: %+v", got)
	}
	after(&p, start.Add(12*time.Second), 10*time.Second, rich)
	if got := after(&p, start.Add(30*time.Second), Patience, thin); got.Kind != Mixed {
		t.Errorf("after a while: %+v", got)
	}
	barely := thin
	barely.Budget = thin.Separately() + 1000
	if got := after(&p, start.Add(40*time.Second), time.Minute, barely); got.Kind != Mixed {
		t.Errorf("without a margin: %+v", got)
	}
	if got := after(&p, start.Add(120*time.Second), Calm-time.Second, rich); got.Kind != Mixed || got.Reason != Returning {
		t.Errorf("at once: %+v", got)
	}
	if got := after(&p, start.Add(130*time.Second), Calm+time.Second, rich); got.Kind != Separate {
		t.Errorf("calm: %+v", got)
	}
}

// What came before a time in which nothing is known does not count.
func TestHold(t *testing.T) {
	thin := Need{Budget: 30 * units.Kbps, Voices: 2, Overhead: overhead}
	var p Planner
	after(&p, start, Patience-200*time.Millisecond, thin)
	p.Hold()
	if got := after(&p, start.Add(time.Minute), Patience-200*time.Millisecond, thin); got.Kind != Separate {
		t.Errorf("after a hold: %+v", got)
	}
}

// Within noise of 10 % of the budget nothing goes to and fro.
func TestNoOscillation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		middle := rapid.IntRange(6_000, 150_000).Draw(t, "budget")
		need := Need{
			Voices: rapid.IntRange(1, 9).Draw(t, "voices"), Overhead: overhead,
			Payload: units.Rate(rapid.IntRange(6_000, 64_000).Draw(t, "payload")),
		}
		noise := rapid.SliceOfN(rapid.IntRange(-100, 100), 60, 60).Draw(t, "noise")
		var p Planner
		last, changes := Plan{}, 0
		for i := range 600 {
			need.Budget = units.Rate(middle + middle*noise[i%len(noise)]/1000)
			plan := p.Update(start.Add(time.Duration(i)*100*time.Millisecond), need)
			if i > 100 && (plan.Kind != last.Kind || plan.Rate != last.Rate || plan.PacketTime != last.PacketTime) {
				changes++
			}
			last = plan
		}
		if changes > 2 {
			t.Fatalf("%d changes in 50 s", changes)
		}
	})
}

// What is planned fits, unless nothing does.
func TestFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need := Need{
			Budget: units.Rate(rapid.IntRange(0, 300_000).Draw(t, "budget")), Voices: rapid.IntRange(0, 9).Draw(t, "voices"),
			Payload:  units.Rate(rapid.IntRange(0, 100_000).Draw(t, "payload")),
			Overhead: units.Size(rapid.IntRange(28, 120).Draw(t, "overhead")),
		}
		var p Planner
		plan := after(&p, start, 10*time.Second, need)
		cost := need.Separately()
		if plan.Kind != Separate {
			cost = Cost(plan.Rate, plan.PacketTime, need.Overhead)
		}
		if cost > need.Budget && plan.Reason != Thinnest {
			t.Fatalf("%+v costs %v", plan, cost)
		}
	})
}
