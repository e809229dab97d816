package bwe_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// TestRandomPaths tries paths, sources and receivers as they come: the same
// sixty each time, or as many as RIVULET_RANDOM_PATHS says, or 2000 with
// RIVULET_TEST_LONG.
//
// Of the sixty, and of those that once ended badly, none may end badly.
// Of many, one in 300 may end with a target that is still far below the path
// (docs/bwe.md counts them); a deep queue, panics, rates out of bounds and states
// that last for ever are never allowed.
//
// The first part of each run changes and lies, the second is one steady, honest
// path; whatever happened before, there the controller must be well again.
func TestRandomPaths(t *testing.T) {
	n := 60
	if s := os.Getenv("RIVULET_RANDOM_PATHS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	long := os.Getenv(testenv.LongVariable) == "1"
	if long {
		n = max(n, 2000)
	}
	var low, deep []int
	worlds := rapid.Custom(drawWorld)
	for i := range n + len(onceBad) {
		seed := i
		if i >= n {
			seed = onceBad[i-n]
		}
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			w := worlds.Example(seed)
			p := newPath(t, w.link, w.source, nil)
			p.noVoice, p.noPads, p.asks, p.tamper = true, w.noPads, !w.noPads, w.tamper
			p.bwe.SetLadder(epoch, w.ladder)
			watch := &watcher{t: t, w: w, many: long}
			p.every = watch.look
			p.run(w.calm + steadyTime)
			watch.end(p)
			if watch.low {
				low = append(low, seed)
			}
			if watch.full {
				deep = append(deep, seed)
			}
		})
	}
	t.Logf("%d paths: target far below the path in %v, a deep queue in %v", n, low, deep)
	if len(low) > n/300 || len(deep) > 0 {
		t.Errorf("of %d paths %d ended with a target far below the path, %d with a deep queue; want at most %d and none", n, len(low), len(deep), n/300)
	}
}

// onceBad are paths that once ended with a queue of more than two seconds: a silence
// that left one behind before anything was known of the path, and one taken for a
// flow's; and those that stayed far below the path: thin ones with round trips of a
// second, loss held for a policer's, jitter for a flow's, what is lost of nearly
// nothing for a limit, a picture's next step never asked for.
var onceBad = []int{190, 323, 1395, 5664, 457, 622, 846, 1090, 1251, 607, 805, 874}

const steadyTime = 40 * time.Second

// world is what one run is made of.
type world struct {
	link   *link
	last   units.Rate // the rate of the second part
	calm   time.Duration
	source source
	fills  bool // the source fills what it may
	noPads bool
	ladder bwe.Ladder
	tamper func(now time.Duration, reports []bwe.PacketReport) [][]bwe.PacketReport
	moves  []time.Duration // route changes
}

func drawRate(r *rapid.T, name string) units.Rate {
	// As often between 20 and 200 kbit/s as between 200 and 2000.
	decades := rapid.Float64Range(0, 3).Draw(r, name)
	rate := 20e3
	for ; decades >= 1; decades-- {
		rate *= 10
	}
	return units.Rate(rate * (1 + 9*decades))
}

func drawWorld(r *rapid.T) *world {
	ms := func(low, high int, name string) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(r, name)) * time.Millisecond
	}
	w := &world{calm: ms(0, 20, "calm from") * 1000}
	steps := rapid.IntRange(1, 5).Draw(r, "steps")
	var rates []units.Rate
	for range steps {
		rate := drawRate(r, "rate")
		if rapid.IntRange(0, 5).Draw(r, "outage") == 0 {
			rate = 0
		}
		rates = append(rates, rate)
	}
	w.last = drawRate(r, "last rate")
	each := max(w.calm/time.Duration(steps), time.Millisecond)
	w.link = &link{
		rate: func(at time.Duration) units.Rate {
			if at >= w.calm {
				return w.last
			}
			return rates[min(int(at/each), steps-1)]
		},
		delay: ms(0, 600, "delay"), queue: ms(70, 3000, "queue"),
		loss:   rapid.SampledFrom([]float64{0, 0, 0, 0.01, 0.05, 0.2}).Draw(r, "loss"),
		jitter: rapid.SampledFrom([]time.Duration{0, 0, 2, 10, 30}).Draw(r, "jitter") * time.Millisecond,
		slot:   rapid.SampledFrom([]time.Duration{0, 0, 10, 20, 40}).Draw(r, "slot") * time.Millisecond,
		stall:  rapid.SampledFrom([]time.Duration{0, 0, 0, 30}).Draw(r, "stall") * time.Millisecond,
		random: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1)),
	}
	if rapid.Bool().Draw(r, "bursts") {
		w.link.burst = 0.875
	}
	if longer := ms(0, 400, "longer by"); rapid.Bool().Draw(r, "detour") {
		w.link.detour = func(at time.Duration) time.Duration {
			if at < w.calm/2 {
				return 0
			}
			return longer
		}
	}
	w.noPads = rapid.IntRange(0, 4).Draw(r, "no padding") == 0
	switch rapid.IntRange(0, 2).Draw(r, "source") {
	case 0:
		w.source, w.fills = saturating, true
	case 1:
		w.source = layers(30e3, 150e3, 500e3, 1700e3)
	default:
		w.source = func(at time.Duration, target units.Rate) units.Rate {
			if at/(3*time.Second)%2 == 0 {
				return min(target, 100*units.Kbps)
			}
			return target
		}
	}
	w.ladder = bwe.Ladder{Base: 20 * units.Kbps, Next: 4 * units.Mbps, Full: 8 * units.Mbps}
	w.tamper = drawTamper(r, w.calm)
	for range rapid.IntRange(0, 2).Draw(r, "moves") {
		w.moves = append(w.moves, time.Duration(rapid.Float64Range(0, 1).Draw(r, "at")*float64(w.calm)))
	}
	return w
}

