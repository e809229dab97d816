package link

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

var epoch = time.Unix(1_700_000_000, 0)

func mustNew(t testing.TB, c Config) *Link {
	t.Helper()
	l, err := New(epoch, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// blast offers packets of a size at a rate for a time.
func blast(l *Link, rate units.Rate, size units.Size, d time.Duration, each func(now time.Time, f Fate)) {
	for at := time.Duration(0); at < d; at += size.At(rate) {
		now := epoch.Add(at)
		f := l.Offer(now, Packet{Size: size, ECT: true})
		if each != nil {
			each(now, f)
		}
	}
}

func TestDelayIsSerialisationAndPropagation(t *testing.T) {
	l := mustNew(t, Config{Capacity: Constant(80 * units.Kbps), Queue: Queue{Delay: s}, Delay: 50 * ms})
	a := l.Offer(epoch, Packet{Size: 1000})
	b := l.Offer(epoch, Packet{Size: 500})
	if d := a.Arrive.Sub(epoch); d != 150*ms || a.Waited != 0 {
		t.Errorf("first: %v after waiting %v, want 150ms after 0", d, a.Waited)
	}
	if d := b.Arrive.Sub(epoch); d != 200*ms || b.Waited != 100*ms {
		t.Errorf("second: %v after waiting %v, want 200ms after 100ms", d, b.Waited)
	}
	if got := l.Backlog(epoch.Add(50 * ms)); got != 1000 {
		t.Errorf("backlog %v after 50 ms, want 1000", got)
	}
	if got := l.Wait(epoch.Add(50 * ms)); got != 100*ms {
		t.Errorf("wait %v after 50 ms, want 100ms", got)
	}
}

func TestRateIsKept(t *testing.T) {
	traced, _, err := ReadTrace(strings.NewReader("12\n24\n36\n48\n"))
	if err != nil {
		t.Fatal(err)
	}
	stepped, err := Steps(10*s, Step{0, units.Mbps}, Step{5 * s, 200 * units.Kbps})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		capacity Capacity
		mean     units.Rate
	}{
		"constant": {Constant(units.Mbps), units.Mbps},
		"trace":    {traced, units.Mbps},
		"steps":    {stepped, 600 * units.Kbps},
	} {
		l := mustNew(t, Config{Capacity: c.capacity, Queue: Queue{Delay: 300 * ms}, Delay: 20 * ms})
		var bytes units.Size
		end := epoch.Add(60 * s)
		blast(l, 1500*units.Kbps, 700, 60*s, func(_ time.Time, f Fate) {
			if f.Drop == None && f.Arrive.Before(end) {
				bytes += 700
			}
		})
		if got := bytes.Over(60 * s); math.Abs(float64(got-c.mean)) > 0.01*float64(c.mean) {
			t.Errorf("%s: carried %v, want %v within 1 %%", name, got, c.mean)
		}
		if got := l.Carries(epoch, end).Over(60 * s); math.Abs(float64(got-c.mean)) > 0.001*float64(c.mean) {
			t.Errorf("%s: says it carries %v, want %v", name, got, c.mean)
		}
		if st := l.Stats(); st.Dropped[Overflowed].Packets == 0 || st.Offered.Packets != st.Arriving.Packets+st.Dropped[Overflowed].Packets {
			t.Errorf("%s: stats %+v", name, st)
		}
	}
}

func TestQueueLimits(t *testing.T) {
	for name, c := range map[string]struct {
		queue Queue
		want  time.Duration // longest wait
	}{
		"milliseconds": {Queue{Delay: 300 * ms}, 300 * ms},
		"bytes":        {Queue{Size: 25_000}, 200 * ms},
		"the smaller":  {Queue{Delay: 100 * ms, Size: 25_000}, 100 * ms},
	} {
		l := mustNew(t, Config{Capacity: Constant(units.Mbps), Queue: c.queue})
		var longest time.Duration
		blast(l, 2*units.Mbps, 1000, 10*s, func(_ time.Time, f Fate) { longest = max(longest, f.Waited) })
		if longest > c.want || longest < c.want-20*ms {
			t.Errorf("%s: longest wait %v, want up to %v", name, longest, c.want)
		}
	}
}

// A queue in milliseconds keeps its bytes in an outage, and what waits comes
// late but comes.
func TestOutageHoldsWhatTheQueueTakes(t *testing.T) {
	steps, err := Steps(0, Step{0, units.Mbps}, Step{10 * s, 0}, Step{13 * s, 500 * units.Kbps})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"step to zero": {Capacity: steps, Queue: Queue{Delay: s}},
		"outage":       {Capacity: Constant(units.Mbps), Queue: Queue{Delay: s}, Outages: []Outage{{At: 10 * s, For: 3 * s}}},
	} {
		l := mustNew(t, c)
		held := units.Size(0)
		blast(l, 900*units.Kbps, 1000, 13*s, func(now time.Time, f Fate) {
			if now.Sub(epoch) < 10*s {
				if f.Drop != None || f.Waited > 0 {
					t.Fatalf("%s: %+v before the outage", name, f)
				}
			} else if f.Drop == None {
				held += 1000
				if at := f.Arrive.Sub(epoch); at < 13*s {
					t.Fatalf("%s: arrived at %v, within the outage", name, at)
				}
			}
		})
		if held < 124_000 || held > 127_000 {
			t.Errorf("%s: %v were held, want a second of 1 Mbit/s", name, held)
		}
		if name == "outage" && l.Carries(epoch.Add(9*s), epoch.Add(14*s)) != 250_000 {
			t.Errorf("carries %v from 9 s to 14 s, want 250 kB", l.Carries(epoch.Add(9*s), epoch.Add(14*s)))
		}
	}
}

