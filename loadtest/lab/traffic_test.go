package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// tcpShares runs TCP senders alone and answers what each got, in per cent of
// the link over the second half.
func tcpShares(t *testing.T, rate units.Rate, oneWay, depth time.Duration, loss float64, specs ...TCP) []float64 {
	t.Helper()
	const d = 80 * time.Second
	w := &world{}
	forward, err := links([]link.Config{{Capacity: link.Constant(rate), Queue: link.Queue{Delay: depth}, Delay: oneWay, Loss: link.Loss{Random: loss}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	back, err := links([]link.Config{{Delay: oneWay}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var all []*tcp
	for i, s := range specs {
		all = append(all, newTCP(w, s, uint64(i), forward, back, int(d/bin)+1))
	}
	w.run(d / 2)
	var before []units.Size
	for _, x := range all {
		before = append(before, x.got)
	}
	w.run(d)
	var shares []float64
	for i, x := range all {
		shares = append(shares, 100*float64((x.got-before[i]).Over(d/2))/float64(rate))
	}
	return shares
}

// TestTCPIsTCP holds the cross traffic to what is known of it.
func TestTCPIsTCP(t *testing.T) {
	for _, cubic := range []bool{false, true} {
		spec := TCP{Cubic: cubic}
		if s := tcpShares(t, 2*units.Mbps, 50*time.Millisecond, 300*time.Millisecond, 0, spec); s[0] < 95 || s[0] > 100.5 {
			t.Errorf("cubic %v: alone it gets %.1f %%, want the link", cubic, s[0])
		}
		s := tcpShares(t, 2*units.Mbps, 50*time.Millisecond, 300*time.Millisecond, 0, spec, spec)
		if s[0]+s[1] < 95 || s[0]/s[1] > 2 || s[1]/s[0] > 2 {
			t.Errorf("cubic %v: two get %.1f %% and %.1f %%, want about half each", cubic, s[0], s[1])
		}
	}
	// Mathis et al. 1997: rate = MSS/RTT * C/sqrt(p), with C about 0.94 for
	// acknowledgements of two segments.
	s := tcpShares(t, 20*units.Mbps, 50*time.Millisecond, 300*time.Millisecond, 0.01, TCP{})
	want := 100 * (1500 * 8 / 0.1 * 0.94 / math.Sqrt(0.01)) / 20e6
	if s[0] < 0.6*want || s[0] > 1.7*want {
		t.Errorf("with 1 %% loss it gets %.2f %% of 20 Mbit/s, want about %.2f", s[0], want)
	}
}

func TestShortTransfersRest(t *testing.T) {
	s := tcpShares(t, 2*units.Mbps, 50*time.Millisecond, 300*time.Millisecond, 0, TCP{Short: true})
	// 40 kB every 10 s and a bit.
	if s[0] < 0.5 || s[0] > 4 {
		t.Errorf("short transfers take %.2f %% of the link, want about 1.5", s[0])
	}
}

func TestUDPDoesNotAdapt(t *testing.T) {
	w := &world{}
	forward, err := links([]link.Config{{Capacity: link.Constant(units.Mbps), Queue: link.Queue{Delay: 100 * time.Millisecond}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	newUDP(w, UDP{Rate: 2 * units.Mbps, Stop: 8 * time.Second}, forward)
	w.run(10 * time.Second)
	st := forward[0].Stats()
	if st.Offered.Bytes != 2_000_000 || st.Arriving.Bytes < 990_000 || st.Arriving.Bytes > 1_020_000 {
		t.Errorf("offered %v, arrived %v; want 2 MB and half of it", st.Offered.Bytes, st.Arriving.Bytes)
	}
}

// TestSourcesKeepTheirRate checks that the media models send what they are
// told, in wire bytes.
func TestSourcesKeepTheirRate(t *testing.T) {
	sum := func(s source, rate units.Rate) units.Rate {
		var bytes units.Size
		largestSeen := units.Size(0)
		const d = 120 * time.Second
		for now := s.next(); now < d; now = s.next() {
			s.poll(now, rate, func(_ class, size units.Size, _ uint32, _ bool) {
				bytes += size
				largestSeen = max(largestSeen, size)
			})
		}
		if largestSeen > largest {
			t.Errorf("a packet of %v", largestSeen)
		}
		return bytes.Over(d)
	}
	for _, rate := range []units.Rate{30e3, 80e3, 300e3, 1e6, 5e6} {
		if got := sum(&perfect{}, rate); math.Abs(float64(got-rate)) > 0.01*float64(rate) {
			t.Errorf("perfect encoder at %v sends %v", rate, got)
		}
	}
	for _, rate := range []units.Rate{200e3, 1e6} {
		// A third of its scenes do not fill the rate.
		if got := float64(sum(newEncoder(1, 0), rate)) / float64(rate); got < 0.6 || got > 1.02 {
			t.Errorf("encoder at %v sends %.2f of it", rate, got)
		}
	}
	m := Media{Voice: 20 * units.Kbps}
	if got := sum(newSpeaker(m, 1, 0), 0); math.Abs(float64(got-m.wireVoice())) > 1500 {
		t.Errorf("a voice of 20 kbit/s sends %v, want %v", got, m.wireVoice())
	}
	m.Spurts = true
	if got := sum(newSpeaker(m, 1, 0), 0); got > m.wireVoice()*7/10 {
		t.Errorf("a voice that pauses sends %v of %v", got, m.wireVoice())
	}
}
