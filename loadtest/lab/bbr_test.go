package lab

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// spied is a BBR sender whose state is written down at each acknowledgement.
type spied struct {
	*bbr
	entered [4][]time.Duration
	last    bbrState
	gains   map[float64]time.Duration
	before  time.Duration
}

func (s *spied) acknowledged(t *tcp, now time.Duration, a acked) {
	if s.state == bbrProbeBandwidth {
		s.gains[s.pacing] += now - s.before
	}
	s.before = now
	s.bbr.acknowledged(t, now, a)
	if s.state != s.last {
		s.last = s.state
		s.entered[s.state] = append(s.entered[s.state], now)
	}
}

// TestBBRAlone holds a lone sender to its draft: it fills the link, keeps at
// most about twice what the path holds, probes the bandwidth in cycles of eight
// round trips and the delay every ten seconds.
func TestBBRAlone(t *testing.T) {
	b := newBench(t, narrow, TCP{Law: BBR})
	s := &spied{bbr: b.tcps[0].control.(*bbr), gains: map[float64]time.Duration{}}
	b.tcps[0].control = s
	if share := b.shares(benchTime/4, benchTime)[0]; share < 95 || share > 100.5 {
		t.Errorf("alone it gets %.1f %%", share)
	}
	if n := b.tcps[0].resent; n > 0 {
		t.Errorf("%d segments lost; the queue holds three times what the path does", n)
	}
	if got := s.bandwidth.value() * 8 * float64(segmentSize) / float64(b.rate); got < 0.97 || got > 1.1 {
		t.Errorf("it thinks the link carries %.2f of what it does", got)
	}
	drains, probes := s.entered[bbrDrain], s.entered[bbrProbeDelay]
	if len(drains) != 1 || drains[0] > 3*time.Second {
		t.Errorf("startup ended at %v, want once, within some round trips", drains)
	}
	if n := benchTime.Seconds() / float64(len(probes)); n < 9.5 || n > 12 {
		t.Errorf("the delay is probed every %.1f s, want 10 and a bit", n)
	}
	up, down := s.gains[1.25].Seconds(), s.gains[0.75].Seconds()
	rest := s.gains[1].Seconds()
	if up < 0.5*rest/6 || up > 2*rest/6 || down > 1.3*rest/6 || down == 0 {
		t.Errorf("%.0f s at 1.25, %.0f s at 0.75, %.0f s at 1; want about 1 : 1 : 6", up, down, rest)
	}
}

func TestBBRKeepsTheQueueShort(t *testing.T) {
	b := newBench(t, deep, TCP{Law: BBR})
	var sum, n time.Duration
	for now := benchTime / 4; now < benchTime/2; now += 50 * time.Millisecond {
		b.world.run(now)
		sum += b.link.Wait(epoch.Add(now))
		n++
	}
	// Twice what the path holds is a queue of one round trip at the most.
	if mean := sum / n; mean > 110*time.Millisecond {
		t.Errorf("a queue of %v on the mean where a second has room", mean)
	}
}

// TestBBRShares holds it to what is known of it (Hock et al., "Experimental
// evaluation of BBR congestion control", 2017): equals share; beside a control by loss
// it takes nearly all of a short queue, about half with one of a few times
// what the path holds, and less where it is deep.
func TestBBRShares(t *testing.T) {
	s := tcpShares(t, narrow, TCP{Law: BBR}, TCP{Law: BBR})
	if r := s[0] / s[1]; s[0]+s[1] < 95 || r < 1.0/3 || r > 3 {
		t.Errorf("two get %.1f and %.1f %%", s[0], s[1])
	}
	beside := func(depth time.Duration) float64 {
		p := narrow
		p.depth = depth
		s := tcpShares(t, p, TCP{Law: BBR}, TCP{Law: Cubic})
		return s[0] / s[1]
	}
	short, middle, long := beside(40*time.Millisecond), beside(300*time.Millisecond), beside(2*time.Second)
	if short < 3 || middle < 0.5 || middle > 2.5 || long > 0.8 || short < middle || middle < long {
		t.Errorf("beside CUBIC: %.2f times as much at 40 ms of queue, %.2f at 300 ms, %.2f at 2 s", short, middle, long)
	}
}

// TestBBRBearsLoss is what it is known for: loss below its gain's reach costs
// it no more than what is lost.
func TestBBRBearsLoss(t *testing.T) {
	p := path{rate: 10 * units.Mbps, oneWay: 50 * time.Millisecond, depth: 300 * time.Millisecond, loss: 0.02}
	if b, r := tcpShares(t, p, TCP{Law: BBR})[0], tcpShares(t, p, TCP{})[0]; b < 85 || r > 25 {
		t.Errorf("with 2 %% loss BBR gets %.1f %%, NewReno %.1f %%", b, r)
	}
}

func TestPeakForgets(t *testing.T) {
	var p peak
	for round, rate := range []float64{5, 9, 3, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1} {
		p.note(uint64(round), rate)
		want := 9.0
		switch {
		case round == 0:
			want = 5
		case round == 11 || round == 12:
			want = 4
		case round > 12:
			want = 2
		}
		if p.value() != want {
			t.Errorf("round %d: %v, want %v", round, p.value(), want)
		}
	}
}