func TestOutageThatLoses(t *testing.T) {
	l := mustNew(t, Config{Delay: 10 * ms, Outages: []Outage{{At: s, For: s, Drop: true}}})
	blast(l, 80*units.Kbps, 1000, 3*s, func(now time.Time, f Fate) {
		at := now.Sub(epoch)
		if out := at >= s && at < 2*s; out != (f.Drop == Cut) {
			t.Errorf("at %v: %v", at, f.Drop)
		}
	})
	forEver := mustNew(t, Config{Capacity: Constant(0), Queue: Queue{Delay: s}})
	if f := forEver.Offer(epoch, Packet{Size: 100}); f.Drop != Cut {
		t.Errorf("a link without a rate answers %+v", f)
	}
}

func TestSlotsReleaseTogether(t *testing.T) {
	l := mustNew(t, Config{Capacity: Constant(units.Mbps), Queue: Queue{Delay: s}, Slot: 40 * ms, Delay: 5 * ms})
	arrivals := map[time.Duration]int{}
	blast(l, units.Mbps, 500, 4*s, func(_ time.Time, f Fate) { arrivals[f.Arrive.Sub(epoch)-5*ms]++ })
	for at, n := range arrivals {
		if at%(40*ms) != 0 {
			t.Errorf("%d packets arrived at %v, off the grid", n, at)
		}
	}
	if n := arrivals[400*ms]; n != 10 {
		t.Errorf("%d packets in a slot, want 10", n)
	}
}

