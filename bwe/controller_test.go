package bwe_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func newController(t testing.TB) *bwe.Controller {
	t.Helper()
	c, err := bwe.New(bwe.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func at(d time.Duration) time.Time { return epoch.Add(d) }

func TestConfigIsChecked(t *testing.T) {
	if err := bwe.DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*bwe.Config){
		"no min":            func(c *bwe.Config) { c.Min = 0 },
		"max below min":     func(c *bwe.Config) { c.Max = c.Min - 1 },
		"max without end":   func(c *bwe.Config) { c.Max = units.MaxRate },
		"initial too low":   func(c *bwe.Config) { c.Initial = c.Min - 1 },
		"initial too high":  func(c *bwe.Config) { c.Initial = c.Max + 1 },
		"no probe queue":    func(c *bwe.Config) { c.ProbeQueue = 0 },
		"headroom below 1":  func(c *bwe.Config) { c.Headroom = 0.9 },
		"headroom NaN":      func(c *bwe.Config) { c.Headroom = math.NaN() },
		"silence too short": func(c *bwe.Config) { c.Silence = time.Millisecond },
		"no weight":         func(c *bwe.Config) { c.Weight = 0 },
		"weight NaN":        func(c *bwe.Config) { c.Weight = math.NaN() },
		"no interval":       func(c *bwe.Config) { c.ReportInterval = 0 },
	} {
		cfg := bwe.DefaultConfig()
		edit(&cfg)
		if _, err := bwe.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFirstDecision(t *testing.T) {
	c := newController(t)
	d := c.Decision()
	if d.Target > 25*units.Kbps || d.State != bwe.Startup || d.Window <= 0 || d.Window > 4000 {
		t.Fatalf("knowing nothing of the path, the first decision is %+v", d)
	}
	c.SetLadder(epoch, bwe.Ladder{Base: 40 * units.Kbps, Next: 400 * units.Kbps, Full: units.Mbps})
	if d = c.Decision(); d.Target != 40*units.Kbps {
		t.Fatalf("the first target is %v, want the ladder's base", d.Target)
	}
	cfg := bwe.DefaultConfig()
	cfg.Known = 300 * units.Kbps
	c, err := bwe.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d = c.Decision()
	if d.Target != 300*units.Kbps || d.State != bwe.Startup || d.Pacing < d.Target.Scale(0.79) || d.Window <= 0 || d.Reason == "" {
		t.Fatalf("first decision %+v", d)
	}
	if !c.Next().IsZero() {
		t.Fatal("nothing was sent, yet something is due")
	}
}

// Receiver reports alone give a coarse mode that says so.
func TestCoarse(t *testing.T) {
	c := newController(t)
	now := at(0)
	send := func(d time.Duration, rate units.Rate) {
		for end := now.Add(d); now.Before(end); now = now.Add(20 * time.Millisecond) {
			c.OnSent(now, bwe.SentPacket{Sequence: int64(now.Sub(epoch) / (20 * time.Millisecond)), Size: rate.In(20 * time.Millisecond)})
		}
	}
	send(2*time.Second, 300*units.Kbps)
	d := c.OnReceiverReport(now, 0, 100*time.Millisecond)
	if d.State != bwe.Coarse || d.Target != 300*units.Kbps {
		t.Fatalf("state %v, target %v", d.State, d.Target)
	}
	for range 10 {
		send(time.Second, d.Target)
		d = c.OnReceiverReport(now, 0, 100*time.Millisecond)
	}
	risen := d.Target
	if risen < 400*units.Kbps || risen > 700*units.Kbps {
		t.Errorf("ten clean seconds took the target to %v", risen)
	}
	send(time.Second, d.Target)
	if d = c.OnReceiverReport(now, 0.3, 100*time.Millisecond); d.Target > risen.Scale(0.9) {
		t.Errorf("30 %% loss took the target from %v to %v", risen, d.Target)
	}
	lossy := d.Target
	send(time.Second, d.Target)
	if d = c.OnReceiverReport(now, 0, 600*time.Millisecond); d.Target >= lossy {
		t.Errorf("half a second of queue took the target from %v to %v", lossy, d.Target)
	}
	if d = c.OnREMB(now, 150*units.Kbps); d.Target != 150*units.Kbps {
		t.Errorf("the receiver's own estimate of 150 kbit/s gives %v", d.Target)
	}
	if d = c.OnTick(now.Add(6 * time.Second)); d.Target <= 150*units.Kbps {
		t.Errorf("a stale estimate still holds: %v", d.Target)
	}
	if d = c.OnTick(now.Add(20 * time.Second)); d.Target != bwe.DefaultConfig().Min {
		t.Errorf("without any report the target is %v", d.Target)
	}
	// Packet reports end the mode.
	d = c.OnFeedback(now.Add(21*time.Second), []bwe.PacketReport{{Sequence: now.Sub(epoch).Milliseconds()/20 - 1, Received: true, Arrival: time.Second}})
	if d.State == bwe.Coarse {
		t.Error("still coarse after a packet report")
	}
	if d = c.OnReceiverReport(now.Add(22*time.Second), 0.5, time.Second); d.State == bwe.Coarse {
		t.Error("coarse again although packet reports come")
	}
}

func TestRouteChangeForgets(t *testing.T) {
	l := &link{rate: steady(4 * units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}
	p := newPath(t, l, saturating, nil)
	p.bwe.SetLadder(epoch, wantsAll)
	p.run(10 * time.Second)
	p.bwe.OnRouteChange(p.clock(p.now))
	d := p.bwe.Decision()
	if d.Target != wantsAll.Base || d.State != bwe.Startup || d.Reason != "route changed" {
		t.Fatalf("after a route change %v, %v, %q", d.Target, d.State, d.Reason)
	}
	l.rate, l.delay = steady(600*units.Kbps), 150*time.Millisecond
	p.run(13 * time.Second)
	p.measureFrom()
	p.run(30 * time.Second)
	if u := p.utilisation(); u < 95 {
		t.Errorf("the new path is used to %.1f %%", u)
	}
	if q := p.queue(95); q > 60*time.Millisecond {
		t.Errorf("queue %v on the new path", q)
	}
}

func TestCongestionMarksCut(t *testing.T) {
	cfg := bwe.DefaultConfig()
	cfg.Known = 300 * units.Kbps
	c, err := bwe.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var d bwe.Decision
	for i := range int64(100) {
		now := at(time.Duration(i) * 20 * time.Millisecond)
		c.OnSent(now, bwe.SentPacket{Sequence: i, Size: 750})
		if i > 5 {
			r := bwe.PacketReport{Sequence: i - 5, Received: true, Arrival: time.Duration(i) * 20 * time.Millisecond}
			if i > 50 {
				r.ECN = 3
			}
			d = c.OnFeedback(now, []bwe.PacketReport{r})
		}
	}
	if d.Target > 200*units.Kbps {
		t.Errorf("a second of congestion marks leaves the target at %v", d.Target)
	}
}

// A receiver that reports arrivals as it likes harms nobody but itself: the
// target does not pass what is sent by more than a half, nor the maximum.
func TestLyingReceiver(t *testing.T) {
	c := newController(t)
	c.SetLadder(at(0), bwe.Ladder{Full: 200 * units.Kbps})
	var d bwe.Decision
	for i := range int64(3000) {
		now := at(time.Duration(i) * 20 * time.Millisecond)
		c.OnSent(now, bwe.SentPacket{Sequence: i, Size: 500}) // 200 kbit/s
		d = c.OnFeedback(now, []bwe.PacketReport{{Sequence: i, Received: true, Arrival: time.Duration(i) * time.Millisecond}})
	}
	if d.Target > 310*units.Kbps { // rates are measured to a packet a second
		t.Errorf("the target is %v though 200 kbit/s are sent", d.Target)
	}
}

func TestRefusesNonsense(t *testing.T) {
	c := newController(t)
	c.OnSent(at(0), bwe.SentPacket{Sequence: 5, Size: 100})
	c.OnSent(at(0), bwe.SentPacket{Sequence: 5, Size: 100})
	c.OnSent(at(0), bwe.SentPacket{Sequence: 4, Size: 100})
	c.OnSent(at(0), bwe.SentPacket{Sequence: 6, Size: 0})
	c.OnSent(at(0), bwe.SentPacket{Sequence: 6, Size: 1 << 40})
	c.OnFeedback(at(1), []bwe.PacketReport{
		{Sequence: -1, Received: true}, {Sequence: 4}, {Sequence: 1 << 60}, {Sequence: 5, Received: true, Arrival: math.MaxInt64},
	})
	c.OnReceiverReport(at(2), math.NaN(), 0)
	c.OnReceiverReport(at(2), 0, -1)
	c.OnREMB(at(2), 0)
	if s := c.Stats(); s.Refused != 11 || s.Reports != 0 || s.InFlight != 100 {
		t.Fatalf("%+v", s)
	}
}

// Whatever is reported, in whatever order and with whatever clock: no panic,
// rates within bounds, ticks that end, and the target can rise again.
func TestSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := bwe.DefaultConfig()
		cfg.Min = units.Rate(rapid.Int64Range(1, 50_000).Draw(t, "min"))
		cfg.Max = cfg.Min + units.Rate(rapid.Int64Range(0, 20_000_000).Draw(t, "max"))
		cfg.Initial = max(cfg.Min, min(cfg.Max, 300*units.Kbps))
		c, err := bwe.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		state := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(state, 1))
		now := epoch
		seq := int64(0)
		check := func(d bwe.Decision) {
			if d.Target < cfg.Min || d.Target > cfg.Max || d.Pacing < d.Target.Scale(0.79) || d.Window <= 0 || d.Reason == "" || d.Padding < 0 {
				t.Fatalf("decision %+v outside %v to %v", d, cfg.Min, cfg.Max)
			}
			if d.Probe.ID != 0 && (d.Probe.Rate <= 0 || d.Probe.Size <= 0 || d.Probe.Size > 10*units.MB) {
				t.Fatalf("probe %+v", d.Probe)
			}
		}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch random.IntN(12) {
			case 0:
				now = now.Add(time.Duration(random.Int64N(int64(10*time.Second))) - 2*time.Second)
			case 1:
				if random.IntN(10) == 0 {
					now = now.Add(time.Duration(random.Int64() - math.MaxInt64/2))
				}
			case 2:
				c.SetLadder(now, bwe.Ladder{
					Base: units.Rate(random.Int64N(1e6) - 1000), Next: units.Rate(random.Int64N(1e8)), Full: units.Rate(random.Int64()),
				})
			case 3:
				check(c.OnReceiverReport(now, random.Float64()*1.2, time.Duration(random.Int64N(int64(3*time.Second)))))
			case 4:
				check(c.OnREMB(now, units.Rate(random.Int64N(1e9))))
			case 5:
				check(c.OnTick(now))
			case 6:
				if random.IntN(20) == 0 {
					c.OnRouteChange(now)
				}
			case 7, 8:
				var reports []bwe.PacketReport
				for range random.IntN(30) {
					reports = append(reports, bwe.PacketReport{
						Sequence: seq - random.Int64N(40) + 2,
						Received: random.IntN(4) > 0,
						Arrival:  now.Sub(epoch) + time.Duration(random.Int64N(int64(time.Second))),
						ECN:      uint8(random.IntN(256)),
					})
				}
				if len(reports) > 0 && random.IntN(8) == 0 {
					reports[0].Arrival = time.Duration(random.Uint64())
				}
				check(c.OnFeedback(now, reports))
			default:
				for range random.IntN(20) {
					now = now.Add(time.Duration(random.Int64N(int64(10 * time.Millisecond))))
					seq += 1 + random.Int64N(100)/98*random.Int64N(3000)
					c.OnSent(now, bwe.SentPacket{
						Sequence: seq, Size: units.Size(random.IntN(1500)), Probe: c.Decision().Probe.ID * uint16(random.IntN(2)),
					})
				}
			}
			check(c.Decision())
			if n := c.Next(); !n.IsZero() && !n.After(now) {
				check(c.OnTick(now))
			}
			c.Stats()
		}
	})
}

