package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// bench is TCP senders, and a thin flow that does not adapt, over one link.
type bench struct {
	world *world
	link  *link.Link
	tcps  []*tcp
	thin  *udp
	rate  units.Rate
}

// path is what a bench's link is.
type path struct {
	rate          units.Rate
	oneWay, depth time.Duration
	loss          float64
	thin          units.Rate
	seed          uint64
}

// narrow is the link of the rows beside TCP.
var narrow = path{rate: 2 * units.Mbps, oneWay: 50 * time.Millisecond, depth: 300 * time.Millisecond}

const benchTime = 240 * time.Second

func newBench(t *testing.T, p path, specs ...TCP) *bench {
	t.Helper()
	w := &world{}
	config := link.Config{Capacity: link.Constant(p.rate), Queue: link.Queue{Delay: p.depth}, Delay: p.oneWay, Loss: link.Loss{Random: p.loss}}
	forward, err := links([]link.Config{config}, 1+p.seed)
	if err != nil {
		t.Fatal(err)
	}
	back, err := links([]link.Config{{Delay: p.oneWay}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{world: w, link: forward[0], rate: p.rate}
	for i, s := range specs {
		b.tcps = append(b.tcps, newTCP(w, s, p.seed*1000+uint64(i), carriers(forward), carriers(back), overheadOf([]link.Config{config}), int(benchTime/bin)+1))
	}
	if p.thin > 0 {
		b.thin = newUDP(w, UDP{Rate: p.thin}, carriers(forward), int(benchTime/bin)+1)
	}
	return b
}

// shares runs for as long again as until now, or so long, and answers what
// each sender got of the link meanwhile, in per cent.
func (b *bench) shares(from, to time.Duration) []float64 {
	b.world.run(from)
	var before []units.Size
	for _, x := range b.tcps {
		before = append(before, x.got)
	}
	b.world.run(to)
	var shares []float64
	for i, x := range b.tcps {
		shares = append(shares, 100*float64((x.got-before[i]).Over(to-from))/float64(b.rate))
	}
	return shares
}

func tcpShares(t *testing.T, p path, specs ...TCP) []float64 {
	return newBench(t, p, specs...).shares(benchTime/4, benchTime)
}

func TestShortTransfersRest(t *testing.T) {
	s := tcpShares(t, narrow, TCP{Short: true})
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
	newUDP(w, UDP{Rate: 2 * units.Mbps, Stop: 8 * time.Second}, carriers(forward), int(benchTime/bin)+1)
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
	if got := sum(newSpeaker(m, 1, 0), units.Mbps); math.Abs(float64(got-m.wireVoice())) > 1500 {
		t.Errorf("a voice of 20 kbit/s sends %v, want %v", got, m.wireVoice())
	}
	for _, thin := range []units.Rate{10e3, 16e3, 25e3, 40e3} {
		// A voice that does not fit gives way, as far as it goes.
		floor := newSpeaker(m, 1, 0).thinnest()
		if got := sum(newSpeaker(m, 1, 0), thin); got > max(thin, floor)+1500 || got < thin/2 {
			t.Errorf("a voice of 20 kbit/s where %v fit sends %v", thin, got)
		}
	}
	m.Spurts = true
	if got := sum(newSpeaker(m, 1, 0), units.Mbps); got > m.wireVoice()*7/10 {
		t.Errorf("a voice that pauses sends %v of %v", got, m.wireVoice())
	}
}