func TestLoss(t *testing.T) {
	const n = 100_000
	mean := func(c Loss) (share, burst float64) {
		l := mustNew(t, Config{Loss: c, Seed: 7})
		lost, bursts, in := 0, 0, false
		for range n {
			if l.Offer(epoch, Packet{Size: 100}).Drop == Lost {
				lost++
				if !in {
					bursts++
				}
				in = true
			} else {
				in = false
			}
		}
		return float64(lost) / n, float64(lost) / float64(max(1, bursts))
	}
	for _, p := range []float64{0.01, 0.05, 0.2, 0.4} {
		got, _ := mean(Loss{Random: p})
		if sigma := math.Sqrt(p * (1 - p) / n); math.Abs(got-p) > 3*sigma {
			t.Errorf("random %v: lost %v, more than three sigma away", p, got)
		}
	}
	// p 0.0075, r 0.125: bad for 5.66 % of the time, 8 packets at a time.
	got, burst := mean(Loss{Bursts: GilbertElliott{Enter: 0.0075, Leave: 0.125, Bad: 0.8}})
	if math.Abs(got-0.0453) > 0.004 || burst < 2.5 {
		t.Errorf("bursts: lost %v in bursts of %v, want 4.5 %% in bursts", got, burst)
	}
	l := mustNew(t, Config{Loss: Loss{Packets: []uint64{0, 3, 4}}})
	var lost []int
	for i := range 10 {
		if l.Offer(epoch, Packet{Size: 100}).Drop == Lost {
			lost = append(lost, i)
		}
	}
	if !slices.Equal(lost, []int{0, 3, 4}) {
		t.Errorf("scripted: lost %v", lost)
	}
}

func TestMoveLosesWhatIsUnderWay(t *testing.T) {
	l := mustNew(t, Config{Capacity: Constant(80 * units.Kbps), Queue: Queue{Delay: s}, Delay: 100 * ms, Moves: []time.Duration{s}})
	f := l.Offer(epoch, Packet{Size: 1000})
	g := l.Offer(epoch.Add(850*ms), Packet{Size: 1000})
	h := l.Offer(epoch.Add(s), Packet{Size: 1000})
	if f.Drop != None || g.Drop != Moved || h.Drop != None || h.Waited != 0 {
		t.Errorf("fates %v, %v, %v after %v", f.Drop, g.Drop, h.Drop, h.Waited)
	}
	if l.Moves(epoch) != 0 || l.Moves(epoch.Add(s)) != 1 {
		t.Error("the move is not told")
	}
}

func TestOverheadDelaysAndJitter(t *testing.T) {
	l := mustNew(t, Config{Capacity: Constant(80 * units.Kbps), Queue: Queue{Delay: s}, Overhead: OverheadIPv4 + OverheadTURN})
	if f := l.Offer(epoch, Packet{Size: 968}); f.Arrive.Sub(epoch) != 100*ms {
		t.Errorf("968 bytes and 32 of overhead took %v, want 100ms", f.Arrive.Sub(epoch))
	}
	l = mustNew(t, Config{Delay: 10 * ms, Delays: []DelayStep{{s, 90 * ms}, {2 * s, 20 * ms}}})
	for at, want := range map[time.Duration]time.Duration{0: 10 * ms} {
		if f := l.Offer(epoch.Add(at), Packet{Size: 1}); f.Arrive.Sub(epoch) != want {
			t.Errorf("at %v: %v", at, f.Arrive.Sub(epoch))
		}
	}
	if f := l.Offer(epoch.Add(1990*ms), Packet{Size: 1}); f.Arrive.Sub(epoch) != 2080*ms {
		t.Errorf("on the long path: %v", f.Arrive.Sub(epoch))
	}
	if f := l.Offer(epoch.Add(2*s), Packet{Size: 1}); f.Arrive.Sub(epoch) != 2080*ms {
		t.Errorf("the shorter path overtook: %v", f.Arrive.Sub(epoch))
	}
	l = mustNew(t, Config{Delay: 100 * ms, Jitter: Jitter{15 * ms}, Seed: 3})
	var sum, square float64
	const n = 2000
	for i := range n {
		now := epoch.Add(time.Duration(i) * s)
		d := l.Offer(now, Packet{Size: 1}).Arrive.Sub(now)
		if d < 55*ms || d > 145*ms {
			t.Fatalf("delay %v is beyond three deviations", d)
		}
		x := (d - 100*ms).Seconds() * 1000
		sum, square = sum+x, square+x*x
	}
	if mean, sd := sum/n, math.Sqrt(square/n); math.Abs(mean) > 1 || math.Abs(sd-15) > 1 {
		t.Errorf("jitter of mean %.1f ms and deviation %.1f ms, want 0 and 15", mean, sd)
	}
}

