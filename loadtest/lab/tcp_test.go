package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// name says a control in a word.
func (l Law) name() string { return [...]string{"NewReno", "CUBIC", "BBR"}[l] }

// deep is the link of the rows with a queue of a second.
var deep = path{rate: 2 * units.Mbps, oneWay: 50 * time.Millisecond, depth: time.Second}

func TestTCPAloneFillsTheLink(t *testing.T) {
	for _, law := range []Law{NewReno, Cubic} {
		for _, p := range []path{narrow, deep, {rate: 300 * units.Kbps, oneWay: 50 * time.Millisecond, depth: time.Second}} {
			if s := tcpShares(t, p, TCP{Law: law}); s[0] < 98 || s[0] > 100.5 {
				t.Errorf("%s alone on %v, queue %v: %.1f %%, want the link", law.name(), p.rate, p.depth, s[0])
			}
		}
	}
}

func TestTCPShares(t *testing.T) {
	for _, p := range []path{narrow, deep} {
		for _, law := range []Law{NewReno, Cubic} {
			s := tcpShares(t, p, TCP{Law: law}, TCP{Law: law})
			if r := s[0] / s[1]; s[0]+s[1] < 98 || r < 1.0/3 || r > 3 {
				t.Errorf("two %s, queue %v: %.1f and %.1f %%, want about half each", law.name(), p.depth, s[0], s[1])
			}
		}
	}
	// CUBIC's response function over Reno's (RFC 9438 §5.1, tables 1 and 2): it
	// takes more, and the more the longer the round trip.
	near, far := tcpShares(t, narrow, TCP{Law: Cubic}, TCP{}), tcpShares(t, deep, TCP{Law: Cubic}, TCP{})
	if r := near[0] / near[1]; r < 1.2 || r > 4 {
		t.Errorf("CUBIC beside NewReno, queue of 300 ms: %.1f times as much, want some 2", r)
	}
	if r := far[0] / far[1]; r < 3 || r > 12 {
		t.Errorf("CUBIC beside NewReno, queue of 1 s: %.1f times as much, want some 6", r)
	}
}

// TestTCPUnderLoss is Mathis et al. 1997: rate = MSS/RTT * C/sqrt(p), C =
// sqrt(3/2); and RFC 9438 §5.1 for CUBIC, equation 6: window = 1.054
// (RTT/p)^0.75, no less than Reno's.
func TestTCPUnderLoss(t *testing.T) {
	for _, c := range []struct {
		law  Law
		rtt  time.Duration
		loss float64
	}{{NewReno, 100 * time.Millisecond, 0.01}, {NewReno, 100 * time.Millisecond, 0.003}, {Cubic, 100 * time.Millisecond, 0.01}, {Cubic, 300 * time.Millisecond, 0.001}} {
		window := math.Sqrt(1.5 / c.loss)
		if c.law == Cubic {
			window = max(window, 1.054*math.Pow(c.rtt.Seconds()/c.loss, 0.75))
		}
		p := path{rate: 20 * units.Mbps, oneWay: c.rtt / 2, depth: 300 * time.Millisecond, loss: c.loss}
		want := 100 * window * 8 * float64(segmentSize) / c.rtt.Seconds() / float64(p.rate)
		if s := tcpShares(t, p, TCP{Law: c.law}); s[0] < 0.7*want || s[0] > 1.4*want {
			t.Errorf("%s with %.1f %% loss: %.2f %% of 20 Mbit/s, want about %.2f", c.law.name(), 100*c.loss, s[0], want)
		}
	}
}

// watched counts what a control is told.
type watched struct {
	control
	cuts, timeouts int
	since          time.Duration
}

func (w *watched) recover(t *tcp, now time.Duration, a acked) {
	if now >= w.since {
		w.cuts++
	}
	w.control.recover(t, now, a)
}

func (w *watched) expired(t *tcp, now time.Duration) {
	w.timeouts++
	w.control.expired(t, now)
}