// After any garbage a clean path is used again: nothing is stuck.
func TestRecoversFromGarbage(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		l := &link{rate: steady(units.Mbps), delay: 50 * time.Millisecond, queue: 300 * time.Millisecond}
		p := newPath(t, l, saturating, nil)
		p.bwe.SetLadder(epoch, wantsAll)
		p.run(3 * time.Second)
		for range 200 {
			p.bwe.OnFeedback(p.clock(p.now), []bwe.PacketReport{{
				Sequence: p.sequence - random.Int64N(30),
				Received: random.IntN(2) == 0,
				Arrival:  time.Duration(random.Int64N(int64(100 * time.Second))),
			}})
			p.run(p.now + 10*time.Millisecond)
		}
		p.run(40 * time.Second)
		p.measureFrom()
		p.run(60 * time.Second)
		if u := p.utilisation(); u < 85 {
			t.Errorf("seed %d: half a minute after garbage the path is used to %.1f %%, target %v in %v (%s)",
				seed, u, p.bwe.Decision().Target, p.bwe.State(), p.bwe.Decision().Reason)
		}
		if q := p.queue(95); q > 150*time.Millisecond {
			t.Errorf("seed %d: queue %v", seed, q)
		}
	}
}

// flow answers a step of one report for 20 packets.
func flow(t testing.TB) func() {
	c := newController(t)
	c.SetLadder(epoch, wantsAll)
	reports := make([]bwe.PacketReport, 20)
	i, now := int64(0), epoch
	return func() {
		for k := range reports {
			now = now.Add(5 * time.Millisecond)
			c.OnSent(now, bwe.SentPacket{Sequence: i, Size: 1000, Probe: c.Decision().Probe.ID})
			reports[k] = bwe.PacketReport{Sequence: i, Received: i%50 != 0, Arrival: now.Sub(epoch) + time.Duration(i%7)*time.Millisecond}
			i++
		}
		c.OnFeedback(now, reports)
		c.Next()
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	step := flow(t)
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Fatalf("%v allocations a report", n)
	}
}

func BenchmarkTwentyPacketsAndReport(b *testing.B) {
	step := flow(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