func TestPipeReordersAndDuplicatesOnDemand(t *testing.T) {
	p, err := NewPipe[int](epoch, Config{Delay: 10 * ms, Reordering: Reordering{0.1, 30 * ms}, Duplicate: 0.1, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	copies := 0
	for i := range 1000 {
		now := epoch.Add(time.Duration(i) * 5 * ms)
		p.Push(now, Packet{Size: 100}, i)
		for !p.Next().IsZero() && !p.Next().After(now) {
			d, _ := p.Pop(now)
			if d.Copy {
				copies++
			} else {
				order = append(order, d.Value)
			}
		}
	}
	late := 0
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			late++
		}
	}
	if late < 70 || late > 130 || copies < 70 || copies > 130 {
		t.Errorf("%d late and %d copies of 1000, want about 100 each", late, copies)
	}
}

func TestValidateRefusesNonsense(t *testing.T) {
	ok := Config{Capacity: Constant(units.Mbps), Queue: Queue{Delay: s}}
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, edit := range map[string]func(*Config){
		"needs a queue":           func(c *Config) { c.Queue = Queue{} },
		"outside 0 to 5m":         func(c *Config) { c.Queue.Delay = time.Hour },
		"delay -1ns":              func(c *Config) { c.Delay = -1 },
		"chances must be":         func(c *Config) { c.Loss.Random = math.NaN() },
		"never left":              func(c *Config) { c.Loss.Bursts.Enter = 0.1 },
		"numbers must rise":       func(c *Config) { c.Loss.Packets = []uint64{2, 1} },
		"outages must be apart":   func(c *Config) { c.Outages = []Outage{{0, s, false}, {s, s, false}} },
		"times must rise":         func(c *Config) { c.Moves = []time.Duration{s, s} },
		"one packet of 1500":      func(c *Config) { c.Policer = Policer{Rate: 1} },
		"duplication 2 is":        func(c *Config) { c.Duplicate = 2 },
		"slot -1ns":               func(c *Config) { c.Slot = -1 },
		"overhead 5.0 kB is":      func(c *Config) { c.Overhead = 5000 },
		"discipline 9 is unknown": func(c *Config) { c.Queue.Discipline = 9 },
	} {
		c := ok
		edit(&c)
		if _, err := New(epoch, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for want, steps := range map[string][]Step{
		"no rate steps":         {},
		"is at 1s, not at 0":    {{s, 1}},
		"is not after":          {{0, 1}, {s, 1}, {s, 2}},
		"outside 0 to":          {{0, -5}},
		"carry nothing":         {{0, 0}, {s, 0}},
		"begin anew after 2s, ": {{0, 1}, {3 * s, 1}},
	} {
		if _, err := Steps(2*s, steps...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("steps %v: error %v, want one with %q", steps, err, want)
		}
	}
}

func TestOfferDoesNotAllocate(t *testing.T) {
	p, err := NewPipe[int](epoch, Config{Capacity: Constant(units.Mbps), Queue: Queue{Delay: 300 * ms, Discipline: CoDel}, Delay: 50 * ms, Loss: Loss{Random: 0.1}})
	if err != nil {
		t.Fatal(err)
	}
	now := epoch
	step := func() {
		now = now.Add(9 * ms)
		p.Push(now, Packet{Size: 1200}, 1)
		for {
			if _, ok := p.Pop(now); !ok {
				break
			}
		}
	}
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(2000, step); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkOffer(b *testing.B) {
	l := mustNew(b, Config{Capacity: Constant(units.Mbps), Queue: Queue{Delay: 300 * ms}, Delay: 50 * ms})
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(9 * ms)
		l.Offer(now, Packet{Size: 1200})
	}
}

func TestReasonsHaveNames(t *testing.T) {
	for r := None; r < Reasons; r++ {
		if r.String() == fmt.Sprint(uint8(r)) || r.String() == "unknown" {
			t.Errorf("reason %d has no name", r)
		}
	}
}