// TestTCPTooth holds a lone sender's saw tooth to its length. NewReno grows by
// a segment a round trip from half of what link and queue hold; CUBIC is back
// after cbrt(0.3 W / 0.4) seconds (RFC 9438 §4.2). A loss costs some segments:
// those sent in the round trip until it is known.
func TestTCPTooth(t *testing.T) {
	holds := float64(narrow.rate) / 8 / float64(segmentSize) * (narrow.depth + 2*narrow.oneWay).Seconds()
	perSecond := float64(narrow.rate) / 8 / float64(segmentSize)
	tooth := map[Law]float64{
		NewReno: holds / 2 * 0.75 * holds / perSecond,
		Cubic:   math.Cbrt(0.3 * holds / 0.4),
	}
	for _, law := range []Law{NewReno, Cubic} {
		b := newBench(t, narrow, TCP{Law: law})
		w := &watched{control: b.tcps[0].control, since: benchTime / 4}
		b.tcps[0].control = w
		b.world.run(benchTime / 4)
		lost, sent := b.tcps[0].resent, b.tcps[0].emitted
		b.world.run(benchTime)
		lost, sent = b.tcps[0].resent-lost, b.tcps[0].emitted-sent
		if got := (benchTime - w.since).Seconds() / float64(w.cuts); got < 0.6*tooth[law] || got > 2*tooth[law] {
			t.Errorf("%s: a cut every %.1f s, want about %.1f", law.name(), got, tooth[law])
		}
		if w.timeouts > 0 {
			t.Errorf("%s: %d timeouts; selective acknowledgement repairs all of it", law.name(), w.timeouts)
		}
		if n := float64(lost) / float64(w.cuts); n < 1 || n > 12 {
			t.Errorf("%s: %.1f segments lost for each cut (%.2f %%), want a few", law.name(), n, 100*float64(lost)/float64(sent))
		}
	}
}

// TestTCPLocksNobodyOut holds the cross traffic to what a thin flow beside it
// meets: about the loss that TCP itself meets, on a link that is full now and
// then. Two errors would show here. A sender whose timer never ran out while
// anything was selectively acknowledged, and which could not tell that a
// retransmission was lost, stayed in recovery for ever, cut no more, and held
// the queue full: 30 to 50 % of the thin flow were lost. And two flows without
// any chance lock into phases.
func TestTCPLocksNobodyOut(t *testing.T) {
	for _, p := range []path{narrow, deep} {
		for _, law := range []Law{NewReno, Cubic} {
			var thinLost, thinSent, lost, sent float64
			for p.seed = range 4 {
				p.thin = 60 * units.Kbps
				b := newBench(t, p, TCP{Law: law})
				b.world.run(benchTime)
				thinLost += float64(b.thin.sent - b.thin.arrived)
				thinSent += float64(b.thin.sent)
				lost += float64(b.tcps[0].resent)
				sent += float64(b.tcps[0].emitted)
			}
			thin, other := 100*thinLost/thinSent, 100*lost/sent
			if thin > 4 || thin > 2.5*other || other > 4 {
				t.Errorf("beside %s, queue %v: a thin flow loses %.2f %%, TCP %.2f %%; want about the same", law.name(), p.depth, thin, other)
			}
		}
	}
}