// drawTamper answers what becomes of reports until the path is calm: lost,
// twice, late, out of order, forged, contradictory, on a clock that jumps, or
// from a receiver that lies.
func drawTamper(r *rapid.T, until time.Duration) func(time.Duration, []bwe.PacketReport) [][]bwe.PacketReport {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "tamper seed"), 2))
	kind := rapid.IntRange(0, 9).Draw(r, "tamper")
	jump := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(r, "jump"))
	var held [][]bwe.PacketReport
	return func(now time.Duration, reports []bwe.PacketReport) [][]bwe.PacketReport {
		as := append([]bwe.PacketReport(nil), reports...)
		if now >= until {
			as = append(as[:0:0], reports...)
			return [][]bwe.PacketReport{as}
		}
		switch kind {
		case 1:
			if random.IntN(3) == 0 {
				return nil
			}
		case 2:
			return [][]bwe.PacketReport{as, as}
		case 3: // late, the newest first
			if held = append(held, as); len(held) < 3 {
				return nil
			}
			late := [][]bwe.PacketReport{held[2], held[1], held[0]}
			held = nil
			return late
		case 4:
			random.Shuffle(len(as), func(i, j int) { as[i], as[j] = as[j], as[i] })
		case 5: // forged
			for i := range as {
				as[i].Sequence += random.Int64N(2000) - 1000
			}
		case 6: // contradictory
			other := append([]bwe.PacketReport(nil), as...)
			for i := range other {
				other[i].Received = !other[i].Received
			}
			return [][]bwe.PacketReport{as, other, as}
		case 7: // the receiver's clock jumps
			if now > until/2 {
				for i := range as {
					as[i].Arrival += jump
				}
			}
		case 8: // it lies: all came, at once
			for i := range as {
				as[i].Received, as[i].Arrival = true, now/10
			}
		case 9: // nonsense
			for i := range as {
				as[i].Arrival = time.Duration(random.Int64() - random.Int64())
				as[i].ECN = uint8(random.UintN(256))
			}
		}
		return [][]bwe.PacketReport{as}
	}
}

// watcher looks at a run each millisecond.
type watcher struct {
	t     *testing.T
	w     *world
	state bwe.State
	since time.Duration

	probes uint64
	deep   time.Duration // the queue is over two seconds since then
	best   units.Rate    // target in the last ten seconds

	many      bool // what ends badly is counted
	low, full bool // it did
}

func (x *watcher) look(p *path, d bwe.Decision) {
	cfg := bwe.DefaultConfig()
	if d.Target < cfg.Min || d.Target > cfg.Max || d.Pacing <= 0 || d.Pacing > 2*cfg.Max || d.Window <= 0 || d.Padding < 0 || d.Padding > cfg.Max {
		x.t.Fatalf("at %v: %+v", p.now, d)
	}
	if len(x.w.moves) > 0 && p.now >= x.w.moves[0] {
		x.w.moves = x.w.moves[1:]
		p.bwe.OnRouteChange(p.clock(p.now))
	}
	// On far paths one probe after another finds more.
	if probes := p.bwe.Stats().Probes; d.State != x.state || probes != x.probes {
		x.state, x.since, x.probes = d.State, p.now, probes
	}
	if p.now < x.w.calm+6*time.Second { // so long a silence may be waited for
		x.since = p.now
	}
	longest := time.Hour
	switch d.State {
	case bwe.Probing, bwe.Blackout:
		longest = 15 * time.Second
	case bwe.Drain:
		longest = 15 * time.Second
	}
	if p.now-x.since > longest {
		x.t.Fatalf("at %v: for %v in state %v (%s), %+v", p.now, p.now-x.since, d.State, d.Reason, p.bwe.Stats())
	}
	wait := p.link.free - p.now
	if wait < 2*time.Second || p.now < x.w.calm {
		x.deep = p.now
	}
	if p.now-x.deep > 10*time.Second {
		if x.full = true; x.many {
			return
		}
		x.t.Fatalf("at %v: the queue is %v, %+v", p.now, wait, p.bwe.Stats())
	}
	if p.now > x.w.calm+steadyTime-10*time.Second {
		x.best = max(x.best, d.Target)
	}
}

// end judges the last ten seconds.
func (x *watcher) end(p *path) {
	enough := min(x.w.last.Scale(0.3), 100*units.Kbps)
	if x.w.noPads { // it may take its time
		enough = min(enough, 12*units.Kbps)
	}
	if x.best < enough {
		if x.low = true; x.many {
			x.t.Logf("the target is %v at the most on %v: %s", x.best, x.w.last, p.bwe.Decision().Reason)
			return
		}
		x.t.Fatalf("the target is %v at the most on %v: %+v, %+v", x.best, x.w.last, p.bwe.Decision(), p.bwe.Stats())
	}
}