// scripted runs one sender over a link that loses what a script names.
func scripted(t *testing.T, law Law, lose ...uint64) (*tcp, *watched) {
	t.Helper()
	w := &world{}
	config := link.Config{Capacity: link.Constant(10 * units.Mbps), Queue: link.Queue{Delay: 5 * time.Second}, Delay: 50 * time.Millisecond, Loss: link.Loss{Packets: lose}}
	forward, err := links([]link.Config{config}, 1)
	if err != nil {
		t.Fatal(err)
	}
	back, err := links([]link.Config{{Delay: 50 * time.Millisecond}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	x := newTCP(w, TCP{Law: law}, 1, carriers(forward), carriers(back), 0, int(benchTime/bin)+1)
	watch := &watched{control: x.control}
	x.control = watch
	w.run(1500 * time.Millisecond)
	return x, watch
}

func TestTCPRepairsLoss(t *testing.T) {
	if x, w := scripted(t, NewReno, 20); w.cuts != 1 || w.timeouts != 0 || x.resent != 1 || x.recovering {
		t.Errorf("one loss: %d cuts, %d timeouts, %d sent again", w.cuts, w.timeouts, x.resent)
	}
	// Which packet carries the retransmission is found by looking.
	for n := uint64(21); n < 60; n++ {
		if x, w := scripted(t, NewReno, 20, n); x.resent == 2 && w.cuts == 1 && w.timeouts == 0 && !x.recovering {
			return // either another segment, or the retransmission
		} else if w.timeouts > 0 {
			t.Errorf("with packet %d lost too: %d cuts, %d timeouts", n, w.cuts, w.timeouts)
		}
	}
	t.Error("a lost retransmission was never repaired")
}

func TestTCPTimesOutWhenAllIsLost(t *testing.T) {
	var all []uint64
	for n := range uint64(12) {
		all = append(all, n)
	}
	x, w := scripted(t, NewReno, all...)
	// The first ten, then the first again after 1 s; the next timeout is 2 s on.
	if w.timeouts != 1 || x.window != 1 || x.rto != 2*time.Second {
		t.Errorf("%d timeouts, window %.0f, next after %v; want 1, 1 and 2 s", w.timeouts, x.window, x.rto)
	}
}

// TestCubicFollowsItsFormula feeds acknowledgements and compares with RFC 9438,
// equation 1.
func TestCubicFollowsItsFormula(t *testing.T) {
	const rtt = 200 * time.Millisecond
	c := &cubic{}
	window := c.cut(100, false)
	if window != 70 {
		t.Fatalf("100 is cut to %v, want 70", window)
	}
	start := 5 * time.Second
	k := math.Cbrt(100 * 0.3 / 0.4)
	for now := start; now < start+8*time.Second; now += rtt {
		for n := window; n > 0; n-- { // one round trip of acknowledgements
			window = c.grow(now, window, 1, rtt)
		}
		at := (now - start + rtt).Seconds() - k
		// In the first round trips Reno's window is the larger (§4.3).
		if want := 100 + 0.4*at*at*at; now >= start+2*rtt && math.Abs(window-want) > 0.03*want {
			t.Errorf("%v after the cut: window %.1f, want %.1f", now-start, window, want)
		}
	}
	// Fast convergence, §4.7.
	c.reset()
	c.cut(100, false)
	if c.cut(80, false); math.Abs(c.most-80*1.7/2) > 1e-9 {
		t.Errorf("after 100 and 80 it aims at %v, want 68", c.most)
	}
	// A round trip of 10 ms and a window of 20: Reno's growth is more, §4.3.
	c.reset()
	window = c.cut(20, false)
	const near = 10 * time.Millisecond
	for now := time.Duration(0); now < 20*near; now += near {
		for n := window; n > 0; n-- {
			window = c.grow(now, window, 1, near)
		}
	}
	// 0.53 a round trip up to 20, then one.
	if want := 20 + 20 - 6*1.7/0.9; math.Abs(window-want) > 1 {
		t.Errorf("after 20 round trips of 10 ms: window %.1f, want Reno's %.1f", window, want)
	}
}

func TestRenoGrowsASegmentARoundTrip(t *testing.T) {
	r := &reno{}
	window := 50.0
	for range 20 {
		for n := math.Floor(window); n > 0; n-- {
			window = r.grow(0, window, 1, 0)
		}
	}
	if window < 69 || window > 70.5 {
		t.Errorf("after 20 round trips from 50: %.1f", window)
	}
}

// TestRecoveryReducesInProportion is RFC 9937 §6.
func TestRecoveryReducesInProportion(t *testing.T) {
	x := &tcp{window: 100, flying: 99, recovering: true}
	c := &byLoss{curve: &reno{}}
	c.recover(x, 0, acked{before: 100, found: 1})
	sent := 0
	for range 99 {
		x.flying--
		c.acknowledged(x, 0, acked{segments: 1})
		for x.flying+1 <= x.window {
			x.flying++
			sent++
			c.sent(x)
		}
	}
	if sent < 48 || sent > 52 || x.flying < 48 || x.flying > 52 {
		t.Errorf("99 acknowledgements of 100 let %d go, and %.0f fly at the end; want half", sent, x.flying)
	}
}

// TestHyStartLeavesSlowStart compares what the first slow start loses.
func TestHyStartLeavesSlowStart(t *testing.T) {
	lost := func(law Law) int64 {
		b := newBench(t, path{rate: 10 * units.Mbps, oneWay: 50 * time.Millisecond, depth: 300 * time.Millisecond}, TCP{Law: law})
		b.world.run(6 * time.Second)
		return b.tcps[0].resent
	}
	if without, with := lost(NewReno), lost(Cubic); without < 150 || with > without/2 {
		t.Errorf("the first slow start loses %d segments, with HyStart++ %d", without, with)
	}
}

// TestBegunBesideAFlow: a call whose first train meets a full queue knows no rate
// but its first, and is to have its share of the link all the same.
func TestBegunBesideAFlow(t *testing.T) {
	for _, plan := range core() {
		if plan.Name != "tcp-newreno-2m-300ms" {
			continue
		}
		for _, unlucky := range []uint64{4, 38} { // of the first 40 seeds those that stayed at 14 kbit/s
			r, _, err := Run(plan, unlucky)
			if err != nil {
				t.Fatal(err)
			}
			if r.Utilization < 40 {
				t.Errorf("seed %d: %.1f %% of the link are used beside TCP, want at least 40", unlucky, r.Utilization)
			}
		}
		return
	}
	t.Fatal("there is no such scenario")
}

// TestSqueezedByBBR: BBR may squeeze a call to a rate whose goal is no shorter than the
// queue that BBR leaves; it is to come back from there, late as it is.
func TestSqueezedByBBR(t *testing.T) {
	for _, plan := range core() {
		if plan.Name != "tcp-bbr-2m-300ms" {
			continue
		}
		for _, unlucky := range []uint64{13, 26} { // of the first 40 seeds two that stayed at 2 to 3 %
			r, _, err := Run(plan, unlucky)
			if err != nil {
				t.Fatal(err)
			}
			if r.Utilization < 15 {
				t.Errorf("seed %d: %.1f %% of the link are used beside BBR, want at least 15", unlucky, r.Utilization)
			}
		}
		return
	}
	t.Fatal("there is no such scenario")
}
